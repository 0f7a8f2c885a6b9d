"""The command, its process and its signals, over real connections."""

import base64
import contextlib
import http.client
import json
import shutil
import signal
import socket
import time

import numpy as np
import pytest
import tensorflow as tf
from served_processes import WAIT_SECONDS
from served_processes import Connection
from served_processes import ended
from served_processes import serving

from trainers.prediction import saved_model

FILES = {
    "batching.config": "max_batch_size { value: 8 }\n"
    "allowed_batch_sizes: 1\nallowed_batch_sizes: 8\n"
    "num_batch_threads { value: 2 }\n",
    "monitoring.config": "prometheus_config {\n  enable: true\n"
    '  path: "/metrics"\n}\n',
    "models.config": 'model_config_list { config { name: "digits" } }\n',
}


@pytest.fixture(scope="module")
def bundle(smoke_workdir, tmp_path_factory):
    """A copy of the smoke run's export with other files."""
    base = tmp_path_factory.mktemp("serve") / "digits"
    base.mkdir()
    shutil.copytree(smoke_workdir / "export" / "mnist_mlp" / "1", base / "1")
    for name, text in FILES.items():
        (base / name).write_text(text)
    return base


def images(count):
    return np.random.default_rng(count).integers(0, 256, (count, 28, 28))


def encoded(image):
    png = tf.io.encode_png(image[..., None].astype(np.uint8)).numpy()
    return {"b64": base64.b64encode(png).decode()}


def test_answers_are_those_of_the_model_in_process(bundle, user_env):
    found = images(5)
    expected = saved_model.Predictor(bundle)(
        "serving_default", {"image": found.astype(np.float32)}
    )
    with (
        serving(bundle, user_env) as (process, netloc, path),
        Connection(netloc) as connection,
    ):
        assert (netloc.partition(":")[0], path) == (
            "127.0.0.1",
            "/v1/models/digits",
        )
        for body in (
            {"inputs": found.tolist()},
            {
                "signature_name": "image_bytes",
                "inputs": [encoded(image) for image in found],
            },
        ):
            status, answer = connection.post(f"{path}:predict", body)
            assert status == 200
            outputs = answer["outputs"]
            assert outputs["class_id"] == expected["class_id"].tolist()
            assert [x.encode() for x in outputs["label"]] == expected[
                "label"
            ].tolist()
            for name in ("logits", "probabilities"):
                np.testing.assert_allclose(
                    outputs[name], expected[name], atol=1e-5
                )
        status, answer = connection.post(
            f"{path}:classify",
            {
                "signature_name": "classify",
                "examples": [{"image_bytes": encoded(found[0])}],
            },
        )
        assert status == 200
        (row,) = answer["results"]
        order = np.argsort(-expected["probabilities"][0], kind="stable")
        assert [label for label, _ in row] == [str(n) for n in order]
        # The page, and metrics where monitoring.config says; five rows were
        # filled up to eight.
        assert connection.ask("GET", "/")[0] == 200
        status, text = connection.ask("GET", "/metrics")
        lines = dict(
            line.rsplit(" ", 1)
            for line in text.decode().splitlines()
            if line[0] != "#"
        )
        rows = ":tensorflow:serving:batching_session:processed_batch_size"
        assert (lines[f"{rows}_count"], lines[f"{rows}_sum"]) == ("3.0", "17.0")
        process.send_signal(signal.SIGTERM)
        code, stderr = ended(process)
    assert code == 0
    assert stderr.splitlines() == [
        "version 1 is available",
        "stopping after the running requests",
    ]


@pytest.fixture
def half_sent():
    """Returns a socket on which half of a request was sent."""
    with contextlib.ExitStack() as opened:

        def send(netloc, path, body):
            host, port = netloc.split(":")
            connection = opened.enter_context(
                socket.create_connection((host, int(port)), WAIT_SECONDS)
            )
            head = f"POST {path} HTTP/1.1\r\nHost: {netloc}\r\n"
            head += f"Content-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body[: len(body) // 2])
            return connection

        yield send


