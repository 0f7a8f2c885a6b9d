"""Texts and tables of the model card, for one class an example."""

from trainers.metrics import report
from trainers.runtime import markdown

# What the table of a model card shows, of a split and of a class.
_OVERALL = ("accuracy", "macro_f1", "roc_auc", "pr_auc", "loss")
_OF_CLASS = ("precision", "recall", "f1", "support")
# Names in a sentence of a model card.
_SHOWN = 10


def purpose(what, names):
    """Returns what a model does, for the model card.

    Args:
        what: str. The inputs in words, for example "texts".
        names: List of str. Class names in label order.
    """
    is_long = len(names) > report.MOST_ROWS
    shown = names[:_SHOWN] if is_long else names
    words = ", ".join(map(markdown.code, shown))
    if is_long:
        words += ", ... (the manifest of the version names all of them)"
    return f"Classifies {what} into {len(names):,} classes: {words}"


def quality(metrics):
    """Returns the tables of metrics for the model card.

    Args:
        metrics: dict from `measure`.
    """
    of_class = metrics["per_class"]
    names = report.table_rows(metrics)
    title = "class"
    if len(names) < len(of_class):
        title = f"class, lowest and highest F1 of {len(of_class):,}"
    return [
        (
            ["accuracy", "macro F1", "ROC-AUC", "PR-AUC", "log loss"],
            [[metrics[key] for key in _OVERALL]],
        ),
        (
            [title, "precision", "recall", "F1", "examples"],
            [
                [name, *(of_class[name][key] for key in _OF_CLASS)]
                for name in names
            ],
        ),
    ]


def limits(split, metrics, names):
    """Returns what users of a model must know, for the model card.

    Args:
        split: str. Name of the split that was measured, or `None`.
        metrics: dict from `measure`, or `None`.
        names: List of str. Class names in label order.
    """
    lines = [
        f"The model answers every input with one of its {len(names):,} "
        "classes. It cannot answer that none of them fits.",
        "The calibration of the probabilities was not measured.",
    ]
    if metrics:
        words = [
            f"{markdown.code(x)} (F1 {metrics['per_class'][x]['f1']:.4f})"
            for x in report.by_f1(metrics)[:3]
        ]
        lines.append(
            f"Weakest classes on the split {split}: {', '.join(words)}."
        )
        lines += _unmeasured(split, metrics, names)
    return lines


def _unmeasured(split, metrics, names):
    """Yields which classes the split does not have."""
    of_class = metrics["per_class"]
    missing = [x for x in names if not of_class[x]["support"]]
    if missing:
        words = ", ".join(map(markdown.code, missing[:_SHOWN]))
        more = ", ..." if len(missing) > _SHOWN else ""
        yield (
            f"Not measured, because the split {split} has no example: "
            f"{words}{more} ({len(missing):,} classes)."
        )
