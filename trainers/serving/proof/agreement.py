"""Compares the answers of a loaded model with expected answers.

This module does not import TensorFlow, so that it works with a model in any
runtime.
"""

import numpy as np

from trainers.objectives.rounding import IN_DOUBT
from trainers.objectives.rounding import TOLERANCE


def problems_of(model, cases):
    """Returns the differences between answers and expected answers.

    Args:
        model: Callable with a signature name and a dict of inputs. It returns
            a dict of outputs as NumPy arrays.
        cases: list of tuples (signature name, dict of inputs, dict of expected
            outputs). The output `IN_DOUBT: bool[batch]` is not expected: it
            says which rows are not compared. If these are all, all are.

    Returns:
        List of str, one for each difference; empty if there is none.
    """
    problems = []
    for name, fed, expected in cases:
        size = len(next(iter(fed.values())))
        problems += [
            f"signature `{name}` at batch {size}: {problem}"
            for problem in _differences(model(name, fed), expected)
        ]
    return problems


def _differences(got, expected):
    """Yields the differences between two answers."""
    expected = dict(expected)
    in_doubt = expected.pop(IN_DOUBT, None)
    if sorted(got) != sorted(expected):
        yield f"outputs {sorted(got)}, not {sorted(expected)}"
        return
    if _is_ranking(got) and _is_ranking(expected):
        got, expected = _by_name(got), _by_name(expected)
    for key in expected:
        problem = _difference(got[key], expected[key], in_doubt)
        if problem:
            yield f"`{key}` {problem}"


def _is_ranking(answer):
    """Returns whether an answer contains classes with scores, best first."""
    classes, scores = answer.get("classes"), answer.get("scores")
    return (
        classes is not None
        and scores is not None
        and classes.shape == scores.shape
        and classes.ndim == 2
        and np.all(np.diff(scores) <= 0)
    )


def _by_name(answer):
    """Returns a ranking in the order of class names.

    If two scores differ by less than the tolerance, the order of their classes
    is not defined.
    """
    order = np.argsort(answer["classes"], axis=1)
    return answer | {
        key: np.take_along_axis(answer[key], order, axis=1)
        for key in ("classes", "scores")
    }


def _difference(got, expected, in_doubt=None):
    """Returns the difference from the model in memory, or `None`."""
    if got.shape != expected.shape:
        return f"has the shape {got.shape}, not {expected.shape}"
    if in_doubt is not None and not in_doubt.all():
        got, expected = got[~in_doubt], expected[~in_doubt]
    if expected.dtype.kind != "f":
        if got.tolist() != expected.tolist():
            return "differs from the model in memory"
        return None
    is_finite = np.isfinite(got).all() and np.isfinite(expected).all()
    with np.errstate(invalid="ignore"):  # Infinity minus infinity.
        errors = np.abs(got - expected)
    largest = np.abs(expected).max(axis=-1, keepdims=True, initial=1.0)
    if not is_finite or np.any(errors > TOLERANCE * largest):
        return f"differs by {errors.max()} from the model in memory"
    return None
