"""Keeps the fast tests fast: none starts a process or fits a model."""

import sys

import keras
import pytest

_STARTS = ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.system")
# Whether a fast test is running. An audit hook can never be removed.
_RUNNING = []


def _refuse_processes(event, args):
    if event in _STARTS and _RUNNING:
        raise AssertionError(
            f"a fast test must not start a process ({event}): move it to "
            "tests/process"
        )


sys.addaudithook(_refuse_processes)


@pytest.fixture(autouse=True)
def _is_fast(monkeypatch):
    def fit(self, *args, **kwargs):
        raise AssertionError(
            "a fast test must not fit a model: move it to tests/model"
        )

    monkeypatch.setattr(keras.Model, "fit", fit)
    _RUNNING.append(True)
    yield
    _RUNNING.clear()
