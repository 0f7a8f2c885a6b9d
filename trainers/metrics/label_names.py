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

PER_LABEL = names.PartMetrics(
    "per_label", "label", (*_SCORES, "average_precision")
)

# Metrics that are better if they are lower.
LOWER_IS_BETTER = ("loss", "hamming_loss")

# Metrics that need an example with a label.
OF_LABELS_THERE = (
    *(f"macro_{score}" for score in _SCORES),
    *(f"weighted_{score}" for score in _SCORES),
    "map",
)
