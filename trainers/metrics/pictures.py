"""Draws pictures of metrics."""

import numpy as np

from trainers.metrics import drawing
from trainers.metrics import fonts
from trainers.runtime import markdown

# A cell of 250 classes is 7 pixels wide. With more classes, a picture shows
# those with the most mistakes; the counts of 30 fit into their cells.
_MOST_CLASSES = 250
_SHOWN = 30


def confusion_matrix(cells, class_names):
    """Draws a confusion matrix with its counts.

    If there are more than 250 classes, the picture shows the 30 classes with
    the most mistakes. The color of a cell is its share in all examples of the
    true class.

    Args:
        cells: Dict. From `classification.confusion_matrix`.
        class_names: List of str. Names in label order.

    Returns:
        uint8[height, width, 3]. Red, green and blue from 0 to 255.
    """
    shown = _shown(cells, class_names)
    names = [class_names[i] for i in shown]
    matrix = np.array(
        [[cells[true].get(answer, 0) for answer in names] for true in names]
    )
    totals = np.array([sum(cells[true].values()) for true in names])
    shares = matrix / np.maximum(totals, 1)[:, None]
    size = min(3 + 0.45 * len(names), 20)
    figure, axes = drawing.figure_of((size, size))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(shown) < len(class_names):
        axes.set_title(
            f"the {len(shown)} of {len(class_names):,} classes with the most "
            "mistakes"
        )
    all_labels, families = fonts.drawable(tuple(class_names))
    labels = [all_labels[i] for i in shown]
    # Beyond 120 classes names would overlap: show every second, third, ...
    ticks = range(0, len(labels), -(-len(labels) // 120))
    labels = [labels[tick] for tick in ticks]
    # No math: `$` in a name is an ordinary character.
    words = {"parse_math": False, "fontfamily": families}
    axes.set_xticks(ticks, labels, rotation=90, **words)
    axes.set_yticks(ticks, labels, **words)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(names) <= _SHOWN:  # With more, digits do not fit into the cells.
        for row, column in np.ndindex(matrix.shape):
            axes.text(
                column,
                row,
                str(matrix[row, column]),
                ha="center",
                va="center",
                fontsize=8,
                color="white" if shares[row, column] > 0.5 else "black",
            )
    return drawing.pixels(figure)


def legend(cells, class_names):
    """Returns the names of the classes that the picture shows as numbers.

    Args:
        cells, class_names: As for `confusion_matrix`.

    Returns:
        str, a table in Markdown; empty if the picture shows all names.
    """
    labels, _ = fonts.drawable(tuple(class_names))
    rows = [
        f"| {labels[i]} | {markdown.code(class_names[i])} |\n"
        for i in _shown(cells, class_names)
        if fonts.is_number(labels[i], i)
    ]
    return "".join(["| number | class |\n|---|---|\n", *rows]) if rows else ""


def _shown(cells, class_names):
    """Returns the positions of the classes in the picture, in label order."""
    if len(class_names) <= _MOST_CLASSES:
        return range(len(class_names))
    mistakes = dict.fromkeys(class_names, 0)
    for true, row in cells.items():
        for answer, count in row.items():
            if answer != true:
                mistakes[true] += count
                mistakes[answer] += count
    worst = sorted(
        range(len(class_names)), key=lambda i: -mistakes[class_names[i]]
    )
    return sorted(worst[:_SHOWN])
