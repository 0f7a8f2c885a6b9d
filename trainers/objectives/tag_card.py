"""Texts and tables of the model card, for a tag for each token."""

from trainers.metrics import report
from trainers.objectives import tag_metrics
from trainers.runtime import markdown

# Names in a sentence of a model card.
_SHOWN = 10
_KIND_WORDS = {
    "entity": "words, strict",
    "lenient": "words, lenient",
    "span": "tokens, as served",
}


def purpose(what, names, is_plain):
    """Returns what a model does, for the model card.

    Args:
        what: str. The inputs in words, for example "texts".
        names: List of str. Types of entities, or plain tags.
        is_plain: bool. Whether the tags mark no entities.
    """
    words = ", ".join(map(markdown.code, names[:_SHOWN]))
    if len(names) > _SHOWN:
        words += ", ... (the manifest of the version names all of them)"
    if is_plain:
        return f"Gives each token of {what} one of {len(names):,} tags: {words}"
    return f"Finds entities of {len(names):,} types in {what}: {words}"


def quality(metrics, is_plain):
    """Returns the tables of metrics for the model card.

    Args:
        metrics: dict from `measure`.
        is_plain: bool.
    """
    of_class, rows = metrics["per_class"], report.table_rows(metrics)
    title = "tag" if is_plain else "type"
    if len(rows) < len(of_class):
        title += f", lowest and highest F1 of {len(of_class):,}"
    tables = [
        (
            ["word accuracy", "token accuracy", "macro F1", "log loss"],
            [
                [
                    metrics[name]
                    for name in (
                        "word_accuracy",
                        "token_accuracy",
                        "macro_f1",
                        "loss",
                    )
                ]
            ],
        ),
        (
            [title, "precision", "recall", "F1", "number"],
            [
                [
                    name,
                    *(of_class[name][s] for s in tag_metrics.SCORES),
                    of_class[name]["support"],
                ]
                for name in rows
            ],
        ),
    ]
    if is_plain:
        return tables
    kinds = (
        ["entities of", "precision", "recall", "F1"],
        [
            [words, *(metrics[f"{kind}_{s}"] for s in tag_metrics.SCORES)]
            for kind, words in _KIND_WORDS.items()
        ],
    )
    return [kinds, *tables]


def limits(split, metrics, is_plain):
    """Returns what users of a model must know, for the model card.

    Args:
        split: str. Name of the split that was measured, or `None`.
        metrics: dict from `measure`, or `None`.
        is_plain: bool.
    """
    lines = ["The calibration of the probabilities was not measured."]
    if is_plain:
        lines.append("Each token gets one tag, also where none of them fits.")
    else:
        lines.append(
            "Entities do not overlap, and begin and end at the borders of "
            "BERT's tokens: white space, punctuation, Chinese characters."
        )
    if metrics:
        of_class = metrics["per_class"]
        words = [
            f"{markdown.code(x)} (F1 {of_class[x]['f1']:.4f})"
            for x in report.by_f1(metrics)[:3]
        ]
        if words:
            lines.append(f"Weakest on the split {split}: {', '.join(words)}.")
        missing = [x for x in of_class if not of_class[x]["support"]]
        if missing:
            shown = ", ".join(map(markdown.code, missing[:_SHOWN]))
            more = ", ..." if len(missing) > _SHOWN else ""
            lines.append(
                f"Not measured, because the split {split} has no example: "
                f"{shown}{more} ({len(missing):,} in all)."
            )
    return lines
