"""The commands as a user runs them, in processes of their own."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket

import commands
import numpy as np
import pytest
import single_labels
import tensorflow as tf

from trainers import tasks
from trainers.config import files as files_lib
from trainers.data.images import loading
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.prediction import rows
from trainers.prediction.saved_model import Predictor
from trainers.run.workdir import Workdir
from trainers.runtime import startup


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Test digits as PNG files in class folders, and their labels."""
    config = files_lib.load("configs/mnist_mlp.py:smoke")
    examples = loading.load_one(
        config.data,
        "test[:20]",
        single_labels.of(map(str, range(10))),
        image_shape=(28, 28),
        decode_fn=tasks.make_task(config).inputs.decode,
    )
    root = tmp_path_factory.mktemp("digits")
    files = []
    for row, image in enumerate(examples.features["image"]):
        folder = root / "test" / str(examples.targets[row])
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{row}.png"
        file.write_bytes(tf.io.encode_png(image[..., None]).numpy())
        files.append(file)
    return root, files, examples


def test_training_ends_with_the_path_of_the_export_alone(smoke_workdir):
    """The fixture asserts stdout; here is what lies on disk."""
    assert sorted(p.name for p in smoke_workdir.iterdir()) == [
        "best",
        "checkpoints",
        "config.json",
        "data_report.json",
        "export",
        "history.json",
        "labels.json",
        "lock",
        "metrics.json",
        "tensorboard",
    ]
    export = smoke_workdir / "export" / "mnist_mlp"
    assert sorted(p.name for p in export.iterdir()) == [
        "1",
        "MODEL_CARD.md",
        "batching.config",
        "models.config",
        "monitoring.config",
        "request.json",
    ]
    assert sorted(p.name for p in (export / "1").iterdir()) == [
        "assets",
        "assets.extra",
        "fingerprint.pb",
        "saved_model.pb",
        "variables",
    ]


def test_evaluate_gives_what_training_measured(smoke_workdir, run_command):
    run = run_command("trainers.evaluate", f"--workdir={smoke_workdir}")
    assert run.returncode == 0, run.stderr
    metrics = json.loads((smoke_workdir / "metrics.json").read_text())
    assert json.loads(run.stdout) == metrics["test"]
    # scikit-learn's report, for people, and nothing else.
    assert run.stderr.startswith("test:\n              precision    recall")
    assert run.stderr.count("\n") == 17


def test_evaluate_computes_in_another_type(smoke_workdir, run_command):
    run = run_command(
        "trainers.evaluate",
        f"--workdir={smoke_workdir}",
        "--dtype_policy=mixed_bfloat16",
    )
    assert run.returncode == 0, run.stderr
    metrics = json.loads((smoke_workdir / "metrics.json").read_text())["test"]
    found = json.loads(run.stdout)
    assert found.keys() == metrics.keys()
    assert found["loss"] != metrics["loss"]
    assert found["loss"] == pytest.approx(metrics["loss"], rel=0.01)
    assert run.stderr.count("\n") == 18
    line = run.stderr.splitlines()[-1]
    assert line.startswith(
        "test: mixed_bfloat16 against float32, on all 100 examples: class_id "
        "differs in "
    )


def test_evaluate_takes_another_source(smoke_workdir, run_command, digits):
    root, _, examples = digits
    run = run_command(
        "trainers.evaluate",
        f"--workdir={smoke_workdir}",
        "--config.data.source=image_folder",
        f"--config.data.path={root}",
        "--split=test",
    )
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["num_examples"] == 20
    support = [result["per_class"][str(d)]["support"] for d in range(10)]
    assert support == np.bincount(examples.targets, minlength=10).tolist()


def test_predict_answers_files_and_splits_alike(
    smoke_workdir, run_command, digits
):
    _, files, examples = digits
    for_files = run_command(
        "trainers.predict", f"--workdir={smoke_workdir}", *map(str, files)
    )
    assert for_files.returncode == 0, for_files.stderr
    for_split = run_command(
        "trainers.predict", f"--workdir={smoke_workdir}", "--split=test[:20]"
    )
    assert for_split.returncode == 0, for_split.stderr
    by_file = [json.loads(line) for line in for_files.stdout.splitlines()]
    by_split = [json.loads(line) for line in for_split.stdout.splitlines()]
    assert [row["file"] for row in by_file] == list(map(str, files))
    assert [row["true_label"] for row in by_split] == [
        str(label) for label in examples.targets
    ]
    assert by_split[3]["example"].endswith("split test, item 3")
    for a, b in zip(by_file, by_split, strict=True):
        assert a["label"] == b["label"] == str(a["class_id"])
        np.testing.assert_allclose(a["logits"], b["logits"], atol=1e-5)
        assert sum(a["probabilities"]) == pytest.approx(1, abs=1e-6)
        assert np.argmax(a["probabilities"]) == a["class_id"]


