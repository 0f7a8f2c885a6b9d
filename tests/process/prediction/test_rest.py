"""A served model answers as the same model in process."""

import concurrent.futures
import http.server
import json
import socket
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest
import tensorflow as tf

from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.prediction.rest import RestPredictor
from trainers.prediction.rest import ServerError
from trainers.prediction.saved_model import Predictor
from trainers.tasks import example_signatures

TEXTS = [b"A chess game", b"", b"\xff\xfe broken \x00\x00", "中".encode()]
SHAPE = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}


def answer_alike(served, local, signature, inputs):
    answer = served(signature, inputs)
    expected = local(signature, inputs)
    assert list(answer) == sorted(expected)
    for name, value in expected.items():
        assert answer[name].dtype == value.dtype
        assert answer[name].shape == value.shape
        if value.dtype.kind == "f":
            np.testing.assert_allclose(answer[name], value, rtol=0, atol=1e-6)
        else:
            np.testing.assert_array_equal(answer[name], value)


@pytest.fixture(scope="module")
def local_text(text_export):
    return Predictor(text_export)


@pytest.fixture(scope="module")
def local_image(image_export):
    return Predictor(image_export)


@pytest.mark.parametrize(
    "signature, inputs",
    [
        ("serving_default", {"text": TEXTS}),
        ("serving_default", {"text": np.array(TEXTS, dtype=object)}),
        ("serving_default", {"text": ["A chess game", "naïve"]}),
        ("tokenize", {"text": TEXTS}),
        ("tokens", {"token_ids": np.array([[2, 5, 7, 3]] * 2, np.int32)}),
        ("classify", example_signatures.check_inputs(text=TEXTS)),
    ],
    ids=["bytes", "array", "str", "one_output", "integers", "examples"],
)
def test_texts_are_answered_as_in_process(
    served_text, local_text, signature, inputs
):
    answer_alike(RestPredictor(served_text), local_text, signature, inputs)


def test_images_are_answered_as_in_process(served_image, local_image):
    served = RestPredictor(served_image)
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    files = [tf.io.encode_png(image[..., None]).numpy() for image in images]
    for signature, inputs in (
        ("serving_default", {"image": images.astype(np.float32)}),
        ("image_bytes", {"image_bytes": files}),
        ("classify", example_signatures.check_inputs(image_bytes=files)),
    ):
        answer_alike(served, local_image, signature, inputs)


def test_signatures_are_those_of_the_export(
    served_text, local_text, served_image, local_image
):
    assert RestPredictor(served_text).signatures == local_text.signatures
    assert RestPredictor(served_image).signatures == local_image.signatures


def test_an_address_may_name_a_version_and_end_in_a_slash(
    served_text, local_text
):
    served = RestPredictor(f"{served_text}/versions/1/")
    answer_alike(served, local_text, "serving_default", {"text": TEXTS})
    with pytest.raises(ServerError) as error:
        RestPredictor(f"{served_text}/versions/9")
    assert error.value.status == 404
    assert str(error.value) == (
        "the server answered 404: Servable not found for request: "
        "Specific(bert_classifier, 9)"
    )


@pytest.mark.parametrize(
    "signature, inputs",
    [
        ("serving_default", {"txt": ["a"]}),
        ("serving_default", {"text": [3]}),
        ("nothing", {"text": ["a"]}),
        ("tokens", {"token_ids": [[2, 3], [2]]}),
        ("tokens", {"token_ids": np.array([[2.5, 3.0]])}),
    ],
    ids=["name", "type", "signature", "ragged", "float"],
)
def test_what_the_server_refuses_is_said_in_its_words(
    served_text, signature, inputs
):
    with pytest.raises(ServerError) as error:
        RestPredictor(served_text)(signature, inputs)
    request = {"signature_name": signature, "inputs": inputs}
    body = json.dumps(request, default=np.ndarray.tolist).encode()
    with pytest.raises(urllib.error.HTTPError) as raw:
        urllib.request.urlopen(f"{served_text}:predict", body)
    words = json.load(raw.value)["error"]
    assert raw.value.code == error.value.status
    assert 400 <= error.value.status < 500
    assert str(error.value) == (
        f"the server answered {error.value.status}: {words}"
    )


def test_threads_share_a_predictor_and_get_each_its_answer(
    served_text, local_text
):
    served = RestPredictor(served_text)
    texts = [f"text number {n} " * (n % 5) for n in range(40)]

    def tokens_of(predictor, text):
        (row,) = predictor("tokenize", {"text": [text]})["token_ids"]
        # The server may pad it to the length of another thread's text.
        return row[row != 0].tolist()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda text: tokens_of(served, text), texts))
    assert answers == [tokens_of(local_text, text) for text in texts]


def test_a_token_is_sent_and_asked_for(start_server, image_export):
    url = start_server(image_export, TFMODELS_TOKEN="s3cret")
    assert "classify" in RestPredictor(url, token="s3cret").signatures
    for token in (None, "wrong"):
        with pytest.raises(ServerError) as error:
            RestPredictor(url, token=token)
        assert error.value.status == 401
        assert str(error.value).endswith(" Put the token into TFMODELS_TOKEN.")


