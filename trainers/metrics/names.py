"""Names the metrics that can choose the best epoch.

The names are apart from `classification`, which computes the metrics: flags are
checked before anything slow is imported.
"""

# Metrics of the whole split.
METRICS = (
    "loss",
    "accuracy",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "micro_precision",
    "micro_recall",
    "micro_f1",
    "weighted_precision",
    "weighted_recall",
    "weighted_f1",
    "roc_auc",
    "pr_auc",
)

# Metrics of one class: `per_class/CLASS/METRIC`.
PER_CLASS_METRICS = ("precision", "recall", "f1", "roc_auc", "pr_auc")

# Metrics that compare a class with the rest, and need examples of both.
RANKINGS = ("roc_auc", "pr_auc")


def of_class(name):
    """Splits `per_class/CLASS/METRIC`.

    Args:
        name: str. CLASS may contain `/`.

    Returns:
        `(CLASS, METRIC)`, not checked, or `None` if the name has another form.
    """
    return of_one(name, "per_class")


def of_one(name, prefix):
    """Splits `PREFIX/NAME/METRIC`.

    Args:
        name: str. NAME may contain `/`.
        prefix: str. PREFIX.

    Returns:
        `(NAME, METRIC)`, not checked, or `None` if the name has another form.

    >>> of_one("per_label/and/or/f1", "per_label")
    ('and/or', 'f1')
    """
    found, _, rest = name.partition("/")
    one, slash, metric = rest.rpartition("/")
    return (one, metric) if found == prefix and slash else None


def is_metric(name):
    """Returns whether a name is a metric; any class name is accepted.

    Args:
        name: str. Such as `loss` or `per_class/spam/f1`.
    """
    class_name, metric = of_class(name) or ("", "")
    is_of_class = class_name != "" and metric in PER_CLASS_METRICS
    return name in METRICS or is_of_class
