"""Keeps the fast tests fast: none starts a process or fits a model."""

import multiprocessing.process
import pathlib
import sys

import commands
import keras
import pytest
import tensorflow as tf

_STARTS = (
    "subprocess.Popen",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.system",
)
_FOLDER = pathlib.Path(__file__).parent
# Whether a fast test is running. An audit hook can never be removed.
_RUNNING = []


def _refuse(what, tier):
    raise AssertionError(
        f"a fast test must not {what}: move it to tests/{tier}"
    )


def _refuse_processes(event, args):
    # In this order: at the end of Python, both are `None`.
    if _RUNNING and event in _STARTS:
        _refuse(f"start a process ({event})", "process")


sys.addaudithook(_refuse_processes)


@pytest.fixture
def eagerly():
    """Runs each `tf.function` op by op.

    To trace and to compile one takes a hundred times as long as a few rows.
    """
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Watches a fast test, and the fixtures that it makes."""
    if _FOLDER not in item.path.parents:  # Called for tests of all folders.
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            keras.Model, "fit", lambda *_, **__: _refuse("fit", "model")
        )
        # They need no new process where their server runs already.
        for start in ("start", "run"):
            patch.setattr(
                commands,
                start,
                lambda *_, **__: _refuse("run a command", "process"),
            )
        patch.setattr(
            multiprocessing.process.BaseProcess,
            "start",
            lambda _: _refuse("start a process", "process"),
        )
        _RUNNING.append(True)
        try:
            return (yield)
        finally:
            _RUNNING.clear()
