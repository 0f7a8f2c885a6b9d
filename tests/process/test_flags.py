"""Command lines of whole processes, which end before TensorFlow is imported."""

import os
import re
import subprocess
import sys

import pytest
from absl.testing import flagsaver
from repository import ROOT

from trainers import flags
from trainers.config import experiment
from trainers.config import files as files_lib
from trainers.config import kinds
from trainers.config import tree
from trainers.run.workdir import Workdir

OBJECTIVES = ", ".join(kinds.KINDS["task"])

CHOICES = ", ".join(files_lib.shipped())


CONFIG = "--config=configs/mnist_mlp.py"


LEAVES = {
    name: field for name, field, _ in tree.leaves(experiment.ExperimentConfig())
}


def parse(*words, **kwargs):
    # absl's flags belong to the process: they get their values back.
    with flagsaver.flagsaver():
        return flags.parse(["train.py", *words], **kwargs)


def parse_config(*words):
    config, _, _ = parse(CONFIG, "--workdir=run", *words)
    return config


@pytest.mark.parametrize(
    "words, lines",
    [
        (
            [CONFIG],
            [
                "error: `--workdir` must name the directory of the run. "
                "Received: nothing. Example: --workdir=/tmp/mnist"
            ],
        ),
        (
            [CONFIG, "--workdir=run", "--config.model.units=1"],
            [
                "error: `--config.model.units` is not a setting. Choices: "
                "--config.model.image_shape, --config.model.hidden_dims, "
                "--config.model.activation, --config.model.dropout, "
                "--config.model.l2."
            ],
        ),
        (
            [
                CONFIG,
                "--workdir=run",
                "--config.seed=-1",
                "--config.trainer.epochs=0",
            ],
            [
                "error: `--config.seed` must be at least 0 and below "
                "2147483648. Received: -1.",
                "error: `--config.trainer.epochs` must be at least 1. "
                "Received: 0.",
            ],
        ),
        (
            [CONFIG, "--workdir=run", "--frobnicate=1"],
            [
                "error: `--frobnicate` is not a flag. Choices: --config, "
                "--workdir."
            ],
        ),
        (
            ["--workdir=run", "--config=nothing.py"],
            [
                "error: `--config` must be an existing file. Received: "
                f"'nothing.py'. Choices: {CHOICES}, or a file of yours."
            ],
        ),
    ],
    ids=["no_workdir", "no_setting", "bounds", "no_flag", "no_file"],
)
def test_a_wrong_command_line_ends_with_two(
    words, lines, run_command, tmp_path
):
    run = run_command("trainers.train", *words, cwd=tmp_path)
    assert run.stderr.splitlines() == lines
    assert (run.returncode, run.stdout) == (2, "")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_config_file_ends_without_a_traceback(run_command, tmp_path):
    (tmp_path / "mine.py").write_text("def get_config(variant:")
    run = run_command(
        "trainers.train", "--config=mine.py", "--workdir=run", cwd=tmp_path
    )
    assert run.stderr == (
        "error: `--config=mine.py` cannot be loaded: SyntaxError: '(' was "
        "never closed (mine.py, line 1)\n"
    )
    assert (run.returncode, run.stdout) == (2, "")


def test_a_shipped_config_is_found_in_any_directory(run_command, tmp_path):
    """Its last setting is checked, so that the file itself was read."""
    run = run_command(
        "trainers.train",
        CONFIG,
        "--workdir=run",
        "--config.export.name=a/b",
        cwd=tmp_path,
    )
    assert run.stderr == (
        "error: `--config.export.name` must be letters from a to z, digits, "
        "`_`, `-` and `.`, with a letter or digit, and must not begin with "
        "`.`. Received: 'a/b'.\n"
    )
    assert run.returncode == 2


def imported(stderr):
    """Returns the modules in the output of `-X importtime`."""
    return set(re.findall(r"^import time:.*\| +(\S+)$", stderr, re.MULTILINE))


