"""Proof that an export loads and answers the way TensorFlow Serving does it.

The server loads a SavedModel into a C++ session, not through the Python
objects of `tf.saved_model.load`; some exports pass the second and fail the
first. So a fresh process, which knows only the directory, loads it into a
session, calls every signature, replays the warm-up file, and compares the
answers with those of the model in memory. On demand a second process repeats
this with the libraries of TensorFlow Serving 2.20.
"""

import json
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile

import tensorflow as tf

import trainers
from trainers.errors import RunError
from trainers.serving.proof import runtime_2_20

BATCH_SIZES = (1, 7, 100)
_MODULE = "trainers.serving.proof.fresh_process"


def check(path, functions, inputs, runtime="session"):
    """Checks a SavedModel directory; returns only if all is well.

    Args:
        path: `pathlib.Path` of the directory.
        functions: `tf.function`s by signature name, with the answers that
            are expected.
        inputs: Inputs by signature name and input name, with at least 100
            rows each.
        runtime: `session` asks the installed TensorFlow, `serving_2_20` that
            of TensorFlow Serving 2.20 besides; it is installed at first.

    Raises:
        RunError: What is wrong, a line each.
        ConfigError: There is no place for the second runtime.
    """
    model = _InMemory(functions)
    # Off: on a GPU it would cost more digits than the tolerance allows.
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
    """Calls exported functions, and keeps questions and answers as cases."""

    def __init__(self, functions):
        self._functions = functions
        self.cases = []

    def __call__(self, name, fed):
        answer = self._functions[name](**fed)
        answer = {key: x.numpy() for key, x in answer.items()}
        self.cases.append((name, fed, answer))
        return answer


def ask(path, cases, python=sys.executable):
    """Lets a fresh process compare a SavedModel with answers.

    Args:
        path: `pathlib.Path` of the directory.
        cases: List of (signature name, inputs by name, outputs by name).
        python: Interpreter to run: this one, or `runtime_2_20`'s.

    Raises:
        RunError: What is wrong, a line each.
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
    """Runs a module of this package in some environment."""
    # Alone: of what is installed beside it, another environment has its own.
    package = pathlib.Path(trainers.__file__).parent
    (pathlib.Path(directory) / package.name).symlink_to(package)
    search = [directory]
    if python == sys.executable:
        search += filter(None, [os.environ.get("PYTHONPATH")])
    return subprocess.run(
        [python, "-P", "-m", *words],
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join(search),
            # The proof needs no GPU, and training may hold all its memory.
            "CUDA_VISIBLE_DEVICES": "-1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
