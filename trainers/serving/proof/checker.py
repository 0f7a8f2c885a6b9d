"""Checks that an export loads and answers in the way of TensorFlow Serving.

The server loads a SavedModel into a C++ session. `tf.saved_model.load` creates
Python objects instead. Some exports load in Python and fail in a session.

A fresh process therefore gets only the directory. It loads the SavedModel into
a session, calls every signature, and replays the warm-up file. The answers must
equal those of the model in memory. On request, a second process repeats this
with the libraries of TensorFlow Serving 2.20.
"""

import json
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile

import numpy as np
import tensorflow as tf

from trainers.errors import RunError
from trainers.serving.proof import runtime_2_20

BATCH_SIZES = (1, 7, 100)
_MODULE = "trainers.serving.proof.fresh_process"


def check(path, functions, inputs, runtime="session"):
    """Checks a SavedModel directory; raises an error if a check fails.

    Args:
        path: `pathlib.Path`. The directory.
        functions: dict of `tf.function`s by signature name. They compute the
            expected answers.
        inputs: dict of dicts of arrays, by signature name and input name, with
            at least 100 rows each.
        runtime: str. `session` checks with the installed TensorFlow.
            `serving_2_20` also checks with TensorFlow 2.20.0, which is
            installed at the first use.

    Raises:
        RunError: The check failed. The message has a line for each problem.
        ConfigError: The cache for TensorFlow 2.20.0 cannot be written to.
    """
    model = _InMemory(functions)
    # TensorFloat-32 of a GPU is less exact than the tolerance.
    tf32 = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        for name, fed in inputs.items():
            for size in BATCH_SIZES:
                model(name, {key: rows[:size] for key, rows in fed.items()})
        ask(path, model.cases)
        if runtime == "serving_2_20":
            ask(path, model.cases, runtime_2_20.interpreter())
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(tf32)


class _InMemory:
    """Calls exported functions and records inputs and answers as cases."""

    def __init__(self, functions):
        self._functions = functions
        self.cases = []

    def __call__(self, name, fed):
        answer = self._functions[name](**fed)
        answer = {key: _shared(x.numpy()) for key, x in answer.items()}
        self.cases.append((name, fed, answer))
        return answer


def _shared(values):
    """Returns an array whose equal strings are one object.

    With many classes, `classify` answers a million names with 100 rows. As one
    object each, and in the file, they take 100 MB.
    """
    if values.dtype != object:
        return values
    table = {}
    shared = [table.setdefault(value, value) for value in values.ravel()]
    return np.array(shared, object).reshape(values.shape)


def ask(path, cases, python=sys.executable):
    """Compares a SavedModel with expected answers in a fresh process.

    Args:
        path: `pathlib.Path`. The directory.
        cases: list of tuples (signature name, dict of inputs, dict of expected
            outputs).
        python: str or `pathlib.Path`. Interpreter of the process: the current
            one, or `runtime_2_20.interpreter()`.

    Raises:
        RunError: The check failed. The message has a line for each problem.
    """
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory) / "cases"
        file.write_bytes(pickle.dumps(cases))
        run = _run(directory, python, _MODULE, str(path), str(file))
    where = f" with TensorFlow {runtime_2_20.TENSORFLOW}"
    if python == sys.executable:
        where = ""
    if run.returncode:
        raise RunError(
            f"the export failed its check in a fresh process{where}; no "
            f"version was published. Exit code {run.returncode}.\n"
            f"{(run.stderr or run.stdout)[-3000:]}"
        )
    found = json.loads(run.stdout.splitlines()[-1])
    if where:
        assert found["tensorflow"] == runtime_2_20.TENSORFLOW, found
    if found["problems"]:
        raise RunError(
            f"the export would not serve{where}; no version was published:\n  "
            + "\n  ".join(found["problems"])
        )


def _run(directory, python, *words):
    """Runs a module of this package with an interpreter."""
    # Only this package is added to the search path: another environment has
    # its own versions of the other packages.
    package = pathlib.Path(__file__).parents[2]
    (pathlib.Path(directory) / package.name).symlink_to(package)
    search = [directory]
    if python == sys.executable:
        search += filter(None, [os.environ.get("PYTHONPATH")])
    return subprocess.run(
        [python, "-P", "-m", *words],
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join(search),
            # The check needs no GPU, and training can occupy all GPU memory.
            "CUDA_VISIBLE_DEVICES": "-1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
