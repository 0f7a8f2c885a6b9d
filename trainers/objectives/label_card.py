"""Texts and tables of the model card, for many labels an example."""

from trainers.errors import first_of
from trainers.metrics import report
from trainers.metrics import thresholds
from trainers.objectives import label_sets
from trainers.objectives import labels
from trainers.runtime import markdown

_OVERALL = {
    "micro F1": "micro_f1",
    "macro F1": "macro_f1",
    "weighted F1": "weighted_f1",
    "samples F1": "samples_f1",
    "LRAP": "lrap",
    "mAP": "map",
    "hamming loss": "hamming_loss",
    "all labels right": "subset_accuracy",
    "log loss": "loss",
}
_OF_LABEL = {
    "precision": "precision",
    "recall": "recall",
    "F1": "f1",
    "average precision": "average_precision",
    "threshold": "threshold",
    "examples": "support",
}
# Names in a sentence.
_SHOWN = 10
# Texts that are often between labels.
_SEPARATORS = (";", ",", "|")


def counts(targets, names):
    """Returns facts about the labels of a split, for `data_report.json`.

    Args:
        targets: 0 and 1, uint8[num_examples, num_labels].
        names: List of str. The labels.

    Returns:
        Dict of `examples_by_class`, a dict by label, `without_labels`, a number
        of examples, and `labels_per_example`, their mean.
    """
    found = label_sets.count(targets).tolist()
    return {
        "examples_by_class": dict(zip(names, found, strict=True)),
        "without_labels": int((~targets.any(axis=1)).sum()),
        "labels_per_example": float(targets.sum(axis=1).mean()),
    }


def warnings(name, facts):
    """Yields, in words, what is suspicious about the labels of a split.

    Args:
        name: str. Name of the split.
        facts: dict. From `counts`, and `examples`, the number of examples.
    """
    found = facts["examples_by_class"]
    yield from labels.without_examples(name, found, "labels")
    few = [x for x, n in found.items() if 0 < n < thresholds.FEWEST]
    if few and name == "validation":
        yield (
            f"split validation: fewer than {thresholds.FEWEST} examples with "
            f"{len(few)} of {len(found)} labels: {first_of(few)}. Their number "
            "is too small for a threshold of their own. The threshold is the "
            "one with the largest micro F1 of all labels."
        )
    always = [x for x, n in found.items() if n == facts["examples"]]
    if always and name == "train":
        yield (
            "split train: every example has these labels, so nothing can be "
            f"learned about them: {first_of(always)}."
        )
    if name == "train":
        yield from _joined(found)


def _joined(names):
    """Yields a warning about labels that are several labels, such as `a,b`."""
    for separator in _SEPARATORS:
        joined = [
            name
            for name in names
            if len(parts := name.split(separator)) > 1
            and all(part.strip() in names for part in parts)
        ]
        if joined:
            yield (
                f"{len(joined)} labels consist of other labels with "
                f"{separator!r} between them, such as {joined[0]!r}. If these "
                "are several labels, set "
                f"--config.task.label_separator={separator!r}."
            )


def purpose(what, names):
    """Returns what a model does, for the model card.

    Args:
        what: str. The inputs in words, for example "texts".
        names: List of str. The labels.
    """
    is_long = len(names) > report.MOST_ROWS
    shown = names[:_SHOWN] if is_long else names
    words = ", ".join(map(markdown.code, shown))
    if is_long:
        words += ", ... (the manifest of the version names all of them)"
    return f"Finds which of {len(names):,} labels {what} have: {words}"


def quality(metrics):
    """Returns the tables of metrics for the model card.

    Args:
        metrics: dict from `measure`.
    """
    of_label = metrics["per_label"]
    names = report.table_rows(metrics, "per_label")
    title = "label"
    if len(names) < len(of_label):
        title = f"label, lowest and highest F1 of {len(of_label):,}"
    return [
        (list(_OVERALL), [[metrics[key] for key in _OVERALL.values()]]),
        (
            [title, *_OF_LABEL],
            [
                [name, *(of_label[name][key] for key in _OF_LABEL.values())]
                for name in names
            ],
        ),
    ]


def limits(split, metrics):
    """Returns what users of a model must know, for the model card.

    Args:
        split: str. Name of the split that was measured, or `None`.
        metrics: dict from `measure`, or `None`.
    """
    lines = [
        "An answer can have no label. A label is in the answer if its "
        "probability reaches the threshold of the label, which is in the "
        "graph.",
        "The calibration of the probabilities was not measured.",
    ]
    if not metrics:
        return lines
    of_label = metrics["per_label"]
    if metrics["thresholds_of"] == "this split":
        lines.append(
            f"The thresholds were chosen on the split {split}, so its numbers "
            "are too good."
        )
    words = [
        f"{markdown.code(x)} (F1 {of_label[x]['f1']:.4f})"
        for x in report.by_f1(metrics, "per_label")[:3]
    ]
    if words:
        lines.append(
            f"Weakest labels on the split {split}: {', '.join(words)}."
        )
    missing = [x for x, numbers in of_label.items() if not numbers["support"]]
    if missing:
        words = ", ".join(map(markdown.code, missing[:_SHOWN]))
        more = ", ..." if len(missing) > _SHOWN else ""
        lines.append(
            f"Not measured, because the split {split} has no example: "
            f"{words}{more} ({len(missing):,} labels)."
        )
    return lines
