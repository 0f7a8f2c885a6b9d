"""Names the metrics of many labels an example that can choose the best epoch.

Flags are checked before `many_labels`, which computes the metrics, is imported.
"""

from trainers.metrics import names

_SCORES = ("precision", "recall", "f1")

# Metrics of the whole split.
METRICS = (
    "loss",
    *(
        f"{average}_{score}"
        for average in ("micro", "macro", "weighted", "samples")
        for score in _SCORES
    ),
    "hamming_loss",
    "subset_accuracy",
    "lrap",
    "map",
)

# Metrics of one label: `per_label/NAME/METRIC`.
PER_LABEL_METRICS = (*_SCORES, "average_precision")

# Metrics that are better if they are lower.
LOWER_IS_BETTER = ("loss", "hamming_loss")

# Metrics that need an example with a label.
OF_LABELS_THERE = (
    *(f"macro_{score}" for score in _SCORES),
    *(f"weighted_{score}" for score in _SCORES),
    "map",
)


def of_label(name):
    """Splits `per_label/NAME/METRIC`.

    Args:
        name: str. NAME may contain `/`.

    Returns:
        `(NAME, METRIC)`, not checked, or `None` if the name has another form.
    """
    return names.of_one(name, "per_label")


def is_metric(name):
    """Returns whether a name is a metric; any name of a label is accepted.

    Args:
        name: str. Such as `loss` or `per_label/sport/f1`.
    """
    label, metric = of_label(name) or ("", "")
    is_of_label = label != "" and metric in PER_LABEL_METRICS
    return name in METRICS or is_of_label
