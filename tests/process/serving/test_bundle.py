"""The files beside the versions: what is in them, and what people change."""

import base64
import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.config import model_server_config_pb2

from trainers.config import experiment
from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.run.workdir import Workdir
from trainers.runtime import atomic
from trainers.serving import bundle
from trainers.serving import config_protos
from trainers.serving import exporter
from trainers.serving.proof.fresh_process import SessionModel

NAMES = [
    "MODEL_CARD.md",
    "batching.config",
    "models.config",
    "monitoring.config",
    "request.json",
]


@pytest.fixture
def workdir(smoke_workdir, tmp_path):
    """A copy of the smoke run, to write to."""
    return shutil.copytree(smoke_workdir, tmp_path / "run")


@pytest.fixture
def base(workdir):
    return workdir / "export" / "mnist_mlp"


def contents(base):
    return {p.name: p.read_text() for p in base.iterdir() if p.is_file()}


def add_version(base, number, **changes):
    """Publishes a copy of version 1 with other facts."""
    with atomic.temporary_dir(base, "version") as path:
        shutil.copytree(base / "1", path, dirs_exist_ok=True)
        facts, _ = atomic.read_manifest(path, exporter.MANIFEST)
        atomic.publish(
            path, base / str(number), facts | changes, exporter.MANIFEST
        )


def batching_of(base):
    return config_protos.read(
        base / "batching.config", config_protos.BatchingParameters
    )


def test_the_server_reads_the_configuration_of_an_export(smoke_workdir):
    base = smoke_workdir / "export" / "mnist_mlp"
    assert sorted(contents(base)) == NAMES
    models = config_protos.read(
        base / "models.config", model_server_config_pb2.ModelServerConfig
    )
    expected = model_server_config_pb2.ModelServerConfig()
    model = expected.model_config_list.config.add()
    model.name = "mnist_mlp"
    model.base_path = "/models/mnist_mlp"
    model.model_platform = "tensorflow"
    model.model_version_policy.latest.num_versions = 1
    assert models == expected
    batching = config_protos.BatchingParameters(
        allowed_batch_sizes=[1, 2, 4, 8, 16, 32]
    )
    batching.max_batch_size.value = 32
    batching.batch_timeout_micros.value = 0
    batching.max_enqueued_batches.value = 100
    batching.num_batch_threads.value = 2
    assert batching_of(base) == batching
    monitoring = config_protos.read(
        base / "monitoring.config", config_protos.MonitoringConfig
    )
    assert monitoring.prometheus_config.enable
    assert monitoring.prometheus_config.path == "/monitoring/prometheus/metrics"


@pytest.mark.parametrize(
    "older, stable, canary", [([], 1, 2), ([3, 7], 3, 7)], ids=["one", "three"]
)
def test_the_comment_shows_how_to_serve_two_versions(
    workdir, base, older, stable, canary
):
    for number in older:
        add_version(base, number)
    bundle.write(base, Workdir(workdir))
    file = base / "models.config"
    lines = file.read_text().splitlines()
    lines = [x for x in lines if "latest" not in x]
    # Removes the comment signs, as the comment in the file says.
    file.write_text("\n".join(x.replace("    # ", "    ") for x in lines))
    message = config_protos.read(file, config_protos.ModelServerConfig)
    (model,) = message.model_config_list.config
    assert list(model.model_version_policy.specific.versions) == [
        stable,
        canary,
    ]
    assert dict(model.version_labels) == {"stable": stable, "canary": canary}


def test_the_request_works(smoke_workdir):
    base = smoke_workdir / "export" / "mnist_mlp"
    body = json.loads((base / "request.json").read_text())
    assert list(body) == ["signature_name", "instances"]
    assert body["signature_name"] == "image_bytes"
    ((key, value),) = body["instances"][0].items()
    assert key == "b64"
    image = base64.b64decode(value)
    assert tf.io.decode_png(image).shape == (28, 28, 1)
    model = SessionModel(base / "1")
    answer = model("image_bytes", {"image_bytes": [image]})
    assert answer["probabilities"].shape == (1, 10)


def test_a_model_of_texts_is_asked_a_text_and_pads(workdir, base, monkeypatch):
    text = "Isn't it? é"
    rows = np.array([text.encode()], dtype=object)
    monkeypatch.setattr(
        bundle.warmup,
        "requests",
        lambda path: [
            ("tokens", {"token_ids": np.zeros((1, 2), np.int32)}),
            ("classify", {"inputs": rows}),
            ("serving_default", {"text": rows}),
        ],
    )
    read = bundle.rules.read

    def read_with_tokens(path):
        graph = read(path)
        info = graph.signature_def["serving_default"].inputs["image"]
        info.tensor_shape.dim[1].size = -1
        return graph

    monkeypatch.setattr(bundle.rules, "read", read_with_tokens)
    bundle.write(base, Workdir(workdir))
    assert json.loads((base / "request.json").read_text()) == {
        "signature_name": "serving_default",
        "instances": [text],
    }
    assert batching_of(base).pad_variable_length_inputs


