"""What the tests of faults share: small runs, stopped, compared, damaged."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys

import commands
import numpy as np
import pytest
from absl.testing import flagsaver

from trainers import flags
from trainers.run.workdir import Workdir
from trainers.training import callbacks as callbacks_lib
from trainers.training import trainer

STEPS_PER_EPOCH = 10
EPOCHS = 4
# Lets the real command execute a piece of code after the import of TensorFlow,
# which is where faults are put in.
_PATCH = """
from trainers.runtime import startup
original = startup.import_tensorflow
def import_and_patch():
    original()
    exec(code, {"__name__": "fault"})
startup.import_tensorflow = import_and_patch
"""
_DRIVER = f"""
import runpy, sys
module, code, *words = sys.argv[1:]
{_PATCH}
sys.argv[1:] = words
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""
NO_EXPORT = """
from trainers.serving import exporter
exporter.export_once = lambda config, workdir: "not exported"
"""
# For code of a driver: `at_step(k, act)`, k counted over the whole run.
AT_STEP = """
import os, signal, sys, time
from trainers.training import callbacks
def at_step(wanted, act):
    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations.numpy()) == wanted:
            act()
    callbacks.StopOnNonFiniteLoss.on_train_batch_end = on_train_batch_end
def send(number):
    os.kill(os.getpid(), number)
"""


def write_data(file, *, sizes=(80, 20, 20), seed=0, class_names=None):
    """Writes images of 8x8 in three classes that can be told apart."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for name, size in zip(("train", "validation", "test"), sizes, strict=True):
        labels = np.arange(size) % 3
        noise = rng.integers(0, 120, (size, 8, 8))
        arrays[f"x_{name}"] = (noise + labels[:, None, None] * 40).astype(
            np.uint8
        )
        arrays[f"y_{name}"] = labels
    if class_names:
        arrays["class_names"] = np.array(class_names)
    np.savez(file, **arrays)


def words(file, workdir, *more):
    """Returns the flags of a small run with all that has a state."""
    return [
        "--config=configs/mnist_mlp.py",
        f"--workdir={workdir}",
        "--config.data.source=npz",
        f"--config.data.path={file}",
        "--config.data.train=train",
        "--config.data.validation=validation",
        "--config.data.test=test",
        "--config.data.global_batch_size=8",
        "--config.model.image_shape=8,8",
        "--config.model.hidden_dims=8",
        "--config.model.dropout=0.2",
        "--config.data.random_shift=0.1",
        f"--config.trainer.epochs={EPOCHS}",
        "--config.trainer.steps_per_execution=1",
        *more,
    ]


def train(all_words):
    """Does in this process what the command does, without the export."""
    # absl's flags belong to the process: they get their values back.
    with flagsaver.flagsaver():
        config, workdir, _ = flags.parse(["trainers.train", *all_words])
    return trainer.train_and_evaluate(config, workdir)


@contextlib.contextmanager
def at_step(wanted, act):
    """Calls `act` once, in this process, after a step of the whole run."""
    kind = callbacks_lib.StopOnNonFiniteLoss

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations.numpy()) == wanted:
            act(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "on_train_batch_end", on_train_batch_end)
        yield


def stop_at(step):
    """A `with` in which SIGTERM comes after a step, as `at_step`."""
    return at_step(step, lambda callback: os.kill(os.getpid(), signal.SIGTERM))


def stopped(all_words, *steps):
    """Trains, stops after each of the steps, and resumes in between."""
    from trainers.runtime.signals import Stopped

    for step in steps:
        with stop_at(step), pytest.raises(Stopped) as error:
            train(all_words)
        assert str(error.value) == (
            f"Stopped by SIGTERM after step {step:,}; the same command "
            "resumes from there."
        )


def command(user_env, module, code, all_words, **kwargs):
    """Returns the arguments of `Popen` for a command with a fault in it."""
    return {
        "args": [sys.executable, "-c", _DRIVER, module, code, *all_words],
        "env": user_env,
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
        # Of shells, jobs in the background inherit that they ignore SIGINT.
        "preexec_fn": heed_interrupts,
    } | kwargs


def heed_interrupts():
    signal.signal(signal.SIGINT, signal.default_int_handler)


def start(
    user_env, code, all_words, module="trainers.train", before="", **kwargs
):
    """Starts a command with a fault in it; returns a `commands.Process`.

    Args:
        user_env: Environment variables.
        code: Python, executed after the import of TensorFlow.
        all_words: Flags.
        module: Of the command.
        before: Python, executed before all else.
        kwargs: For `commands.start`.
    """
    code = f"{before}\ncode = {code!r}\n{_PATCH}"
    return commands.start(module, *all_words, env=user_env, code=code, **kwargs)


def run(user_env, code, all_words, module="trainers.train", before=""):
    """Runs a command with a fault in it; returns the finished process."""
    with start(user_env, code, all_words, module, before) as process:
        try:
            stdout, stderr = process.communicate(timeout=240)
        finally:
            process.kill()
    assert "Traceback" not in stderr, stderr
    return subprocess.CompletedProcess(
        process.args, process.returncode, stdout, stderr
    )


def outcome(workdir):
    """Returns what has to be equal of two runs: bytes, and no times."""
    paths = Workdir(workdir)
    step, last = next(iter(paths.checkpoints.paths().items()))
    history = json.loads((workdir / "history.json").read_text())
    for row in history:
        for name in ("seconds", "examples_per_second", "input_wait_share"):
            del row[name]
    metrics = json.loads((workdir / "metrics.json").read_text())
    for name in ("seconds", "epoch_seconds", "examples_per_second"):
        del metrics["train"][name]
    metrics["train"].pop("tokens_per_second", None)  # Of texts.
    run_json = json.loads((last / "run.json").read_text())
    return {
        "step": step,
        "position": run_json["position"],
        "arrays": (last / "arrays.npz").read_bytes(),
        "best": {
            path.name: (path / "weights.npz").read_bytes()
            for path in paths.best.steps.paths().values()
        },
        "history": history,
        "metrics": metrics,
    }


def tree(workdir):
    """Returns the bytes of every file, but of the lock, by path."""
    return {
        path.relative_to(workdir).as_posix(): path.read_bytes()
        if path.is_file()
        else None
        for path in sorted(workdir.rglob("*"))
        if path.name != "lock"
    }


def steps(workdir):
    """Returns the steps of all checkpoints, newest first."""
    return list(Workdir(workdir).checkpoints.paths())


def whole_steps(workdir):
    """Returns the steps of the checkpoints that verify."""
    rows = Workdir(workdir).checkpoints.verified()
    return [row.step for row in rows if row.problem is None]


def leftovers(workdir):
    """Returns names of temporary files and directories."""
    return sorted(p.name for p in workdir.rglob("*") if ".tmp-" in p.name)


def _can_mount():
    run = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True,
    )
    return run.returncode == 0


needs_mount = pytest.mark.skipif(
    not shutil.which("unshare") or not _can_mount(),
    reason="no rights to mount a small disk",
)
