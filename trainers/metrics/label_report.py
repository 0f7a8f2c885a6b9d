"""Writes the metrics of many labels an example as a table for the log."""

from trainers.metrics import report
from trainers.runtime import markdown

_COLUMNS = {
    "precision": "precision",
    "recall": "recall",
    "f1": "f1-score",
    "average_precision": "avg-prec",
    "threshold": "threshold",
    "support": "support",
}
_AVERAGES = ("micro", "macro", "weighted", "samples")
_OTHERS = ("lrap", "map", "hamming_loss", "subset_accuracy")


def text_report(metrics):
    """Returns a table in the layout of scikit-learn's `classification_report`.

    Args:
        metrics: dict. From `many_labels.metrics_of_batches`, or the same from
            `metrics.json`.
    """
    of_label, rows = (
        metrics["per_label"],
        report.table_rows(metrics, "per_label"),
    )
    is_cut = len(rows) < sum(x["support"] > 0 for x in of_label.values())
    names = [markdown.one_line(name) for name in rows]
    width = max(map(len, [*names, "subset_accuracy"]))
    lines = [report.row("", _COLUMNS.values(), width), ""]
    for place, (key, name) in enumerate(zip(rows, names, strict=True)):
        if is_cut and place == report.SHOWN:
            lines.append(f"{'...':>{width}}")
        numbers = [of_label[key][column] for column in _COLUMNS]
        lines.append(report.row(name, numbers, width))
    lines.append("")
    for average in _AVERAGES:
        numbers = [
            metrics[f"{average}_{x}"] for x in ("precision", "recall", "f1")
        ]
        lines.append(report.row(f"{average} avg", numbers, width))
    lines += [report.row(name, [metrics[name]], width) for name in _OTHERS]
    return "\n".join([*lines, *_notes(metrics, len(rows), is_cut)]) + "\n"


def _notes(metrics, num_rows, is_cut):
    """Yields what is left out of the table, and what the thresholds are."""
    num_labels = len(metrics["per_label"])
    if num_rows < num_labels:
        words = "the lowest and the highest F1" if is_cut else "examples"
        yield (
            f"The table has the labels with {words}. "
            f"{num_labels - num_rows:,} of {num_labels:,} labels are left out. "
            "`per_label` in metrics.json, and in what `evaluate` prints, has "
            "all of them."
        )
    if metrics["thresholds_of"] == "this split":
        yield (
            "The thresholds were chosen on these examples, so these numbers "
            "are better than those of other examples."
        )