def wait_for(condition):
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_stop_lets_running_requests_end_and_takes_no_more(
    bundle, user_env, half_sent
):
    body = json.dumps({"inputs": images(1).tolist()}).encode()
    with serving(bundle, user_env, "--max_concurrent_requests=1") as (
        process,
        netloc,
        path,
    ):
        predict = f"{path}:predict"
        connection = half_sent(netloc, predict, body)
        # It has the only place as soon as others get none.
        with Connection(netloc) as other:
            wait_for(lambda: other.ask("POST", predict, body)[0] == 429)
        process.send_signal(signal.SIGINT)

        def is_closed():
            try:
                with Connection(netloc) as other:
                    other.ask("GET", path)
            except OSError:
                return True
            return False

        wait_for(is_closed)
        connection.sendall(body[len(body) // 2 :])
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 200
        assert list(json.loads(answer.read())) == ["outputs"]
        connection.close()
        code, stderr = ended(process)
    assert (code, stderr.splitlines()[-1]) == (
        0,
        "stopping after the running requests",
    )


def test_a_second_signal_ends_at_once(bundle, user_env, half_sent):
    with serving(bundle, user_env) as (process, netloc, path):
        connection = half_sent(netloc, f"{path}:predict", b"x" * 100)
        process.send_signal(signal.SIGTERM)
        # A second signal a moment later is the same request.
        time.sleep(0.6)
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        connection.close()
        assert process.returncode == 128 + signal.SIGTERM


def test_a_stop_waits_no_longer_than_it_is_told(tiny_base, user_env, half_sent):
    words = ("--stop_seconds=1", "--max_concurrent_requests=1")
    with serving(tiny_base, user_env, *words) as (process, netloc, path):
        predict = f"{path}:predict"
        body = b'{"signature_name": "count_down", "inputs": [1%s]}' % (
            b"0" * 12
        )
        connection = half_sent(netloc, predict, body)
        with Connection(netloc) as other:
            wait_for(lambda: other.ask("POST", predict, b"{}")[0] == 429)
        connection.sendall(body[len(body) // 2 :])
        process.send_signal(signal.SIGTERM)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert (answer.status, answer.read()) == (
            503,
            b'{"error":"The server is stopping."}',
        )
        connection.close()
        code, stderr = ended(process)
    assert code == 0
    last = stderr.splitlines()[-1]
    assert last == "warning: requests that still run are cut off"


def test_a_version_that_is_copied_in_takes_over_with_a_token(
    bundle, user_env, tmp_path
):
    base = shutil.copytree(bundle, tmp_path / "digits")
    env = user_env | {"TFMODELS_TOKEN": "of-environment"}
    with (
        serving(base, env) as (_, netloc, path),
        Connection(netloc) as connection,
    ):
        assert connection.ask("GET", path)[0] == 401
        token = {"Authorization": "Bearer of-environment"}

        def states():
            status, text = connection.ask("GET", path, **token)
            assert status == 200
            versions = json.loads(text)["model_version_status"]
            return {v["version"]: v["state"] for v in versions}

        assert states() == {"1": "AVAILABLE"}
        shutil.copytree(base / "1", base / "2.tmp")
        (base / "2.tmp").rename(base / "2")
        body = {"inputs": images(1).tolist()}
        while states() != {"2": "AVAILABLE"}:
            status, _ = connection.post(f"{path}:predict", body, **token)
            assert status == 200


def test_what_a_connection_may_send_is_bounded(bundle, user_env, half_sent):
    words = ("--max_request_megabytes=1", "--body_seconds=1")
    with (
        serving(bundle, user_env, *words) as (_, netloc, path),
        Connection(netloc) as connection,
    ):
        predict = f"{path}:predict"
        # Larger than the buffers of both sockets: the client can only read the
        # answer if the server reads the rest of the body.
        status, text = connection.ask("POST", predict, b"x" * 30 * 2**20)
        assert (status, json.loads(text)) == (
            413,
            {"error": "The body must have at most 1,048,576 bytes."},
        )
        slow = half_sent(netloc, predict, b"x" * 100)
        answer = http.client.HTTPResponse(slow)
        answer.begin()
        assert answer.status == 408
        assert json.loads(answer.read()) == {
            "error": "The body did not arrive within 1 seconds."
        }
        slow.close()


def test_what_cannot_be_served_is_said_at_once(bundle, tmp_path, run_command):
    missing = f"--model_base_path={tmp_path / 'none'}"
    run = run_command("trainers.serve", missing, "--port=70000")
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.splitlines() == [
        "error: `--port` must be at least 0 and at most 65535. Received: "
        "70000.",
        "error: `--model_base_path` must be a directory of numbered versions, "
        f"such as WORKDIR/export/NAME. Received: {str(tmp_path / 'none')!r}.",
    ]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = run_command(
            "trainers.serve", f"--model_base_path={bundle}", f"--port={port}"
        )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == (
        "error: `--host` and `--port` must be an address of this machine, and "
        f"a port that is free. Received: '127.0.0.1', {port}: Address already "
        "in use.\n"
    )


def test_the_model_of_a_run_is_found(smoke_text_workdir, run_command):
    run = run_command(
        "trainers.serve", f"--workdir={smoke_text_workdir}", "--port=70000"
    )
    assert (run.returncode, run.stdout) == (2, "")
    # Nothing is said of --model_base_path.
    assert run.stderr == (
        "error: `--port` must be at least 0 and at most 65535. Received: "
        "70000.\n"
    )


def test_a_damaged_model_is_not_served(bundle, tmp_path, run_command):
    base = shutil.copytree(bundle, tmp_path / "digits")
    (base / "1" / "saved_model.pb").write_bytes(b"damaged")
    run = run_command("trainers.serve", f"--model_base_path={base}", "--port=0")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.splitlines() == [
        "warning: version 1 cannot be loaded: "
        f"{base / '1' / 'saved_model.pb'}: missing or damaged.",
        f"error: no version in {base} could be loaded.",
    ]
