"""Chooses the threshold of each label, from which a model answers with it.

A threshold is a probability. Scores are compared as logits in float32, in the
evaluation and in exports, because sigmoids of two libraries differ in the last
bit.
"""

import dataclasses

import numpy as np

DEFAULT = 0.5
# A label with fewer examples gets the threshold of all labels: the best
# threshold of four examples says little about other examples.
FEWEST = 5
# Thresholds that all labels can share.
GRID = np.arange(1, 100) / 100
# A threshold is not nearer to 0 or 1, because its logit must be finite.
_NEAREST = 1e-9


@dataclasses.dataclass(frozen=True)
class Curve:
    """What one label needs to choose its threshold, and its ranking metric.

    Attributes:
        support: int. Number of examples with the label.
        average_precision: float; `None` without such an example.
        best: float. The threshold with the largest F1; `None` if there is none.
        hits: int64[99]. For each threshold of `GRID`, the examples with the
            label whose score reaches it.
        answered: int64[99]. The same, of all examples.
    """

    support: int
    average_precision: float | None
    best: float | None
    hits: np.ndarray
    answered: np.ndarray


def logits_of(thresholds):
    """Returns the smallest logits that reach thresholds.

    Args:
        thresholds: Sequence of float, above 0 and below 1.

    Returns:
        `float32[num_thresholds]`.

    >>> logits_of([0.5, 0.9]).tolist()
    [0.0, 2.1972246170043945]
    """
    p = np.asarray(thresholds, np.float64)
    return (np.log(p) - np.log1p(-p)).astype(np.float32)


def curve(truth, logits):
    """Returns the `Curve` of a label.

    Args:
        truth: bool[num_examples]. Whether an example has the label.
        logits: float32[num_examples]. All are finite.

    >>> found = curve(np.array([True, False]), np.array([1.0, -3.0], "f4"))
    >>> found.average_precision, found.best
    (1.0, 0.5)
    """
    order = np.argsort(-logits, kind="stable")
    scores, hits = logits[order], np.cumsum(truth[order])
    support = int(hits[-1])
    # Equal scores are answered together: only the last of them ends a cut.
    ends = np.flatnonzero(np.append(np.diff(scores) != 0, True))
    # How many scores reach each threshold of the grid.
    answered = np.searchsorted(-scores, -logits_of(GRID), side="right")
    hits_of_grid = np.append(0, hits)[answered]
    if not support:
        return Curve(0, None, None, hits_of_grid, answered)
    hits, sizes = hits[ends], ends + 1
    steps = np.diff(hits, prepend=0) / support
    f1 = 2 * hits / (sizes + support)
    return Curve(
        support,
        float(np.sum(steps * hits / sizes)),
        _best(f1, scores[ends]),
        hits_of_grid,
        answered,
    )


def _best(f1, scores):
    """Returns the threshold of the best cut, or `None` if none is usable.

    A threshold is between the lowest score that it answers and the next one.
    It is as near to 0.5 as possible, but a quarter of the gap away from both:
    a score that another machine rounds differently stays on its side. Of cuts
    with equal F1, that with the threshold nearest to 0.5 is the best.

    Args:
        f1: float64[num_cuts].
        scores: float32[num_cuts]. Lowest logit of each cut, falling.
    """
    high = 1 / (1 + np.exp(-scores.astype(np.float64)))
    low = np.append(high[1:], 0.0)
    low, high = (np.clip(x, _NEAREST, 1 - _NEAREST) for x in (low, high))
    f1 = np.where(high > low, f1, -1.0)
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    if f1.max() < 0:
        return None
    low, high = low[best], high[best]
    quarter = (high - low) / 4
    found = np.clip(DEFAULT, low + quarter, high - quarter)
    return float(found[np.argmin(abs(found - DEFAULT))])


def choose(curves):
    """Returns the threshold of each label.

    It is the one with the largest F1 of the label. A label with fewer than 5
    examples gets the one of `GRID` with the largest micro F1 of all labels.
    Without any example, it is 0.5.

    Args:
        curves: List of `Curve`, one for each label.

    Returns:
        List of float.
    """
    support = sum(curve.support for curve in curves)
    shared = DEFAULT
    if support:
        hits = np.sum([curve.hits for curve in curves], axis=0)
        answered = np.sum([curve.answered for curve in curves], axis=0)
        f1 = 2 * hits / (answered + support)
        best = GRID[f1 >= f1.max() - 1e-12]
        shared = float(best[np.argmin(abs(best - DEFAULT))])
    return [
        shared if c.support < FEWEST or c.best is None else c.best
        for c in curves
    ]
