"""Proof that an export loads and answers the way TensorFlow Serving does it.

The server loads a SavedModel into a C++ session, not through the Python
objects of `tf.saved_model.load`; there are exports that pass one and fail
the other. So a fresh process, which knows nothing of the model but its
directory, loads it into a session, calls every signature, and compares the
answers with those of the model in memory.
"""

import json
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile

import tensorflow as tf

from trainers.errors import RunError

BATCH_SIZES = (1, 7, 100)
_PROCESS = "trainers.serving.check_process"


def check(path, functions, inputs):
    """Checks a SavedModel directory; returns only if all is well.

    Args:
        path: `pathlib.Path` of the directory.
        functions: The exported `tf.function`s by signature name.
        inputs: Inputs by signature name and input name, with at least 100
            rows each.

    Raises:
        RunError: What is wrong, a line each.
    """
    cases = []
    # Off: on a GPU it would cost more digits than the tolerance allows.
    tf32 = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    for name, function in functions.items():
        for size in BATCH_SIZES:
            fed = {key: rows[:size] for key, rows in inputs[name].items()}
            answer = {key: x.numpy() for key, x in function(**fed).items()}
            cases.append((name, fed, answer))
    tf.config.experimental.enable_tensor_float_32_execution(tf32)
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory) / "cases"
        file.write_bytes(pickle.dumps(cases))
        root = pathlib.Path(__file__).parents[2]
        run = subprocess.run(
            [sys.executable, "-m", _PROCESS, str(path), str(file)],
            env=os.environ
            | {
                "PYTHONPATH": os.pathsep.join(
                    filter(None, [str(root), os.environ.get("PYTHONPATH")])
                ),
                # The proof needs no GPU, and training may hold all its memory.
                "CUDA_VISIBLE_DEVICES": "-1",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    if run.returncode:
        raise RunError(
            "the export failed its check in a fresh process; no version was "
            f"published.\n{(run.stderr or run.stdout)[-3000:]}"
        )
    problems = json.loads(run.stdout.splitlines()[-1])
    if problems:
        raise RunError(
            "the export would not serve; no version was published:\n  "
            + "\n  ".join(problems)
        )
