"""Draws pictures of metrics."""

import io

import numpy as np


def confusion_matrix(matrix, class_names):
    """Draws a confusion matrix with its counts.

    Args:
        matrix: int[num_classes, num_classes]. One row for each true label.
        class_names: List of str. Names in label order.

    Returns:
        uint8[height, width, 3]. Red, green and blue from 0 to 255.
    """
    # Not pyplot: its global state grows with each figure of a long run.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.image import imread

    matrix = np.asarray(matrix)
    size = min(3 + 0.45 * len(class_names), 20)
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.add_subplot()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    # Beyond 120 classes names would overlap: show every second, third, ...
    ticks = range(0, len(class_names), -(-len(class_names) // 120))
    names = [_shorten(class_names[tick]) for tick in ticks]
    # No math: `$` in a name is an ordinary character.
    axes.set_xticks(ticks, names, rotation=90, parse_math=False)
    axes.set_yticks(ticks, names, parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(class_names) <= 30:  # With more, digits do not fit into the cells.
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
    png = io.BytesIO()
    FigureCanvasAgg(figure).print_png(png)
    png.seek(0)
    return (imread(png)[..., :3] * 255).astype(np.uint8)


def _shorten(name):
    """Returns a name of at most 24 characters, to leave room for the cells."""
    return name if len(name) <= 24 else f"{name[:23]}…"
