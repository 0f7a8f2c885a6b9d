"""The fresh process of `servable_check`: a directory and cases in, JSON out."""

import json
import pathlib
import pickle
import sys

import numpy as np

from trainers.serving import linter
from trainers.serving.session_model import SessionModel

TOLERANCE = 1e-5


def problems_of(path, cases):
    """Returns broken rules and differing answers of a SavedModel.

    Args:
        path: `pathlib.Path` of the directory.
        cases: List of (signature name, inputs by name, outputs by name).
    """
    problems = linter.lint(path)
    if problems:
        return problems
    model = SessionModel(path)
    for name, fed, expected in cases:
        size = len(next(iter(fed.values())))
        where = f"signature `{name}` at batch {size}"
        answer = model(name, fed)
        if sorted(answer) != sorted(expected):
            problems.append(
                f"{where}: outputs {sorted(answer)}, not {sorted(expected)}"
            )
            continue
        for key in expected:
            problem = _difference(answer[key], expected[key])
            if problem:
                problems.append(f"{where}: `{key}` {problem}")
    return problems


def _difference(got, expected):
    """Says how an answer differs from the model in memory, or nothing."""
    if got.shape != expected.shape:
        return f"has the shape {got.shape}, not {expected.shape}"
    if expected.dtype.kind != "f":
        if got.tolist() != expected.tolist():
            return "differs from the model in memory"
    # NaN compares with nothing and so counts as different.
    elif not np.all(np.abs(got - expected) <= TOLERANCE):
        error = np.abs(got - expected).max()
        return f"differs by {error} from the model in memory"
    return None


if __name__ == "__main__":
    found = problems_of(
        pathlib.Path(sys.argv[1]),
        # Written by `servable_check` a moment ago, in a directory of its own.
        pickle.loads(pathlib.Path(sys.argv[2]).read_bytes()),
    )
    print(json.dumps(found))
