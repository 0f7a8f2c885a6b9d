"""Computes metrics of predicted numbers, and the counts of their pictures.

The formulas are those of scikit-learn and SciPy; the tests compare them. All
are computed in float64 on the host, from all examples, each counted once. A
metric that a split cannot have is `None`: R² and the correlations need two
different targets, and the correlations two different predictions.
"""

import numpy as np

# Metrics of the whole split that can select the best epoch.
METRICS = ("loss", "mse", "mae", "r2", "pearson", "spearman")
# Those that need two different targets.
_NEED_SPREAD = ("r2", "pearson", "spearman")
# Cells of a picture in each direction.
_NUM_BINS = 32


def metrics_of(targets, predicted):
    """Computes the metrics of a split, in the units of the targets.

    Args:
        targets: float64[num_examples].
        predicted: float64[num_examples].

    Returns:
        dict for `metrics.json`: `mse`, `mae`, `r2`, `pearson`, `spearman` (of
        mean ranks), all float or `None`; `num_examples`; `predicted_by_true`
        and `residuals`, see `grid` and `histogram`. If a prediction is not
        finite, all metrics are `None`.

    >>> found = metrics_of(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]))
    >>> round(found["mae"], 4), round(found["spearman"], 4)
    (0.3333, 1.0)
    """
    targets = np.asarray(targets, np.float64)
    predicted = np.asarray(predicted, np.float64)
    if not np.isfinite(predicted).all():
        # A run that diverged; its loss reports it.
        found = dict.fromkeys(METRICS[1:])
        return found | {
            "num_examples": len(targets),
            "predicted_by_true": None,
            "residuals": None,
        }
    errors = predicted - targets
    squares = float((errors**2).sum())
    return {
        "mse": squares / len(targets),
        "mae": float(np.abs(errors).mean()),
        "r2": _r2(targets, squares),
        "pearson": _correlation(targets, predicted),
        "spearman": _correlation(mean_ranks(targets), mean_ranks(predicted)),
        "num_examples": len(targets),
        "predicted_by_true": grid(targets, predicted),
        "residuals": histogram(errors),
    }


def is_better_low(name):
    """Returns whether lower values of a metric are better.

    Args:
        name: str. One of `METRICS`.
    """
    return name in ("loss", "mse", "mae")


def why_undefined(name, targets):
    """Returns why no model can have a metric on a split, or `None`.

    Args:
        name: str. One of `METRICS`.
        targets: float64[num_examples].

    Returns:
        str that follows the name of the split, or `None`.
    """
    if name in _NEED_SPREAD and _is_constant(targets):
        return f"has only targets of {float(targets[0])!r}"
    return None


def mean_ranks(values):
    """Returns the rank of each value, from 1. Equal values share the mean.

    Args:
        values: float64[num_examples].

    Returns:
        `float64[num_examples]`.

    >>> mean_ranks(np.array([5.0, 1.0, 5.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, group, counts = np.unique(
        values, return_inverse=True, return_counts=True
    )
    last = np.cumsum(counts)
    return ((last - counts + 1 + last) / 2)[group]


def grid(targets, predicted):
    """Counts examples by target and prediction, for a picture.

    Args:
        targets: float64[num_examples].
        predicted: float64[num_examples].

    Returns:
        Dict of `edges`, the borders of the cells in both directions, and
        `counts`, a list of lists: a row for each interval of targets, with a
        count for each interval of predictions.
    """
    both = np.concatenate([targets, predicted])
    edges = _edges(both.min(), both.max())
    counts, _, _ = np.histogram2d(targets, predicted, bins=(edges, edges))
    return {"edges": edges.tolist(), "counts": counts.astype(int).tolist()}


def histogram(errors):
    """Counts residuals, for a picture.

    Args:
        errors: float64[num_examples]. Predictions less targets.

    Returns:
        Dict of `edges`, the borders of the bars, and `counts`. The middle of
        the range is 0.
    """
    widest = np.abs(errors).max()
    edges = _edges(-widest, widest)
    counts, _ = np.histogram(errors, bins=edges)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _edges(low, high):
    """Returns rising borders that contain both numbers."""
    if low == high:
        # Half a unit, or enough that large numbers differ.
        half = max(0.5, abs(low) * 1e-6)
        low, high = low - half, high + half
    return np.linspace(low, high, _NUM_BINS + 1)


def _is_constant(values):
    return bool((values == values[0]).all())


def _r2(targets, squares):
    if _is_constant(targets):
        return None
    return 1 - squares / float(((targets - targets.mean()) ** 2).sum())


def _correlation(x, y):
    """Returns Pearson's correlation; `None` if one of both is constant."""
    if _is_constant(x) or _is_constant(y):
        return None
    x, y = x - x.mean(), y - y.mean()
    # Divided first: the product of the squares can overflow.
    found = (x / np.linalg.norm(x)) @ (y / np.linalg.norm(y))
    return float(np.clip(found, -1, 1))
