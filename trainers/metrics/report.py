"""Writes the metrics of a classification as a table for the log."""

from trainers.runtime import markdown

# With more classes, the table has the worst and the best of them.
MOST_ROWS = 50
SHOWN = 20
_SCORES = ("precision", "recall", "f1")
_HEADER = ("precision", "recall", "f1-score", "support")


def text_report(metrics):
    """Returns a table in the layout of scikit-learn's `classification_report`.

    All numbers are those of the metrics. scikit-learn averages over the same
    classes if its argument `labels` is `None`.

    Args:
        metrics: dict. From `classification.metrics_of_batches`, or the same
            from `metrics.json`.
    """
    per_class, count = metrics["per_class"], metrics["num_examples"]
    rows = table_rows(metrics)
    # Whether rows with examples are left out between these.
    is_cut = len(rows) < sum(x["support"] > 0 for x in per_class.values())
    names = [markdown.one_line(name) for name in rows]
    width = max(map(len, [*names, "weighted avg"]))
    lines = [row("", _HEADER, width), ""]
    for place, (key, name) in enumerate(zip(rows, names, strict=True)):
        if is_cut and place == SHOWN:
            lines.append(f"{'...':>{width}}")
        numbers = per_class[key]
        lines.append(row(name, [*_of(numbers), numbers["support"]], width))
    accuracy = ("", "", metrics["accuracy"], count)
    lines += ["", row("accuracy", accuracy, width)]
    for average in ("macro", "weighted"):
        numbers = [*_of(metrics, f"{average}_"), count]
        lines.append(row(f"{average} avg", numbers, width))
    return "\n".join([*lines, *_notes(metrics, len(rows), is_cut)]) + "\n"


def table_rows(metrics, key="per_class"):
    """Returns the classes of a table: up to 50 all, else worst and best 20.

    Args:
        metrics: dict. As for `text_report`, or of labels.
        key: str. Where the metrics have `f1` and `support` of each class.

    Returns:
        List of str. All classes in label order, or those with the lowest F1
        and then those with the highest, of the classes with examples.
    """
    if len(metrics[key]) <= MOST_ROWS:
        return list(metrics[key])
    return ends(by_f1(metrics, key))


def ends(ordered):
    """Returns a short list as it is, and the first and last 20 of a long one.

    Args:
        ordered: List.
    """
    if len(ordered) <= MOST_ROWS:
        return ordered
    return ordered[:SHOWN] + ordered[-SHOWN:]


def by_f1(metrics, key="per_class"):
    """Returns the classes with examples, the lowest F1 first.

    A class without examples was not measured. Equal ones are in label order.

    Args:
        metrics, key: As for `table_rows`.

    Returns:
        List of str.
    """
    numbers = metrics[key]
    measured = [name for name, x in numbers.items() if x["support"]]
    return sorted(measured, key=lambda name: numbers[name]["f1"])


def _notes(metrics, num_rows, is_cut):
    """Yields what is left out of the table and of the macro average."""
    num_classes = len(metrics["per_class"])
    if num_rows < num_classes:
        words = "the lowest and the highest F1" if is_cut else "examples"
        yield (
            f"The table has the classes with {words}. "
            f"{num_classes - num_rows:,} of {num_classes:,} classes are left "
            "out. `per_class` in metrics.json, and in what `evaluate` prints, "
            "has all of them."
        )
    cells = metrics["confusion_matrix"]
    labels = {name for name, row in cells.items() if row}
    num_averaged = len(labels.union(*cells.values()))
    if num_averaged < num_classes:
        yield (
            f"macro avg is over the {num_averaged:,} of {num_classes:,} "
            "classes that occur as label or as answer."
        )


def _of(numbers, prefix=""):
    return [numbers[f"{prefix}{score}"] for score in _SCORES]


def row(name, cells, width):
    """Returns a line of a table.

    Args:
        name: str. What the line is about.
        cells: Iterable of float, int, str and `None`, which is undefined.
        width: int. Letters of the column of names.
    """
    words = (
        f"{x:9.4f}" if isinstance(x, float) else f"{'-' if x is None else x:>9}"
        for x in cells
    )
    return f"{name:>{width}}  {' '.join(words)}"
