"""From an empty figure to the pixels of a picture."""

import io

import numpy as np

from trainers.metrics import fonts


def figure_of(size):
    """Returns a figure with one pair of axes.

    Args:
        size: Pair of float. Width and height in inches.

    Returns:
        `(figure, axes)` of matplotlib.
    """
    # Not pyplot: its global state grows with each figure of a long run.
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.add_subplot()


def pixels(figure):
    """Draws a figure.

    Args:
        figure: From `figure_of`.

    Returns:
        uint8[height, width, 3]. Red, green and blue from 0 to 255.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.image import imread

    png = io.BytesIO()
    with fonts.quiet():
        FigureCanvasAgg(figure).print_png(png)
    png.seek(0)
    return (imread(png)[..., :3] * 255).astype(np.uint8)
