"""`python -m trainers.checkpoints`: what there is, and whether it is whole."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from trainers.config import experiment
from trainers.run.workdir import Workdir

HEADER = (
    "checkpoint                 written (UTC)        MB   state  last metrics"
)


def make_run(path):
    """Two checkpoints and the weights of a best epoch, as a run has them."""
    config = experiment.ExperimentConfig()
    config.data.path = "digits"
    path.mkdir()
    paths = Workdir(path)
    paths.create(config, ["a", "b"])
    for step in (0, 2500):
        paths.checkpoints.publish(
            step,
            lambda directory: (directory / "arrays.npz").write_bytes(
                bytes(250_000)
            ),
            {
                "time": "2026-01-02T03:04:05+00:00",
                "metrics": {"loss": 0.5, "lr": 1} if step else {},
            },
        )
    paths.best.steps.publish(
        2500,
        lambda directory: (directory / "weights.npz").write_bytes(b"x"),
        {"time": "2026-01-02T03:04:04+00:00", "metrics": {"val_loss": 2.0}},
    )
    return paths


WHOLE = [
    HEADER,
    "checkpoints/step-00002500  2026-01-02T03:04:05  0.3  whole  loss 0.5000",
    "checkpoints/step-00000000  2026-01-02T03:04:05  0.3  whole",
    "best/step-00002500         2026-01-02T03:04:04  0.0  whole  "
    "val_loss 2.0000",
]


@pytest.fixture
def paths(tmp_path):
    return make_run(tmp_path / "run")


@pytest.fixture
def checkpoints(run_command, paths):
    return lambda *words: run_command(
        "trainers.checkpoints", f"--workdir={paths.path}", *words
    )


@pytest.mark.parametrize("words", [(), ("--verify",), ("--noverify",)])
def test_what_is_whole_is_listed_newest_first(words, checkpoints, paths):
    before = sorted(paths.path.rglob("*"))
    run = checkpoints(*words)
    assert run.stdout.splitlines() == WHOLE
    assert (run.returncode, run.stderr) == (0, "")
    assert sorted(paths.path.rglob("*")) == before


def test_a_finished_run_is_whole(smoke_workdir, run_command):
    run = run_command(
        "trainers.checkpoints", f"--workdir={smoke_workdir}", "--verify"
    )
    assert (run.returncode, run.stderr) == (0, "")
    lines = run.stdout.splitlines()
    time = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d"
    numbers = (
        r"loss \d\.\d{4} val_loss \d\.\d{4} val_accuracy \d\.\d{4} "
        r"val_macro_f1 \d\.\d{4}"
    )
    assert lines[0] == HEADER
    for line, pattern in zip(
        lines[1:],
        [
            rf"checkpoints/step-00000016  {time}  \d\.\d  whole  {numbers}",
            rf"checkpoints/step-00000000  {time}  \d\.\d  whole",
            rf"best/step-00000016         {time}  \d\.\d  whole  {numbers}",
        ],
        strict=True,
    ):
        assert re.fullmatch(pattern, line), line


@pytest.mark.parametrize(
    "name, problem",
    [
        ("checkpoints/step-00002500/arrays.npz", "missing or damaged."),
        ("checkpoints/step-00000000/arrays.npz", "missing or damaged."),
        ("best/step-00002500/weights.npz", "missing or damaged."),
    ],
    ids=["newest", "oldest", "best"],
)
@pytest.mark.parametrize("how", ["cut", "flipped", "gone"])
def test_a_damaged_file_is_named(name, problem, how, checkpoints, paths):
    file = paths.path / name
    if how == "gone":
        file.unlink()
    elif how == "cut":
        os.truncate(file, 0)
    else:
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    run = checkpoints()
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines()[-1] == f"damaged: {file}: {problem}"
    states = {
        line.split("  ")[0]: " damaged" in line
        for line in run.stdout.splitlines()[1:-1]
    }
    assert [path for path, is_damaged in states.items() if is_damaged] == [
        name.rpartition("/")[0]
    ]
    verified = checkpoints("--verify")
    assert verified.stdout == run.stdout
    assert verified.stderr == f"error: damaged: {file.parent}.\n"
    assert verified.returncode == 1


def test_a_checkpoint_without_manifest_is_damaged(checkpoints, paths):
    newest, oldest = paths.checkpoints.paths().values()
    (newest / "manifest.json").unlink()
    (oldest / "manifest.json").write_text("[]")
    run = checkpoints("--verify")
    assert run.returncode == 1
    assert run.stderr == f"error: damaged: {newest}, {oldest}.\n"
    lines = run.stdout.splitlines()
    assert lines[1:3] == [
        "checkpoints/step-00002500  ?                    0.2  damaged",
        "checkpoints/step-00000000  ?                    0.3  damaged",
    ]
    assert [line[: line.index(":", 9)] for line in lines[4:]] == [
        f"damaged: {newest}",
        f"damaged: {oldest}",
    ]


@pytest.mark.parametrize("left", ["nothing", "empty", "temporary"])
def test_a_run_without_checkpoints_is_not_verified(left, checkpoints, paths):
    directory = paths.path / "checkpoints"
    shutil.rmtree(paths.path / "best")
    if left == "temporary":
        shutil.rmtree(directory / "step-00000000")
        path = directory / "step-00002500"
        path.rename(f"{path}.tmp-1")
    else:
        shutil.rmtree(directory)
        if left == "empty":
            directory.mkdir()
    run = checkpoints()
    assert run.stdout == "checkpoint  written (UTC)  MB  state  last metrics\n"
    assert (run.returncode, run.stderr) == (0, "")
    run = checkpoints("--verify")
    assert run.stderr == f"error: no checkpoints in {directory}.\n"
    assert run.returncode == 1


def test_the_best_weights_alone_are_no_checkpoint(checkpoints, paths):
    shutil.rmtree(paths.path / "checkpoints")
    run = checkpoints("--verify")
    assert len(run.stdout.splitlines()) == 2
    assert run.stderr == (
        f"error: no checkpoints in {paths.path / 'checkpoints'}.\n"
    )
    assert run.returncode == 1


@pytest.mark.parametrize("exists", [True, False])
def test_a_directory_without_a_run_is_refused(exists, run_command, tmp_path):
    path = tmp_path / "run"
    if exists:
        path.mkdir()
    run = run_command("trainers.checkpoints", f"--workdir={path}")
    assert run.stderr == (
        "error: `--workdir` must be the directory of a run, with its "
        f"config.json. Received: {str(path)!r}.\n"
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert path.exists() is exists


def test_a_run_has_to_be_named(run_command):
    run = run_command("trainers.checkpoints")
    assert run.stderr == (
        "error: `--workdir` must name the directory of the run. Received: "
        "nothing. Example: --workdir=/tmp/mnist\n"
    )
    assert (run.returncode, run.stdout) == (2, "")


def test_tensorflow_is_not_needed(paths):
    program = (
        "import runpy, sys\n"
        "sys.argv[0] = 'trainers.checkpoints'\n"
        "runpy.run_module('trainers.checkpoints', run_name='__main__')\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    run = subprocess.run(
        [
            *(sys.executable, "-c", program),
            *(f"--workdir={paths.path}", "--verify"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines() == WHOLE


def test_only_flags_are_taken(checkpoints):
    run = checkpoints("step-00002500")
    assert run.stderr == (
        "error: `step-00002500` is not a flag, and this command takes only "
        "flags. Choices: --config, --workdir, --verify.\n"
    )
    assert (run.returncode, run.stdout) == (2, "")
