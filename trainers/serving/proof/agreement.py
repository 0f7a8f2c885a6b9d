"""Does a loaded model answer as another one did?

Imports no TensorFlow: it is asked of models in any runtime.
"""

import numpy as np

# Of the largest number of a row, if that is above 1: float32 rounds logits
# of 50 in the fifth digit, and another order of a sum rounds otherwise.
TOLERANCE = 1e-5


def problems_of(model, cases):
    """Returns answers that differ, in words; empty if there are none.

    Args:
        model: Called with a signature's name and its inputs by name, returns
            outputs by name as NumPy arrays.
        cases: List of (signature name, inputs by name, outputs by name).
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
    """Yields what differs between two answers."""
    if sorted(got) != sorted(expected):
        yield f"outputs {sorted(got)}, not {sorted(expected)}"
        return
    if _is_ranking(got) and _is_ranking(expected):
        got, expected = _by_name(got), _by_name(expected)
    for key in expected:
        problem = _difference(got[key], expected[key])
        if problem:
            yield f"`{key}` {problem}"


def _is_ranking(answer):
    """Returns whether an answer has all classes, with scores, best first."""
    classes, scores = answer.get("classes"), answer.get("scores")
    return (
        classes is not None
        and scores is not None
        and classes.shape == scores.shape
        and classes.ndim == 2
        and np.all(np.diff(scores) <= 0)
    )


def _by_name(answer):
    """Returns a ranking in the order of names.

    Which comes first of classes whose scores differ by less than the
    tolerance is nobody's promise.
    """
    order = np.argsort(answer["classes"], axis=1)
    return answer | {
        key: np.take_along_axis(answer[key], order, axis=1)
        for key in ("classes", "scores")
    }


def _difference(got, expected):
    """Says how an answer differs from the model in memory, or nothing."""
    if got.shape != expected.shape:
        return f"has the shape {got.shape}, not {expected.shape}"
    if expected.dtype.kind != "f":
        if got.tolist() != expected.tolist():
            return "differs from the model in memory"
        return None
    is_finite = np.isfinite(got).all() and np.isfinite(expected).all()
    with np.errstate(invalid="ignore"):  # Infinity less infinity.
        errors = np.abs(got - expected)
    largest = np.abs(expected).max(axis=-1, keepdims=True, initial=1.0)
    if not is_finite or np.any(errors > TOLERANCE * largest):
        return f"differs by {errors.max()} from the model in memory"
    return None
