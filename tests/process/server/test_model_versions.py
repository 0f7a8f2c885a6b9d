"""New versions appear and old ones go, while requests come in."""

import asyncio
import gc
import json
import os
import shutil
import weakref

import pytest
import served_models
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from trainers.errors import ConfigError
from trainers.prediction import saved_model
from trainers.server import model_versions
from trainers.serving import warmup


@tf.function(input_signature=[served_models.spec((None, 2), tf.float32, "x")])
def negative(x):
    return {"y": -x}


def publish(base):
    """Publishes a version that a test tells from the tiny one."""
    return served_models.publish(base, {"serving_default": negative})


@pytest.fixture
def base(tiny_base, tmp_path):
    """A copy of the tiny export, to write to."""
    return shutil.copytree(tiny_base, tmp_path / "tiny")


def states(server):
    status, answer = server.ask("GET", "/v1/models/tiny")
    assert status == 200
    return {
        int(each["version"]): each["state"]
        for each in answer["model_version_status"]
    }


def poll(server):
    """Polls, and waits for what is unloaded."""

    async def both():
        await server.versions.poll()
        await asyncio.gather(*server.versions._unloading)

    server.wait(both())


ROW = {"instances": [[2.0, 4.0]]}
OLD = 200, {"predictions": [[3.0, 4.0]]}
NEW = 200, {"predictions": [[-2.0, -4.0]]}


def test_a_new_version_takes_over_and_the_memory_of_the_old_is_free(
    base, monkeypatch
):
    loaded = weakref.WeakSet()

    class Remembered(saved_model.Predictor):
        def __init__(self, path):
            super().__init__(path)
            loaded.add(self)

    monkeypatch.setattr(saved_model, "Predictor", Remembered)
    with served_models.serving(base) as server:
        assert states(server) == {1: "AVAILABLE"}
        assert server.post("predict", ROW) == OLD
        publish(base)
        poll(server)
        assert states(server) == {2: "AVAILABLE"}
        assert server.post("predict", ROW) == NEW
        status, answer = server.post("predict", ROW, "/versions/1")
        assert (status, answer) == (
            404,
            {"error": "Servable not found for request: Specific(tiny, 1)"},
        )
        gc.collect()
        assert [p.path for p in loaded] == [base / "2"]
        # An older one comes back when the newer one is taken away.
        shutil.rmtree(base / "2")
        poll(server)
        assert states(server) == {1: "AVAILABLE"}
        assert server.post("predict", ROW) == OLD
        # All are taken away: the last one stays.
        shutil.rmtree(base / "1")
        poll(server)
        assert server.post("predict", ROW) == OLD


def test_a_version_is_kept_until_its_last_request_is_answered(base):
    async def scenario(server):
        found = server.versions.find("tiny")
        with found.in_use():
            publish(base)
            await server.versions.poll()
            assert server.versions.find("tiny").number == 2
            await asyncio.sleep(0)
            assert (found.number, found.state) == (1, "UNLOADING")
            outputs = await found.run(
                "serving_default", {"x": tf.zeros((1, 2)).numpy()}
            )
            assert outputs["y"].tolist() == [[2.0, 2.0]]
        await asyncio.gather(*server.versions._unloading)
        assert found.state == "END"

    with served_models.serving(base) as server:
        server.wait(scenario(server))
        assert states(server) == {2: "AVAILABLE"}


def test_a_swap_under_load_fails_no_request(base):
    body = json.dumps(ROW).encode()

    async def client(server, answers):
        while answers[-1:] != [NEW]:
            answer = await server.send("POST", "/v1/models/tiny:predict", body)
            answers.append((answer.status_code, answer.json()))

    async def scenario(server):
        answers = [[] for _ in range(8)]
        clients = [asyncio.create_task(client(server, a)) for a in answers]
        while not all(answers):
            await asyncio.sleep(0.01)
        await asyncio.to_thread(publish, base)
        await server.versions.poll()
        await asyncio.wait_for(asyncio.gather(*clients), timeout=60)
        return answers

    with served_models.serving(base) as server:
        answers = server.wait(scenario(server))
    for each in answers:
        assert each[0] == OLD
        assert [answer for answer in each if answer not in (OLD, NEW)] == []


def test_a_version_that_cannot_be_loaded_is_reported_and_tried_again(
    base, monkeypatch
):
    with served_models.serving(base) as server:
        path = publish(base)
        whole = (path / "saved_model.pb").read_bytes()
        os.truncate(path / "saved_model.pb", 100)
        poll(server)
        status, answer = server.ask("GET", "/v1/models/tiny")
        assert (status, answer["model_version_status"][0]) == (
            200,
            {
                "version": "2",
                "state": "END",
                "status": {
                    "error_code": "UNKNOWN",
                    "error_message": f"{path / 'saved_model.pb'}: missing or "
                    "damaged.",
                },
            },
        )
        assert server.post("predict", ROW) == OLD
        (path / "saved_model.pb").write_bytes(whole)
        poll(server)
        assert states(server) == {1: "AVAILABLE", 2: "END"}
        monkeypatch.setattr(model_versions, "RETRY_SECONDS", 0)
        poll(server)
        assert states(server) == {2: "AVAILABLE"}


