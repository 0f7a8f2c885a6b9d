"""`classify` and `tokens` of real exports, in the session of a server."""

import exported_models
import numpy as np
import pytest
import tensorflow as tf

from trainers.serving.proof import rules
from trainers.serving.proof.fresh_process import SessionModel
from trainers.tasks import example_signatures

CLASSES = ["ham", "spam", "猫"]
TEXTS = [b"a b c", b"", b"d e f g h i a", b"\xff\xfe", b"b [SEP] c"]


@pytest.fixture(scope="module")
def image_version(smoke_workdir):
    return smoke_workdir / "export" / "mnist_mlp" / "1"


@pytest.fixture(scope="module")
def text_version(tmp_path_factory):
    directory = tmp_path_factory.mktemp("text")
    return exported_models.text_classifier(directory).path


@pytest.fixture(scope="module")
def text_model(text_version):
    return SessionModel(text_version)


def check_ranking(ranked, answer, class_names):
    """Checks the ranking of rows against the answers to the same rows."""
    assert sorted(ranked) == ["classes", "scores"]
    assert ranked["scores"].dtype == np.float32
    assert (np.diff(ranked["scores"]) <= 0).all()
    for row, names in enumerate(ranked["classes"]):
        names = [name.decode() for name in names]
        assert sorted(names) == sorted(class_names)
        assert names[0] == answer["label"][row].decode()
        order = [class_names.index(name) for name in names]
        np.testing.assert_allclose(
            ranked["scores"][row],
            answer["probabilities"][row][order],
            atol=1e-6,
        )


def test_images_are_ranked(image_version):
    model = SessionModel(image_version)
    images = np.random.default_rng(0).integers(0, 256, (7, 28, 28, 1), np.uint8)
    files = [tf.io.encode_png(image).numpy() for image in images]
    files.append(tf.io.encode_jpeg(np.full((9, 5, 3), 200, np.uint8)).numpy())
    ranked = model(
        "classify", example_signatures.check_inputs(image_bytes=files)
    )
    answer = model("image_bytes", {"image_bytes": files})
    check_ranking(ranked, answer, [str(digit) for digit in range(10)])


def test_texts_are_ranked(text_model):
    ranked = text_model("classify", example_signatures.check_inputs(text=TEXTS))
    answer = text_model("serving_default", {"text": TEXTS})
    assert len(set(answer["label"])) > 1
    check_ranking(ranked, answer, CLASSES)


@pytest.mark.parametrize("which", ["image_version", "text_version"])
def test_exports_keep_the_rules_of_each_api(which, request):
    version = request.getfixturevalue(which)
    assert rules.lint(version) == []
    assert rules.oldest_server(version) == "2.18"
    found = rules.signatures(rules.read(version))
    apis = {name: rules.apis(s) for name, s in found.items()}
    assert apis.pop("classify") == ["predict", "classify"]
    assert set(map(tuple, apis.values())) == {("predict",)}


def test_a_request_without_the_feature_harms_no_other(text_model):
    good = example_signatures.check_inputs(text=[b"a b"])
    expected = text_model("classify", good)["scores"]
    for bad in (
        b"",
        example_signatures.check_inputs(body=[b"a b"])["inputs"][0],
    ):
        with pytest.raises(tf.errors.InvalidArgumentError) as error:
            text_model("classify", {"inputs": [good["inputs"][0], bad]})
        assert (
            "Feature: text (data type: string) is required but could not be "
            "found."
        ) in str(error.value)
        again = text_model("classify", good)["scores"]
        np.testing.assert_array_equal(again, expected)


def test_a_file_that_is_no_image_is_an_error(image_version):
    model = SessionModel(image_version)
    for bad in (b"", b"no image", b"\x89PNG\r\n\x1a\n"):
        inputs = example_signatures.check_inputs(image_bytes=[bad])
        with pytest.raises(tf.errors.InvalidArgumentError):
            model("classify", inputs)


def test_rows_padded_as_a_server_pads_them_are_answered_alike(text_model):
    ids = text_model("tokenize", {"text": TEXTS})["token_ids"]
    lengths = [
        list(row).index(exported_models.WORDS.index("[SEP]")) + 1 for row in ids
    ]
    assert lengths[:3] == [5, 2, 9]
    # Requests of unequal length, each filled up with its first id.
    filled = ids.copy()
    for row, length in zip(filled, lengths, strict=True):
        row[length:] = row[0]
    together = text_model("tokens", {"token_ids": filled})
    from_text = text_model("serving_default", {"text": TEXTS})
    np.testing.assert_allclose(
        together["logits"], from_text["logits"], atol=1e-6
    )
    for row, length in enumerate(lengths):
        alone = text_model("tokens", {"token_ids": ids[row : row + 1, :length]})
        np.testing.assert_allclose(
            together["probabilities"][row : row + 1],
            alone["probabilities"],
            atol=1e-6,
        )


def padded_as_by_a_server(requests):
    """Returns the rows of requests, each padded with its own first id."""
    width = max(request.shape[1] for request in requests)
    return np.concatenate(
        [
            np.pad(
                request,
                [(0, 0), (0, width - request.shape[1])],
                constant_values=request[0, 0],
            )
            for request in requests
        ]
    )


def requests_of_texts(rng):
    words = rng.choice(list("abcdefghi! é中"), size=(200, 12))
    texts = ["".join(row[: rng.integers(0, 12)]).encode() for row in words]
    # Rows with an end and without, of the words alone or with any ids.
    starts = [
        np.concatenate([[2], rng.integers(low, 15, rng.integers(0, 14))])
        for low in rng.choice([0, 4], 200)
    ]
    return {
        "serving_default": ("text", texts),
        "tokenize": ("text", texts),
        "classify": (
            "inputs",
            example_signatures.check_inputs(text=texts)["inputs"],
        ),
        "tokens": ("token_ids", [np.int32(row)[np.newaxis] for row in starts]),
    }


def requests_of_images(rng):
    images = rng.integers(0, 256, (200, 28, 28, 1), np.uint8)
    files = [tf.io.encode_png(image).numpy() for image in images]
    return {
        "serving_default": ("image", np.float32(images[:, None, :, :, 0])),
        "image_bytes": ("image_bytes", files),
        "classify": (
            "inputs",
            example_signatures.check_inputs(image_bytes=files)["inputs"],
        ),
    }


@pytest.mark.parametrize(
    "which, requests_fn",
    [
        ("text_version", requests_of_texts),
        ("image_version", requests_of_images),
    ],
)
def test_an_answer_does_not_depend_on_15_neighbours(
    which, requests_fn, request
):
    version = request.getfixturevalue(which)
    model = SessionModel(version)
    rng = np.random.default_rng(0)
    requests = requests_fn(rng)
    assert sorted(requests) == sorted(rules.signatures(rules.read(version)))
    for name, (key, rows) in requests.items():

        def ask(batch, name=name, key=key):
            if isinstance(batch[0], bytes):
                return model(name, {key: np.array(batch, object)})
            if batch[0].ndim == 2:
                return model(name, {key: padded_as_by_a_server(batch)})
            return model(name, {key: np.concatenate(batch)})

        for _ in range(10):
            chosen = rng.permutation(len(rows))[:16]
            together = ask([rows[i] for i in chosen])
            place = rng.integers(16)
            alone = ask([rows[chosen[place]]])
            assert together.keys() == alone.keys()
            for output, value in alone.items():
                merged = together[output][place : place + 1]
                if value.dtype == np.float32:
                    np.testing.assert_allclose(merged, value, atol=1e-4)
                else:
                    np.testing.assert_array_equal(merged, value)
