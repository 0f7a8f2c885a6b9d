"""6: no space on the disk, of the real kind, and files that may not grow."""

import errno
import os

import fault_runs
import pytest
from fault_runs import NO_EXPORT

from trainers.run.workdir import Workdir

# Fills a real small disk, or forbids files of any size, at a moment.
_FULL = """
import os
def fill():
    with open(os.environ["FILLER"], "wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1 << 8, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
"""
_LIMIT = """
import resource
def fill():
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
"""
_BEFORE = """
def before(owner, name, turn=1):
    original, turns = getattr(owner, name), []
    def wrapper(*args, **kwargs):
        turns.append(1)
        if len(turns) == turn:
            fill()
        return original(*args, **kwargs)
    setattr(owner, name, wrapper)
"""
# Where the space ends: what is written next.
MOMENTS = {
    "first_checkpoint": """
from trainers.run.step_directories import StepDirectories
before(StepDirectories, "publish")
""",
    # The first, of step 0; the best and the second, of epoch 1; the best of 2.
    "checkpoint": """
from trainers.training import checkpointing
before(checkpointing.Writer, "_publish", 3)
""",
    "best_weights": """
from trainers.run.best_weights import BestWeights
before(BestWeights, "save", 2)
""",
    "tensorboard": """
from trainers.training.trackers.tensorboard import TensorBoard
before(TensorBoard, "flush", 3)
""",
    "history": """
from trainers.run.workdir import Workdir
before(Workdir, "write_history", 2)
""",
    "metrics": """
from trainers.run.workdir import Workdir
before(Workdir, "write_metrics")
""",
}
EXPORT = """
from trainers.serving import exporter
before(exporter, "write_saved_model")
"""
MANIFEST = """
from trainers.serving import exporter
before(exporter, "_publish")
"""
# All of the version is written, nothing of the files beside it.
BUNDLE = """
from trainers.serving import bundle
before(bundle, "room")
"""


# In name spaces of its own, a process mounts a disk of 3 MB. What is on it is
# gone with them, and therefore copied at the end.
_MOUNT = """
import atexit, ctypes, os, shutil, subprocess
ids = {{"uid_map": os.getuid(), "gid_map": os.getgid()}}
NEW_USERS, NEW_MOUNTS = 0x10000000, 0x20000
assert ctypes.CDLL(None).unshare(NEW_USERS | NEW_MOUNTS) == 0
for name, text in [
    ("setgroups", "deny"), *((n, f"0 {{i}} 1") for n, i in ids.items())
]:
    with open(f"/proc/self/{{name}}", "w") as file:
        file.write(text)
mount = "mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", {disk!r}
subprocess.run(mount, check=True)
atexit.register(shutil.copytree, {disk!r} + "/run", {saved!r})
"""


def on_a_small_disk(user_env, tmp_path, code, data_file):
    """Runs the command on a disk of 3 MB; returns it, and what was left."""
    disk, saved = tmp_path / "disk", tmp_path / "saved"
    disk.mkdir()
    run = fault_runs.run(
        user_env | {"FILLER": str(disk / "filler")},
        _FULL + _BEFORE + code,
        fault_runs.words(data_file, disk / "run"),
        before=_MOUNT.format(disk=str(disk), saved=str(saved)),
    )
    assert os.listdir(disk) == []
    return run, saved


def check_old_state(workdir):
    """Checks that all files are complete and that no others exist."""
    paths = Workdir(workdir)
    rows = [*paths.checkpoints.verified(), *paths.best.steps.verified()]
    assert [row.problem for row in rows if row.problem] == []
    assert fault_runs.leftovers(workdir) == []
    assert list((workdir / "export").glob("*/*")) == []


@fault_runs.needs_mount
@pytest.mark.parametrize(
    "moment",
    [
        "checkpoint",
        *(
            pytest.param(name, marks=pytest.mark.torture)
            for name in (
                "tensorboard",
                "first_checkpoint",
                "best_weights",
                "history",
                "metrics",
            )
        ),
    ],
)
def test_a_full_disk_ends_the_run_and_leaves_the_old_state_whole(
    moment, tmp_path, data_file, user_env, reference
):
    run, saved = on_a_small_disk(
        user_env, tmp_path, MOMENTS[moment] + NO_EXPORT, data_file
    )
    assert (run.returncode, run.stdout) == (1, ""), run.stderr
    last = run.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert os.strerror(errno.ENOSPC) in last
    assert len([x for x in run.stderr.splitlines() if "error" in x]) == 1
    check_old_state(saved)
    fault_runs.train(fault_runs.words(data_file, saved))
    assert fault_runs.outcome(saved) == reference


@fault_runs.needs_mount
@pytest.mark.parametrize(
    "code",
    [
        pytest.param(EXPORT, id="model"),
        pytest.param(MANIFEST, id="manifest", marks=pytest.mark.torture),
        pytest.param(BUNDLE, id="bundle", marks=pytest.mark.torture),
    ],
)
def test_a_full_disk_while_exporting_publishes_nothing(
    code, tmp_path, data_file, user_env, reference
):
    run, saved = on_a_small_disk(user_env, tmp_path, code, data_file)
    assert (run.returncode, run.stdout) == (1, ""), run.stderr
    assert run.stderr.splitlines()[-1].startswith("error: ")
    assert os.strerror(errno.ENOSPC) in run.stderr.splitlines()[-1]
    check_old_state(saved)
    assert fault_runs.outcome(saved) == reference


@pytest.mark.parametrize(
    "moment",
    [
        *("history", "metrics"),
        *(
            pytest.param(name, marks=pytest.mark.torture)
            for name in ("checkpoint", "first_checkpoint")
        ),
    ],
)
def test_files_that_may_not_grow_end_the_run_alike(
    moment, tmp_path, data_file, user_env, reference
):
    """A quota of another kind, which needs no rights to be tried."""
    workdir = tmp_path / "run"
    all_words = fault_runs.words(data_file, workdir)
    code = _LIMIT + _BEFORE + MOMENTS[moment] + NO_EXPORT
    run = fault_runs.run(user_env, code, all_words)
    assert (run.returncode, run.stdout) == (1, ""), run.stderr
    last = run.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert os.strerror(errno.EFBIG) in last
    check_old_state(workdir)
    fault_runs.train(all_words)
    assert fault_runs.outcome(workdir) == reference


@pytest.mark.parametrize("moment", ["tensorboard", "export"])
def test_what_tensorflow_may_not_write_is_no_traceback_either(
    moment, tmp_path, data_file, user_env, reference
):
    """Its own words for the same."""
    workdir = tmp_path / "run"
    all_words = fault_runs.words(data_file, workdir)
    code = MOMENTS.get(moment, EXPORT)
    run = fault_runs.run(user_env, _LIMIT + _BEFORE + code, all_words)
    assert (run.returncode, run.stdout) == (1, ""), run.stderr
    assert run.stderr.splitlines()[-1].startswith("error: ")
    check_old_state(workdir)
    fault_runs.train(all_words)
    assert fault_runs.outcome(workdir) == reference