def test_a_version_with_a_bad_warm_up_record_is_not_served(base):
    # Written before the manifest, which would give it away.
    with served_models.atomic.temporary_dir(base, "version") as path:
        shutil.copytree(base / "1", path, dirs_exist_ok=True)
        log = prediction_log_pb2.PredictionLog()
        log.predict_log.request.model_spec.signature_name = "none"
        with tf.io.TFRecordWriter(str(path / warmup.FILE)) as writer:
            writer.write(log.SerializeToString())
        served_models.atomic.publish(
            path, base / "2", {}, served_models.exporter.MANIFEST
        )
    with served_models.serving(base) as server:
        assert states(server) == {2: "END"}
        _, answer = server.ask("GET", "/v1/models/tiny/versions/2")
        (status,) = answer["model_version_status"]
        assert status["status"]["error_message"] == (
            "warm-up record 1: the signature `none` is not in the model"
        )
        assert not server.versions.is_available()
        status, answer = server.post("predict", ROW)
        assert (status, answer) == (
            404,
            {"error": "Servable not found for request: Latest(tiny)"},
        )


def write_models(base, inside):
    (base / "models.config").write_text(
        f'model_config_list {{ config {{ name: "tiny" {inside} }} }}'
    )


def test_policy_and_labels_are_those_of_models_config(base, caplog):
    for _ in range(2):
        publish(base)
    labels = 'version_labels {{ key: "stable" value: {} }}'
    write_models(
        base,
        "model_version_policy { specific { versions: 1 versions: 3 } }"
        + labels.format(1),
    )
    with served_models.serving(base) as server:
        assert states(server) == {1: "AVAILABLE", 3: "AVAILABLE"}
        stable = "/labels/stable"
        assert server.post("predict", ROW, stable) == OLD
        assert server.post("predict", ROW) == NEW
        # Moved while it runs, first to a version that is not loaded.
        for number, expected in (
            (
                2,
                (400, {"error": "Unrecognized servable version label: stable"}),
            ),
            (3, NEW),
        ):
            write_models(
                base,
                "model_version_policy { specific { versions: 1 versions: 3 } }"
                + labels.format(number),
            )
            poll(server)
            assert server.post("predict", ROW, stable) == expected
        # A typing error changes nothing.
        write_models(base, "model_version_policy { lates")
        poll(server)
        assert states(server) == {1: "AVAILABLE", 3: "AVAILABLE"}
        assert "The versions stay as they are." in caplog.text
        write_models(
            base, "model_version_policy { latest { num_versions: 2 } }"
        )
        poll(server)
        assert states(server) == {2: "AVAILABLE", 3: "AVAILABLE"}
        write_models(base, "model_version_policy { all {} }")
        poll(server)
        assert set(states(server)) == {1, 2, 3}


def test_what_cannot_be_served_at_all(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError) as error:
        model_versions.Versions(
            tmp_path / "empty", "tiny", tmp_path / "none.config", None
        )
    assert str(error.value) == (
        "`--model_base_path` must be a directory with a numbered version to "
        "serve, such as DIR/export/NAME of a work directory. "
        f"Received: {str(tmp_path / 'empty')!r}."
    )


@pytest.mark.parametrize("others", [(), ("b", "c"), ("tiny", "tiny")])
def test_which_model_of_a_file_is_meant(others, tmp_path):
    file = tmp_path / "models.config"
    configs = [f'config {{ name: "{name}" }}' for name in others]
    file.write_text(f"model_config_list {{ {' '.join(configs)} }}")
    with pytest.raises(ConfigError) as error:
        model_versions.Policy.read(file, "tiny")
    assert str(error.value) == (
        f"{file}: one `config` must have the `name` of the model. Received: "
        f"{others.count('tiny')} with the name 'tiny'."
    )
    # A single one may be served under another name.
    all_versions = "model_version_policy { all {} }"
    file.write_text(
        f'model_config_list {{ config {{ name: "b" {all_versions} }} }}'
    )
    assert model_versions.Policy.read(file, "tiny") == model_versions.Policy(
        latest=0
    )
    file.write_text(
        f'model_config_list {{ config {{ name: "tiny" {all_versions} }} '
        'config { name: "b" } }'
    )
    assert model_versions.Policy.read(file, "tiny") == model_versions.Policy(
        latest=0
    )
    assert model_versions.Policy.read(file, "b") == model_versions.Policy()


def test_names_that_are_no_versions_are_passed_by(base):
    for name in ("tmp", "2.tmp-77", str(2**64)):
        (base / name).mkdir()
    (base / "5").write_text(json.dumps("a file"))
    with served_models.serving(base) as server:
        assert states(server) == {1: "AVAILABLE"}


def test_what_stays_wrong_is_logged_once(base, caplog):
    models = base / "models.config"
    with served_models.serving(base) as server:
        caplog.clear()
        models.write_text("broken")
        for _ in range(3):
            poll(server)
        assert len(caplog.messages) == 1
        assert caplog.messages[0].startswith(f"{models}")
        assert caplog.messages[0].endswith(" The versions stay as they are.")
        # Mended and broken again, it is news.
        models.unlink()
        poll(server)
        models.write_text("broken")
        poll(server)
        assert len(caplog.messages) == 2
        assert server.post("predict", ROW) == OLD


def test_a_version_that_failed_is_forgotten_with_its_directory(base):
    broken = publish(base)
    (broken / "saved_model.pb").write_bytes(b"damaged")
    with served_models.serving(base) as server:
        assert states(server) == {2: "END"}
        shutil.rmtree(broken)
        poll(server)
        assert states(server) == {1: "AVAILABLE"}
