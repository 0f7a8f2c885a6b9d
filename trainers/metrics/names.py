"""Names of the metrics by which a best epoch can be chosen.

Apart from `classification`, which computes them, since flags are checked before
anything slow is imported.
"""

# Of the whole split.
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

# Of one class: `per_class/CLASS/METRIC`.
PER_CLASS_METRICS = ("precision", "recall", "f1", "roc_auc", "pr_auc")


def of_class(name):
    """Returns `(CLASS, METRIC)` of per_class/CLASS/METRIC, else `None`.

    The class may contain `/`; neither is looked at.
    """
    prefix, _, rest = name.partition("/")
    class_name, slash, metric = rest.rpartition("/")
    return (class_name, metric) if prefix == "per_class" and slash else None


def is_metric(name):
    """Returns whether a name is one of these, with any class in it."""
    class_name, metric = of_class(name) or ("", "")
    is_of_class = class_name != "" and metric in PER_CLASS_METRICS
    return name in METRICS or is_of_class