def test_nothing_is_written_where_nothing_changed(workdir, base):
    before = {p: p.stat().st_mtime_ns for p in base.iterdir()}
    bundle.write(base, Workdir(workdir))
    assert before == {p: p.stat().st_mtime_ns for p in base.iterdir()}


def test_the_files_are_about_the_newest_whole_version(workdir, base):
    add_version(base, 9, allowed_batch_sizes=[1, 5])
    add_version(base, 10, allowed_batch_sizes=[1, 3])
    (base / "10" / "saved_model.pb").write_bytes(b"cut")
    bundle.write(base, Workdir(workdir))
    assert list(batching_of(base).allowed_batch_sizes) == [1, 5]
    assert batching_of(base).max_batch_size.value == 5
    card = (base / "MODEL_CARD.md").read_text()
    assert card.startswith("# mnist_mlp, version 9\n")
    for number in (1, 9):
        (base / str(number) / "saved_model.pb").write_bytes(b"cut")
    with pytest.raises(RunError) as error:
        bundle.write(base, Workdir(workdir))
    assert str(error.value) == f"{base}: no version is complete."


def test_what_people_edited_stays(workdir, base, caplog):
    edited = base / "batching.config"
    text = edited.read_text().replace(
        "micros { value: 0 }", "micros { value: 9 }"
    )
    edited.write_text(text)
    own = base / "monitoring.config"
    own.write_text("prometheus_config { enable: false }\n")
    card = base / "MODEL_CARD.md"
    card.write_text(
        card.read_text()
        .replace("**To be filled in by people.**", "Digits of letters | é.")
        .replace("mnist_mlp, version 1", "changed elsewhere")
    )
    add_version(base, 2, allowed_batch_sizes=[1, 64])
    bundle.write(base, Workdir(workdir))
    assert edited.read_text() == text
    assert own.read_text() == "prometheus_config { enable: false }\n"
    assert [record.getMessage() for record in caplog.records] == [
        f"{edited} was edited and is left as it is.",
        f"{own} was edited and is left as it is.",
    ]
    assert "Digits of letters | é.\n" in card.read_text()
    assert card.read_text().startswith("# mnist_mlp, version 2\n")
    # The unedited file is of the new version.
    assert "versions: 1 versions: 2" in (base / "models.config").read_text()
    # A deleted file is written again.
    edited.unlink()
    bundle.write(base, Workdir(workdir))
    assert list(batching_of(base).allowed_batch_sizes) == [1, 64]


def test_a_card_that_a_user_wrote_stays(workdir, base):
    (base / "MODEL_CARD.md").write_text("# Ours\n")
    bundle.write(base, Workdir(workdir))
    assert (base / "MODEL_CARD.md").read_text() == "# Ours\n"


def test_a_card_names_data_in_a_file_whose_name_is_not_utf8(workdir, base):
    facts, _ = atomic.read_manifest(base / "1", exporter.MANIFEST)
    config = json.loads(json.dumps(facts["config"]))
    config["data"]["train"] = os.fsdecode(b"d\xe9.csv")
    add_version(base, 2, config=config)
    bundle.write(base, Workdir(workdir))
    assert r"| `d\udce9.csv` |" in (base / "MODEL_CARD.md").read_text()


def test_an_interrupted_export_is_completed(workdir, base):
    before = contents(base)
    for name in NAMES:
        (base / name).unlink()
    # What a process leaves that is killed while it writes.
    (base / "models.config.tmp-1").write_text("model_con")
    config = experiment.from_json((workdir / "config.json").read_text())
    assert exporter.export_once(config, workdir) == base / "1"
    assert contents(base) == before


def test_other_files_with_a_temporary_name_stay(workdir, base):
    own = [base / name for name in ("notes.txt.tmp-1", "models.tmp-2")]
    left = [base / f"{name}.tmp-{i}" for i, name in enumerate(NAMES)]
    for file in own + left:
        file.write_text("cut")
    bundle.write(base, Workdir(workdir))
    assert sorted(base.glob("*.tmp-*")) == sorted(own)


@pytest.mark.parametrize("name", NAMES)
def test_a_directory_in_the_way_is_named(workdir, base, name):
    before = contents(base)
    (base / name).unlink()
    (base / name).mkdir()
    with pytest.raises(ConfigError) as error:
        bundle.write(base, Workdir(workdir))
    assert str(error.value) == (
        "`--workdir` must have a file or nothing where an export writes a "
        f"file; move it away. Received: {str(base / name)!r}."
    )
    (base / name).rmdir()
    bundle.write(base, Workdir(workdir))
    assert contents(base) == before


def test_a_file_is_replaced_in_one_step(workdir, base, monkeypatch):
    before = contents(base)
    add_version(base, 2, allowed_batch_sizes=[1, 64])

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        bundle.write(base, Workdir(workdir))
    assert contents(base) == before


def test_other_batch_sizes_are_another_version(workdir, base):
    config = experiment.from_json((workdir / "config.json").read_text())
    config.export.allowed_batch_sizes = (1, 3)
    assert exporter.export_once(config, workdir) == base / "2"
    assert exporter.export_once(config, workdir) == base / "2"
    assert list(batching_of(base).allowed_batch_sizes) == [1, 3]
