"""The metrics of tagged texts as a table for the log, and as a picture."""

from trainers.metrics import drawing
from trainers.metrics import fonts
from trainers.metrics import report
from trainers.objectives import tag_metrics
from trainers.runtime import markdown

_HEADER = ("precision", "recall", "f1-score", "support")
_NAMES = {
    "entity": "micro avg",
    "lenient": "lenient",
    "span": "of tokens",
}


def text_report(metrics, is_plain):
    """Returns a table in the layout of seqeval's `classification_report`.

    Args:
        metrics: dict. From `tag_metrics.measure`.
        is_plain: bool. Whether the tags mark no entities.
    """
    rows = report.table_rows(metrics)
    per_class = metrics["per_class"]
    names = [markdown.one_line(name) for name in rows]
    width = max(map(len, [*names, "token accuracy"]))
    support = sum(x["support"] for x in per_class.values())
    lines = [report.row("", _HEADER, width), ""]
    is_cut = len(rows) < sum(x["support"] > 0 for x in per_class.values())
    for place, (row, name) in enumerate(zip(rows, names, strict=True)):
        if is_cut and place == report.SHOWN:
            lines.append(f"{'...':>{width}}")
        numbers = per_class[row]
        cells = [*(numbers[s] for s in tag_metrics.SCORES), numbers["support"]]
        lines.append(report.row(name, cells, width))
    lines.append("")
    averages = {} if is_plain else {"entity": _NAMES["entity"]}
    averages |= {"macro": "macro avg", "weighted": "weighted avg"}
    if not is_plain:
        averages |= {kind: _NAMES[kind] for kind in tag_metrics.KINDS[1:]}
    for prefix, name in averages.items():
        cells = [metrics[f"{prefix}_{s}"] for s in tag_metrics.SCORES]
        lines.append(report.row(name, [*cells, support], width))
    for name, count in (("word", "num_words"), ("token", "num_tokens")):
        accuracy = metrics[f"{name}_accuracy"]
        cells = ("", "", accuracy, metrics[count])
        lines.append(report.row(f"{name} accuracy", cells, width))
    if len(rows) < len(per_class):
        lines.append(
            "The table has those with the lowest and the highest F1. "
            f"{len(per_class) - len(rows):,} of {len(per_class):,} are left "
            "out. `per_class` in metrics.json has all of them."
        )
    return "\n".join(lines) + "\n"


def picture(metrics):
    """Draws the F1 of each type or tag as a bar.

    Args:
        metrics: dict. From `tag_metrics.measure`.

    Returns:
        uint8[height, width, 3]. Red, green and blue from 0 to 255.
    """
    per_class = metrics["per_class"]
    names = report.table_rows(metrics)
    figure, axes = drawing.figure_of((7, 1.2 + 0.3 * len(names)))
    scores = [per_class[name]["f1"] for name in names]
    axes.barh(range(len(names)), scores, color="tab:blue")
    all_labels, families = fonts.drawable(tuple(per_class))
    label_of = dict(zip(per_class, all_labels, strict=True))
    axes.set_yticks(
        range(len(names)),
        [label_of[name] for name in names],
        parse_math=False,
        fontfamily=families,
    )
    for row, name in enumerate(names):
        numbers = per_class[name]
        axes.text(
            min(scores[row], 0.8) + 0.01,
            row,
            f"{numbers['f1']:.3f} of {numbers['support']:,}",
            va="center",
            fontsize=8,
        )
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("F1")
    return drawing.pixels(figure)