@pytest.mark.parametrize(
    "words, code",
    [
        (["trainers.train", CONFIG, "--workdir=r", "--config.seed=x"], 2),
        (["trainers.train", CONFIG, "--workdir=r", "--config.seed=-1"], 2),
        (["trainers.evaluate", "--workdir=nowhere"], 2),
        (["trainers.export", "--workdir=nowhere"], 2),
        (["trainers.predict"], 2),
        (["trainers.predict", "--help"], 0),
        (["trainers.checkpoints", "--workdir=nowhere"], 2),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_an_answer_about_flags_does_not_wait_for_tensorflow(
    words, code, tmp_path
):
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == code
    modules = imported(run.stderr)
    assert {"absl.flags", "trainers.flags"} <= modules
    # NumPy takes 0.1 s, and the objectives need it.
    assert not {"tensorflow", "keras", "matplotlib", "sklearn"} & modules
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("resume", ["must", "never", "auto"])
def test_a_refused_run_is_reported_before_tensorflow(resume, tmp_path):
    words = [CONFIG, f"--config.trainer.resume={resume}"]
    workdir = tmp_path / "run"
    if resume != "must":
        config = parse_config()
        workdir.mkdir()
        paths = Workdir(workdir)
        paths.create(config, ["a", "b"])
        paths.checkpoints.publish(16, lambda path: None, {})
        words += ["--config.seed=7"]
    message = {
        "must": "error: `--workdir` must contain a run with a checkpoint for "
        "--config.trainer.resume=must. Received: 'run', which does not.",
        "never": "error: `--workdir` must not contain a run with "
        "--config.trainer.resume=never. Received: 'run', which does. Choose "
        "another name, delete it, or resume the run with "
        "--config.trainer.resume=auto.",
        "auto": "error: `--workdir` 'run' contains a run that differs, and a "
        "run can only resume unchanged. Undo the differences, or choose "
        "another --workdir:\n"
        "error: `--config.seed` was 42. Received: 7.",
    }[resume]
    run = subprocess.run(
        [
            *(sys.executable, "-X", "importtime", "-m", "trainers.train"),
            *("--workdir=run", *words),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stdout) == (2, "")
    modules = imported(run.stderr)
    assert "trainers.run.workdir" in modules
    assert not {"tensorflow", "keras", "matplotlib"} & modules
    lines = run.stderr.splitlines()
    assert [x for x in lines if not x.startswith("import time:")] == (
        message.splitlines()
    )
    assert sorted(path.name for path in workdir.iterdir()) == (
        []
        if resume == "must"
        else ["checkpoints", "config.json", "labels.json"]
    )


@pytest.mark.parametrize(
    "command, own",
    [
        ("train", []),
        ("evaluate", ["split", "dtype_policy"]),
        (
            "predict",
            ["model_dir", "server", "split", "scores", "encoding"]
            + ["dtype_policy"],
        ),
        ("export", []),
        ("checkpoints", ["verify"]),
    ],
)
def test_help_names_every_flag_and_every_setting(command, own, run_command):
    run = run_command(f"trainers.{command}", "--help")
    assert (run.returncode, run.stderr) == (0, "")
    assert f"python -m trainers.{command}" in run.stdout
    named = re.findall(r"^  --([\w.]+)", run.stdout, re.MULTILINE)
    assert named == ["config", "workdir", *own, *LEAVES]
    words = " ".join(run.stdout.split())
    for field in LEAVES.values():
        assert " ".join(field.metadata["doc"].split()) in words
    assert "--config.model.hidden_dims=64,64" in run.stdout
    assert "One of: sgd, momentum, adam, adamw." in run.stdout
    policies = "One of: float32, mixed_bfloat16, mixed_float16, auto."
    assert words.count(policies) == 1 + ("dtype_policy" in own)
    assert "Names from: tensorboard, csv, mlflow, wandb, or MODULE:" in (
        run.stdout
    )
    assert f"One of: {OBJECTIVES}, or MODULE:NAME of your own." in words
    assert (
        " one of those of the objective. One of: loss, accuracy, "
        "macro_precision, "
    ) in words
    assert "or per_class/NAME/METRIC with one of precision, recall, " in words


def test_help_shows_the_settings_of_another_objective(run_command, user_env):
    # `python -m` imports from the current directory.
    run = subprocess.run(
        [
            *(sys.executable, "-m", "trainers.train", "--help"),
            "--config.task.objective=own_kinds:OwnObjectiveConfig",
        ],
        cwd=ROOT / "tests" / "support",
        env=user_env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert (
        "  --config.task.objective=own_kinds:OwnObjectiveConfig\n" in run.stdout
    )
    assert "  --config.task.margin=1.0\n" in run.stdout
    assert "--config.task.class_weights" not in run.stdout
    run = run_command("trainers.train", "--config.task.objective=x", "--help")
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == (
        f"error: `--config.task.objective` must be one of {OBJECTIVES}, or "
        "MODULE:NAME of your own. Received: 'x'.\n"
    )


def test_help_into_a_closed_pipe_is_quiet():
    """For example `--help | true`: the reader ends before the writer."""
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as closed:
        run = subprocess.run(
            [sys.executable, "-m", "trainers.train", "--help"],
            stdout=closed,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    assert (run.returncode, run.stderr) == (1, b"")
