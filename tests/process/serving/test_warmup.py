"""Warm-up requests: which there are, and that a bad one is found."""

import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from trainers.config import experiment
from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.serving import exporter
from trainers.serving import warmup
from trainers.serving.proof.fresh_process import SessionModel


def records_of(path):
    file = str(path / warmup.FILE)
    return list(tf.data.TFRecordDataset(file).as_numpy_iterator())


def logs_of(path):
    return [
        prediction_log_pb2.PredictionLog.FromString(record)
        for record in records_of(path)
    ]


@pytest.fixture(scope="module")
def published(smoke_workdir):
    return smoke_workdir / "export" / "mnist_mlp" / "1"


@pytest.fixture(scope="module")
def model(published):
    return SessionModel(published)


@pytest.fixture
def version(tmp_path):
    """A version directory for a warm-up file of a test's own."""
    (tmp_path / "1" / "assets.extra").mkdir(parents=True)
    return tmp_path / "1"


def write_records(version, records):
    with tf.io.TFRecordWriter(str(version / warmup.FILE)) as writer:
        for record in records:
            writer.write(record)


def test_an_export_warms_each_signature_at_each_batch_size(published):
    found = []
    for log in logs_of(published):
        kind = log.WhichOneof("log_type")
        request = getattr(log, kind).request
        assert request.model_spec.name == "mnist_mlp"
        if kind == "classify_log":
            rows = len(request.input.example_list.examples)
        else:
            (tensor,) = request.inputs.values()
            rows = tf.make_ndarray(tensor).shape[0]
        found.append((request.model_spec.signature_name, kind, rows))
    sizes = (1, 2, 4, 8, 16, 32)
    assert sorted(set(found)) == sorted(
        [("classify", "classify_log", size) for size in sizes]
        + [("image_bytes", "predict_log", size) for size in sizes]
        + [("serving_default", "predict_log", size) for size in sizes]
    )
    # Images of noise are a second request where they are files.
    assert len(found) == 6 + 12 + 12
    assert (published / warmup.FILE).stat().st_size < 50_000


def test_requests_have_short_rows_and_one_with_a_long_row(version):
    texts = [b"a", b"x" * 600, b"b", b"y" * 16_384, b"z" * 16_385]
    inputs = {"serving_default": {"text": np.array(texts, dtype=object)}}
    warmup.write(version, inputs, [1, 3], model_name="m")
    assert [
        (name, {key: values.tolist() for key, values in fed.items()})
        for name, fed in warmup.requests(version)
    ] == [
        ("serving_default", {"text": [b"a"]}),
        ("serving_default", {"text": [texts[3]]}),
        ("serving_default", {"text": [b"a", b"b", b"a"]}),
        ("serving_default", {"text": [texts[3], b"b", b"a"]}),
    ]


def test_examples_are_written_for_the_classify_api(version):
    example = tf.train.Example()
    example.features.feature["text"].bytes_list.value.append(b"a text")
    rows = np.array([example.SerializeToString()], dtype=object)
    warmup.write(version, {"classify": {"inputs": rows}}, [2], model_name="m")
    (log,) = logs_of(version)
    assert list(log.classify_log.request.input.example_list.examples) == [
        example,
        example,
    ]
    assert [
        (name, fed["inputs"].tolist()) for name, fed in warmup.requests(version)
    ] == [("classify", [rows[0], rows[0]])]


def test_numbers_are_written_small_and_read_whole(version):
    images = np.zeros((3, 224, 224, 3), np.float32)
    images[1:] = 7.0
    ids = np.arange(6, dtype=np.int32).reshape(3, 2)
    inputs = {"a": {"image": images}, "b": {"token_ids": ids}}
    warmup.write(version, inputs, [4], model_name="m")
    (_, first), (_, second) = warmup.requests(version)
    assert first["image"].dtype == np.float32
    np.testing.assert_array_equal(first["image"], np.zeros((4, 224, 224, 3)))
    assert second["token_ids"].tolist() == [[0, 1]] * 4
    assert (version / warmup.FILE).stat().st_size < 300


def test_1000_records_are_written_and_not_one_more(version):
    inputs = {"a": {"x": np.zeros((1, 2))}, "b": {"x": np.zeros((1, 2))}}
    warmup.write(version, inputs, range(1, 501), model_name="m")
    assert len(records_of(version)) == 1000
    with pytest.raises(ConfigError) as error:
        warmup.write(version, inputs, range(1, 502), model_name="m")
    assert str(error.value) == (
        "`--config.export.allowed_batch_sizes` must be few enough for at most "
        "1,000 requests of warm-up. Received: 501 sizes, which make 1,002."
    )


def test_the_replay_of_an_export_finds_nothing(published, model):
    assert warmup.problems_of(published, model) == []


def log_of(signature, **inputs):
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    for key, values in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(values))
    return log