def test_predict_needs_only_the_export(
    smoke_workdir, run_command, digits, tmp_path
):
    _, files, _ = digits
    model = shutil.copytree(smoke_workdir / "export", tmp_path / "models")
    # The highest number is served, and what is no number is not.
    shutil.copytree(model / "mnist_mlp" / "1", model / "mnist_mlp" / "10")
    (model / "mnist_mlp" / "11.tmp-7").mkdir()
    run = run_command(
        "trainers.predict", f"--model_dir={model / 'mnist_mlp'}", str(files[0])
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["file"] == str(files[0])


@pytest.mark.parametrize(
    "words, code, line",
    [
        (
            ["--workdir={run}"],
            2,
            "error: give files or `--split`, one of the two. "
            "Received: 0 files and --split=None.",
        ),
        (
            ["a.png"],
            2,
            "error: `--workdir` must name the directory of a run, "
            "`--model_dir` an export, or `--server` a served model. "
            "Received: none.",
        ),
        (
            ["--workdir={run}", "{run}/config.json"],
            1,
            "error: {run}/config.json: is not a complete PNG, JPEG, BMP or "
            "GIF image.",
        ),
    ],
    ids=["nothing", "no_model", "no_image"],
)
def test_predict_says_what_is_wrong(
    words, code, line, smoke_workdir, run_command
):
    words = [word.format(run=smoke_workdir) for word in words]
    run = run_command("trainers.predict", *words)
    assert run.stderr == line.format(run=smoke_workdir) + "\n"
    assert (run.returncode, run.stdout) == (code, "")


def test_bad_data_ends_with_one_and_its_place(run_command, tmp_path):
    labels = np.arange(20) % 2
    labels[7] = -1
    np.savez(
        tmp_path / "data.npz",
        x_train=np.zeros((20, 28, 28), np.uint8),
        y_train=labels,
    )
    run = run_command(
        "trainers.train",
        "--config=configs/mnist_mlp.py",
        f"--workdir={tmp_path / 'run'}",
        "--config.data.source=npz",
        f"--config.data.path={tmp_path / 'data.npz'}",
    )
    assert run.returncode == 1
    assert run.stderr.splitlines() == [
        "error: 1 labels of split train that are not whole numbers from 0 "
        "and below 100000:",
        f"error:   {tmp_path / 'data.npz'}, split train, row 7: -1",
    ]


@contextlib.contextmanager
def training(workdir, user_env, *words):
    """A training process, killed if it is still there at the end."""
    process = commands.start(
        "trainers.train",
        "--config=configs/mnist_mlp.py:smoke",
        f"--workdir={workdir}",
        *words,
        env=user_env,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()  # Otherwise it continues without a reader.


def test_a_signal_stops_training_with_a_checkpoint(
    tmp_path, user_env, run_command
):
    """For SIGINT, see tests/fault/test_signals.py."""
    number = signal.SIGTERM
    workdir = tmp_path / "run"
    words = ["--config.trainer.epochs=100000"]
    with training(workdir, user_env, *words) as process:
        line = process.stderr.readline()
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    assert line.startswith("epoch 1/100000: ")
    last = re.fullmatch(
        rf"Stopped by {number.name} after step (\d[\d,]*); the same command "
        r"resumes from there\.",
        stderr.splitlines()[-1],
    )
    assert "Traceback" not in stderr and "error: " not in stderr
    assert (process.returncode, stdout) == (75, "")
    # It is where it says it is, and whole.
    step = int(last[1].replace(",", ""))
    listed = run_command(
        "trainers.checkpoints", f"--workdir={workdir}", "--verify"
    )
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.splitlines()[1].startswith(
        f"checkpoints/step-{step:08d}  "
    )
    assert not list(workdir.rglob("*.tmp-*"))
    assert not (workdir / "metrics.json").exists()
    with training(workdir, user_env, *words) as process:
        epoch, batch = divmod(step, 16)
        assert process.stderr.readline() == (
            f"continuing from step {step:,} of 1,600,000: epoch {epoch + 1} "
            f"of 100000, step {batch} of 16\n"
        )
        assert process.stderr.readline().startswith(
            f"epoch {epoch + 1}/100000: "
        )


@pytest.mark.parametrize(
    "command, code, line",
    [
        ("train", 75, "Stopped by SIGINT; the same command resumes the run."),
        ("evaluate", 130, "error: Interrupted."),
    ],
)
def test_ctrl_c_before_there_is_anything_to_save_is_one_line(
    command, code, line, user_env, tmp_path
):
    """While it reads the configuration, for want of a longer beginning."""
    config = tmp_path / "mine.py"
    config.write_text(
        "import time\nprint('reads', flush=True)\ntime.sleep(60)\n"
    )
    with commands.start(
        f"trainers.{command}",
        f"--config={config}",
        f"--workdir={tmp_path / 'run'}",
        env=user_env,
    ) as process:
        try:
            assert process.stdout.readline() == "reads\n"
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, stdout, stderr) == (code, "", f"{line}\n")


def test_training_that_is_finished_publishes_once(
    smoke_workdir, run_command, tmp_path
):
    workdir = shutil.copytree(smoke_workdir, tmp_path / "run")
    before = {
        path.relative_to(workdir): path.read_bytes()
        for name in ("best", "checkpoints", "export")
        for path in (workdir / name).rglob("*")
        if path.is_file()
    }
    run = run_command(
        "trainers.train",
        "--config=configs/mnist_mlp.py:smoke",
        f"--workdir={workdir}",
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == f"{workdir / 'export' / 'mnist_mlp' / '1'}\n"
    assert run.stderr.startswith(
        "continuing from step 16 of 16: the end of training\n"
    )
    after = {
        path.relative_to(workdir): path.read_bytes()
        for name in ("best", "checkpoints", "export")
        for path in (workdir / name).rglob("*")
        if path.is_file()
    }
    assert after == before
    for name in ("config.json", "labels.json", "history.json"):
        assert (workdir / name).read_bytes() == (
            smoke_workdir / name
        ).read_bytes()
    first, second = (
        json.loads((path / "metrics.json").read_text())
        for path in (smoke_workdir, workdir)
    )
    assert second["test"] == first["test"]
    assert second["validation"] == first["validation"]
    assert second["train"]["epoch_seconds"] == first["train"]["epoch_seconds"]


@pytest.mark.parametrize(
    "resume, copies, message",
    [
        (
            "must",
            False,
            "must contain a run with a checkpoint for "
            "--config.trainer.resume=must. Received: {path!r}, which "
            "does not.",
        ),
        (
            "never",
            True,
            "must not contain a run with --config.trainer.resume=never. "
            "Received: {path!r}, which does. Choose another name, delete it, "
            "or resume the run with --config.trainer.resume=auto.",
        ),
    ],
    ids=["must", "never"],
)
def test_a_run_that_is_not_wanted_is_refused(
    resume, copies, message, smoke_workdir, run_command, tmp_path
):
    workdir = tmp_path / "run"
    if copies:
        shutil.copytree(smoke_workdir, workdir)
        files = sorted(workdir.rglob("*"))
    run = run_command(
        "trainers.train",
        "--config=configs/mnist_mlp.py:smoke",
        f"--workdir={workdir}",
        f"--config.trainer.resume={resume}",
    )
    message = message.format(path=str(workdir))
    assert run.stderr == f"error: `--workdir` {message}\n"
    assert (run.returncode, run.stdout) == (2, "")
    if copies:
        assert sorted(workdir.rglob("*")) == files


def test_a_workdir_in_use_is_refused(smoke_workdir, run_command, tmp_path):
    workdir = shutil.copytree(smoke_workdir, tmp_path / "run")
    with Workdir(workdir).lock():
        run = run_command(
            "trainers.train",
            "--config=configs/mnist_mlp.py:smoke",
            f"--workdir={workdir}",
        )
    assert run.stderr == (
        "error: `--workdir` must not be in use by another trainer. Received: "
        f"{str(workdir)!r}, held by process {os.getpid()} on "
        f"{socket.gethostname()}.\n"
    )
    assert (run.returncode, run.stdout) == (2, "")


def test_a_full_disk_is_one_line_whichever_library_finds_it():
    error = tf.errors.ResourceExhaustedError(
        None, None, "While saving:\n/run/part: No space left on device\n"
    )
    assert startup.tensorflow_reason(error) == (
        "a file could not be written or read: /run/part: No space left on "
        "device"
    )
    error = tf.errors.ResourceExhaustedError(None, None, "OOM in\n[2,3]")
    assert startup.tensorflow_reason(error) == "disk or memory is full: [2,3]"
    bug = tf.errors.InvalidArgumentError(None, None, "a bug")
    assert startup.tensorflow_reason(bug) is None
    assert startup.tensorflow_reason(ValueError("a bug")) is None


def test_settings_without_effect_are_warned_of(run_command, tmp_path):
    run = run_command(
        "trainers.train",
        "--config=configs/mnist_mlp.py",
        f"--workdir={tmp_path / 'run'}",
        "--config.optimizer.momentum=0.5",
        "--config.data.path=gone",
    )
    assert run.returncode == 2
    assert run.stderr.splitlines() == [
        "warning: `--config.optimizer.momentum` has no effect: it is for "
        "--config.optimizer.name=momentum. Received: 0.5.",
        "error: `--config.data.path` must exist. Received: 'gone'.",
    ]
    assert not (tmp_path / "run").exists()


def test_predictor_names_a_file_and_an_export_that_are_not_there(
    smoke_workdir,
):
    export = smoke_workdir / "export" / "mnist_mlp"
    with pytest.raises(DataError) as error:
        list(rows.predict(export, None, files=["nothing.png"]))
    assert str(error.value) == "nothing.png: No such file or directory"
    with pytest.raises(ConfigError) as error:
        Predictor(smoke_workdir)
    assert str(error.value) == (
        "`--model_dir` must be an export: a directory with saved_model.pb, or "
        f"a directory of numbered versions. Received: '{smoke_workdir}'."
    )
