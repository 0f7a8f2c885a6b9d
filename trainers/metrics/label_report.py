"""Writes the metrics of many labels an example as a table for the log."""

from trainers.metrics import report
from trainers.runtime import markdown

# With more labels, the table has the worst and the best of them.
MOST_ROWS = report.MOST_ROWS
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
    of_label, rows = metrics["per_label"], table_rows(metrics)
    is_cut = len(rows) < sum(x["support"] > 0 for x in of_label.values())
    names = [markdown.one_line(name) for name in rows]
    width = max(map(len, [*names, "subset_accuracy"]))
    lines = [_row("", _COLUMNS.values(), width), ""]
    for place, (row, name) in enumerate(zip(rows, names, strict=True)):
        if is_cut and place == report.SHOWN:
            lines.append(f"{'...':>{width}}")
        numbers = [of_label[row][key] for key in _COLUMNS]
        lines.append(_row(name, numbers, width))
    lines.append("")
    for average in _AVERAGES:
        numbers = [
            metrics[f"{average}_{x}"] for x in ("precision", "recall", "f1")
        ]
        lines.append(_row(f"{average} avg", numbers, width))
    lines += [_row(name, [metrics[name]], width) for name in _OTHERS]
    return "\n".join([*lines, *_notes(metrics, len(rows), is_cut)]) + "\n"


def table_rows(metrics):
    """Returns the labels of a table: up to 50 all, else worst and best 20.

    Args:
        metrics: dict. As for `text_report`.

    Returns:
        List of str. All labels in their order, or those with the lowest F1 and
        then those with the highest, of the labels that some example has.
    """
    if len(metrics["per_label"]) <= MOST_ROWS:
        return list(metrics["per_label"])
    return report.ends(by_f1(metrics))


def by_f1(metrics):
    """Returns the labels that some example has, the lowest F1 first.

    Args:
        metrics: dict. As for `text_report`.
    """
    of_label = metrics["per_label"]
    measured = [name for name, x in of_label.items() if x["support"]]
    return sorted(measured, key=lambda name: of_label[name]["f1"])


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


def _row(name, cells, width):
    words = (
        f"{x:9.4f}" if isinstance(x, float) else f"{'-' if x is None else x:>9}"
        for x in cells
    )
    return f"{name:>{width}}  {' '.join(words)}"