def test_a_server_takes_at_most_1000_records(version, model):
    good = log_of("serving_default", image=np.zeros((1, 28, 28), np.float32))
    good = good.SerializeToString()
    write_records(version, [good] * 1000)
    assert warmup.problems_of(version, model) == []
    write_records(version, [good] * 1001)
    assert warmup.problems_of(version, model) == [
        "warm-up record 1001: at most 1,000 are allowed"
    ]


IMAGE = np.zeros((2, 28, 28), np.float32)
RUN = prediction_log_pb2.PredictionLog(session_run_log={})


@pytest.mark.parametrize(
    "log, problem",
    [
        (
            log_of("other", image=IMAGE),
            "the signature `other` is not in the model",
        ),
        (
            log_of("serving_default", picture=IMAGE),
            "signature `serving_default`: inputs ['picture'], not ['image']",
        ),
        (
            log_of("serving_default", image=IMAGE.astype(np.int32)),
            "signature `serving_default`: `image` must be float32, not int32",
        ),
        (
            log_of("serving_default", image=IMAGE[:0]),
            "signature `serving_default`: `image` is empty",
        ),
        (RUN, "requests of the kind session_run_log are not checked"),
        (
            prediction_log_pb2.PredictionLog(),
            "requests of the kind None are not checked",
        ),
    ],
    ids=["signature", "input", "dtype", "empty", "kind", "nothing"],
)
def test_a_bad_record_is_named_by_its_number(version, model, log, problem):
    good = log_of("serving_default", image=IMAGE)
    write_records(version, [x.SerializeToString() for x in (good, log, good)])
    assert warmup.problems_of(version, model) == [
        f"warm-up record 2: {problem}"
    ]


def test_what_the_model_says_of_a_request_is_passed_on(version, model):
    log = log_of("image_bytes", image_bytes=[b"no image"])
    write_records(version, [log.SerializeToString()])
    (problem,) = warmup.problems_of(version, model)
    assert problem.startswith(
        "warm-up record 1: signature `image_bytes`: InvalidArgumentError: "
    )


@pytest.mark.parametrize(
    "spoil, problem",
    [
        (lambda y: y[:1], "has the shape (1, 10) for 2 rows"),
        (lambda y: y[0, 0], "has the shape () for 2 rows"),
        (lambda y: y * np.inf, "is not finite"),
    ],
    ids=["lost", "scalar", "infinite"],
)
def test_an_answer_has_all_rows_and_is_finite(version, model, spoil, problem):
    class Spoilt:
        signatures = model.signatures

        def __call__(self, name, fed):
            return {"y": spoil(model(name, fed)["logits"])}

    log = log_of("serving_default", image=IMAGE)
    write_records(version, [log.SerializeToString()])
    assert warmup.problems_of(version, Spoilt()) == [
        f"warm-up record 1: signature `serving_default`: `y` {problem}"
    ]


def test_a_damaged_file_is_found(published, version, model):
    write_records(version, [b"\xff\xff"])
    assert warmup.problems_of(version, model) == [
        "warm-up record 1: Error parsing message with type "
        "'tensorflow.serving.PredictionLog': Wire format was corrupt"
    ]
    whole = (published / warmup.FILE).read_bytes()
    (version / warmup.FILE).write_bytes(whole[:-1])
    assert warmup.problems_of(version, model) == ["warm-up record 30: damaged"]


@pytest.mark.parametrize("record", [b"\xff\xff", 1001])
def test_an_export_with_a_bad_record_is_not_published(
    record, smoke_workdir, tmp_path, monkeypatch
):
    """A fresh process finds it, before there is a version."""
    workdir = pathlib.Path(shutil.copytree(smoke_workdir, tmp_path / "run"))
    config = experiment.from_json((workdir / "config.json").read_text())
    write = warmup.write

    def write_badly(path, *args, **kwargs):
        write(path, *args, **kwargs)
        records = records_of(path)
        if record == 1001:
            records = records[:1] * 1001
        else:
            records[1] = record
        write_records(path, records)

    monkeypatch.setattr(warmup, "write", write_badly)
    with pytest.raises(RunError) as error:
        exporter.export_best(config, workdir)
    lines = str(error.value).splitlines()
    assert lines[0] == "the export would not serve; no version was published:"
    assert lines[1].startswith(
        "  warm-up record 1001: at most 1,000"
        if record == 1001
        else "  warm-up record 2: Error parsing message"
    )
    base = workdir / "export" / "mnist_mlp"
    assert [p.name for p in base.iterdir() if p.is_dir()] == ["1"]


def test_the_replay_needs_tensorflow_and_messages_alone():
    code = (
        "import sys\n"
        "from trainers.serving import warmup\n"
        "ours = [m for m in sys.modules if m.split('.')[0] == 'trainers']\n"
        "print(sorted(ours))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == (
        "['trainers', 'trainers.errors', 'trainers.serving', "
        "'trainers.serving.warmup']\n"
    )
