"""The fresh process of `servable_check`: a directory and cases in, JSON out."""

import json
import pathlib
import pickle
import sys

import tensorflow as tf

from trainers.serving import agreement
from trainers.serving import linter
from trainers.serving import warmup
from trainers.serving.session_model import SessionModel


def problems_of(path, cases):
    """Returns broken rules and differing answers of a SavedModel.

    Where it has a warm-up file, that is replayed.

    Args:
        path: `pathlib.Path` of the directory.
        cases: List of (signature name, inputs by name, outputs by name).
    """
    problems = linter.lint(path)
    if problems:
        return problems
    model = SessionModel(path)
    problems = agreement.problems_of(model, cases)
    if (path / warmup.FILE).is_file():
        problems += warmup.problems_of(path, model)
    return problems


if __name__ == "__main__":
    directory = pathlib.Path(sys.argv[1])
    # Written by `servable_check` a moment ago, in a directory of its own.
    _, asked = pickle.loads(pathlib.Path(sys.argv[2]).read_bytes())
    found = problems_of(directory, asked)
    print(json.dumps({"tensorflow": tf.__version__, "problems": found}))
