"""Draws pictures of predicted numbers."""

import numpy as np

from trainers.metrics import drawing


def predicted_by_true(metrics):
    """Draws how many examples have each target and prediction.

    Args:
        metrics: dict from `regression.metrics_of`.

    Returns:
        uint8[height, width, 3]. Red, green and blue from 0 to 255.
    """
    figure, axes = drawing.figure_of((5.5, 5))
    edges = np.array(metrics["predicted_by_true"]["edges"])
    counts = np.array(metrics["predicted_by_true"]["counts"], np.float64)
    # Cells without examples are white.
    shown = np.ma.masked_equal(counts.T, 0)
    mesh = axes.pcolormesh(edges, edges, shown, cmap="viridis_r")
    axes.plot(edges[[0, -1]], edges[[0, -1]], color="black", linewidth=0.8)
    axes.set_aspect("equal")
    axes.set_xlabel("true")
    axes.set_ylabel("predicted")
    axes.set_title(_words(metrics))
    figure.colorbar(mesh, ax=axes, label="examples")
    return drawing.pixels(figure)


def residuals(metrics):
    """Draws how often predictions are too low and too high.

    Args:
        metrics: dict from `regression.metrics_of`.

    Returns:
        uint8[height, width, 3]. Red, green and blue from 0 to 255.
    """
    figure, axes = drawing.figure_of((6, 4))
    found = metrics["residuals"]
    axes.stairs(found["counts"], found["edges"], fill=True, color="#6f8edb")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel("predicted - true")
    axes.set_ylabel("examples")
    axes.set_title(_words(metrics))
    return drawing.pixels(figure)


def _words(metrics):
    names = {"mae": "MAE", "r2": "R²", "pearson": "Pearson"}
    return ", ".join(
        f"{name} {metrics[key]:.4g}"
        for key, name in names.items()
        if metrics[key] is not None
    )