def test_a_token_with_white_space_is_refused_and_not_shown():
    with pytest.raises(ConfigError) as error:
        RestPredictor("http://127.0.0.1:1/v1/models/m", token="s3c\nret")
    assert str(error.value) == (
        "`TFMODELS_TOKEN` must be ASCII without white space. "
        "Received: a text of 7 characters, not shown."
    )


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8501/v1/models/m",
        "http://localhost:8501",
        "http://localhost:8501/v1/models/",
        "http://localhost:8501/v1/models/m:predict",
        "http://localhost:8501/v1/models/m/versions/new",
        "http://name:word@localhost:8501/v1/models/m",
        "http://localhost:8501/v1/models/m?x=1",
    ],
)
def test_an_address_that_cannot_be_one_is_refused(url):
    with pytest.raises(ConfigError) as error:
        RestPredictor(url)
    assert str(error.value) == (
        "`--server` must be the address of a model, like "
        "http://localhost:8501/v1/models/NAME, with /versions/N or "
        f"/labels/LABEL behind it for one version. Received: {url!r}."
    )


def test_a_server_that_is_not_there_is_an_instruction():
    with socket.socket() as taken:
        # Bound to a port, but not listening.
        taken.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(RunError) as error:
            RestPredictor(f"{origin}/v1/models/m")
    assert str(error.value) == (
        f"no server answers at {origin}: Connection refused. Start one with "
        "`python -m trainers.serve --workdir=DIR`, or correct `--server`."
    )


class OtherServer(http.server.ThreadingHTTPServer):
    """Answers with the given bodies in turn, as other servers might."""

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.num_connections = 0
        self.url = f"http://127.0.0.1:{self.server_port}/v1/models/m"

    def __enter__(self):
        threading.Thread(target=self.serve_forever).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10  # Ends the thread of a connection that is kept open.

    def setup(self):
        super().setup()
        self.server.num_connections += 1

    def do_GET(self):  # noqa: N802
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = self.server.answers.pop(0)
        if body == "wait":
            body = "{}"
            self.server.waiting.wait(30)
        if isinstance(body, str):
            body = body.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        # Without a word to the client, as after a time of idleness.
        self.close_connection = self.server.answers[:1] == ["close"]
        if self.close_connection:
            self.server.answers.pop(0)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


def metadata(**outputs):
    """Returns the answer that describes a model with these outputs."""
    signature = {
        "inputs": {"x": {"dtype": "DT_FLOAT", "tensor_shape": SHAPE}},
        "outputs": {
            name: {"dtype": dtype, "tensor_shape": SHAPE}
            for name, dtype in outputs.items()
        },
        "a field of tomorrow": 1,
    }
    signatures = {"signature_def": {"serving_default": signature}}
    return json.dumps({"metadata": {"signature_def": signatures}})


def ask(*answers, **outputs):
    with OtherServer(metadata(**outputs), *answers) as server:
        return RestPredictor(server.url)("serving_default", {"x": [1.0, 2.0]})


def test_values_that_json_does_not_know_are_read():
    answer = ask(
        b'{"outputs": {"x": [NaN, -Infinity], "label": ["\xff", "\xc3\xa4"], '
        b'"y_bytes": [{"b64": "/w=="}, {"b64": ""}]}}',
        x="DT_FLOAT",
        label="DT_STRING",
        y_bytes="DT_STRING",
    )
    assert answer["x"].dtype == np.float32
    assert str(answer["x"].tolist()) == "[nan, -inf]"
    assert answer["label"].tolist() == [b"\xff", "ä".encode()]
    assert answer["y_bytes"].tolist() == [b"\xff", b""]


@pytest.mark.parametrize(
    "answer",
    [
        '{"outputs": {"x": [1.0, 2.0]}}',
        '{"outputs": {"x": [1.0, 2.0], "n": ["a", "b"]}}',
        '{"outputs": {"x": [1.0, 2.0], "n": [1, 1e99]}}',
        '{"outputs": [1.0, 2.0]}',
        '{"predictions": []}',
        "[]",
    ],
)
def test_answers_of_another_model_are_refused(answer):
    with pytest.raises(RunError, match="does not fit the signature `serving_"):
        ask(answer, x="DT_FLOAT", n="DT_INT32")


@pytest.mark.parametrize(
    "answer", ["<html>", "{}", "[]", '{"metadata": {"signature_def": 3}}']
)
def test_what_is_no_model_server_is_named(answer):
    with OtherServer(answer) as server, pytest.raises(RunError) as error:
        RestPredictor(server.url)
    assert str(error.value) == (
        f"http://127.0.0.1:{server.server_port} does not answer as TensorFlow "
        "Serving's REST interface does. Correct `--server`."
    )


def test_one_connection_is_kept_open():
    answers = ['{"outputs": [1.0, 2.0]}'] * 3
    with OtherServer(metadata(x="DT_FLOAT"), *answers) as server:
        predictor = RestPredictor(server.url)
        for _ in range(3):
            answer = predictor("serving_default", {"x": [1.0, 2.0]})
            assert answer["x"].tolist() == [1.0, 2.0]
        assert server.num_connections == 1


def test_a_connection_that_was_closed_is_opened_again():
    answer = '{"outputs": [1.0, 2.0]}'
    with OtherServer(
        metadata(x="DT_FLOAT"), "close", answer, "close", answer
    ) as server:
        predictor = RestPredictor(server.url)
        for _ in range(2):
            answer = predictor("serving_default", {"x": [1.0, 2.0]})
            assert answer["x"].tolist() == [1.0, 2.0]
        assert server.num_connections == 3


def test_a_server_that_does_not_answer_is_given_up():
    with OtherServer(metadata(x="DT_FLOAT"), "wait") as server:
        server.waiting = threading.Event()
        predictor = RestPredictor(server.url, timeout_seconds=0.2)
        with pytest.raises(RunError) as error:
            predictor("serving_default", {"x": [1.0]})
        server.waiting.set()
    assert str(error.value) == (
        f"127.0.0.1:{server.server_port} did not answer within 0.2 s."
    )
