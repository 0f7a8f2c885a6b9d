"""Names the metrics that can choose the best epoch.

The names are apart from the modules that compute the metrics: flags are checked
before anything slow is imported.
"""

import dataclasses

# Metrics of the whole split, for one label an example.
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

# Metrics that compare a class with the rest, and need examples of both.
RANKINGS = ("roc_auc", "pr_auc")


@dataclasses.dataclass(frozen=True)
class PartMetrics:
    """Metrics of one class, label, type or tag of the data: `KEY/NAME/METRIC`.

    >>> PER_CLASS.split("per_class/and/or/f1")
    ('and/or', 'f1')
    >>> metrics = {"per_class": {"and/or": {"f1": 0.5}}}
    >>> PER_CLASS.scalar(metrics, "per_class/and/or/f1")
    0.5

    Attributes:
        key: str. The key of `metrics.json` that has a dict for each name.
        what: str. What has a name, such as `class`.
        metrics: Tuple of str.
    """

    key: str
    what: str
    metrics: tuple

    def split(self, name):
        """Returns NAME and METRIC of a name of this form, or `None`.

        Args:
            name: str. NAME may contain `/`.
        """
        found, _, rest = name.partition("/")
        part, _, metric = rest.rpartition("/")
        is_one = found == self.key and part and metric in self.metrics
        return (part, metric) if is_one else None

    def words(self):
        """Returns the form in words."""
        return f"{self.key}/NAME/METRIC with one of {', '.join(self.metrics)}"

    def scalar(self, metrics, name):
        """Returns one number of a result, of a part or of the whole split.

        Args:
            metrics: dict, as in `metrics.json`.
            name: str.

        Returns:
            float, or `None` if the metric is undefined.
        """
        if found := self.split(name):
            part, metric = found
            return metrics[self.key][part][metric]
        return metrics[name]


PER_CLASS = PartMetrics(
    "per_class", "class", ("precision", "recall", "f1", *RANKINGS)
)
