"""Words and tables for the log and the model card, for one number a row."""

from trainers.runtime import decimals

_NAMES = {
    "mae": "MAE",
    "mse": "MSE",
    "r2": "R²",
    "pearson": "Pearson",
    "spearman": "Spearman",
    "loss": "loss (standardized)",
}


def text_report(metrics):
    """Returns the metrics as a table for the log.

    Args:
        metrics: dict from `measure`.
    """
    width = max(map(len, _NAMES.values()))
    return "".join(
        f"{name:>{width}}  {_word(metrics[key])}\n"
        for key, name in _NAMES.items()
    )


def _word(value):
    return "undefined" if value is None else decimals.short(value)


def quality(metrics):
    """Returns the tables of metrics for the model card.

    Args:
        metrics: dict from `measure`.
    """
    return [(list(_NAMES.values()), [[metrics[key] for key in _NAMES]])]


def limits(split, metrics, state, is_clipped):
    """Returns what users of a model must know, for the model card.

    Args:
        split: str. Name of the split that was measured, or `None`.
        metrics: dict from `measure`, or `None`.
        state: Dict of `mean`, `deviation`, `minimum` and `maximum` of train.
        is_clipped: bool. Whether answers stay in the range of train.
    """
    low, high, mean, deviation = (
        f"{state[name]:.6g}"
        for name in ("minimum", "maximum", "mean", "deviation")
    )
    beyond = (
        "Answers stay in this range."
        if is_clipped
        else "Answers outside of this range are extrapolated."
    )
    lines = [
        f"The numbers of train are from {low} to {high}, with the mean {mean} "
        f"and the standard deviation {deviation}. {beyond}",
        "The model answers every input with a number. It does not say how "
        "certain the number is.",
    ]
    if metrics and metrics["mae"] is not None:
        lines.append(
            f"On the split {split}, answers are off by {metrics['mae']:.4g} on "
            "average."
        )
    return lines
