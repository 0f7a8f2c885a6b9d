"""Draws the scores of many labels an example as bars."""

import numpy as np

from trainers.metrics import drawing
from trainers.metrics import fonts
from trainers.metrics import report
from trainers.runtime import markdown

# The picture is 24 inches high with so many labels. With more, it shows half
# of them: those with the lowest F1, and those with the highest.
_MOST_LABELS = 120


def draw(per_label):
    """Draws F1, precision and recall of each label, and its threshold.

    The labels with the lowest F1 are at the top. Labels that no example has
    are left out.

    Args:
        per_label: dict. From `many_labels.metrics_of_batches`.

    Returns:
        uint8[height, width, 3]. Red, green and blue from 0 to 255.
    """
    shown, num_measured = _shown(per_label)
    numbers = [per_label[name] for name in shown]
    all_labels, families = fonts.drawable(tuple(per_label))
    label_of = dict(zip(per_label, all_labels, strict=True))
    figure, axes = drawing.figure_of((9, 1.6 + 0.19 * len(shown)))
    places = np.arange(len(shown))
    axes.barh(places, [x["f1"] for x in numbers], color="#9ab8e8", label="F1")
    for key, mark, color in (
        ("precision", "|", "#1f4e9c"),
        ("recall", ".", "#c2571a"),
        ("threshold", "x", "#777777"),
    ):
        axes.plot(
            [x[key] for x in numbers],
            places,
            linestyle="none",
            marker=mark,
            color=color,
            markersize=6,
            label=key,
        )
    ticks = [
        f"{label_of[name]} ({x['support']:,})"
        for name, x in zip(shown, numbers, strict=True)
    ]
    # No math: `$` in a name is an ordinary character.
    axes.set_yticks(
        places, ticks, fontsize=8, parse_math=False, fontfamily=families
    )
    axes.set_ylim(max(len(shown), 1) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.xaxis.grid(True, alpha=0.3)
    axes.set_axisbelow(True)
    title = (
        f"{num_measured:,} of {len(per_label):,} labels have examples, their "
        "number is behind the name"
    )
    if len(shown) < num_measured:
        title += f"; the {len(shown) // 2} lowest and highest F1"
    axes.set_title(title, fontsize=9)
    figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    return drawing.pixels(figure)


def legend(per_label):
    """Returns the names of the labels that the picture shows as numbers.

    Args:
        per_label: As for `draw`.

    Returns:
        str, a table in Markdown; empty if the picture shows all names.
    """
    labels, _ = fonts.drawable(tuple(per_label))
    shown = {*_shown(per_label)[0]}
    rows = [
        f"| {label} | {markdown.code(name)} |\n"
        for number, (name, label) in enumerate(
            zip(per_label, labels, strict=True)
        )
        if name in shown and fonts.is_number(label, number)
    ]
    return "".join(["| number | label |\n|---|---|\n", *rows]) if rows else ""


def _shown(per_label):
    """Returns the labels of the picture, and how many have examples."""
    measured = report.by_f1({"per_label": per_label}, "per_label")
    if len(measured) <= _MOST_LABELS:
        return measured, len(measured)
    half = _MOST_LABELS // 2
    return measured[:half] + measured[-half:], len(measured)
