"""Labelled examples in memory."""

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass
class Examples:
    """Examples of one split, in a fixed order.

    Attributes:
        features: Arrays by name, all with one row an example:
            `image: uint8[num_examples, height, width]` or `[..., 3]`.
        labels: `int32[num_examples]`, positions in the list of class names;
            fresh from a source still whatever the files hold.
        where: Tells file and place of a row, for messages.
    """

    features: dict[str, np.ndarray]
    labels: np.ndarray
    where: Callable[[int], str]

    def __len__(self):
        """Returns the number of examples."""
        return len(self.labels)


def concatenate(parts):
    """Returns the examples of all parts in order."""
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *map(len, parts)])

    def where(row):
        part = int(np.searchsorted(starts, row, side="right")) - 1
        return parts[part].where(row - int(starts[part]))

    return Examples(
        {
            name: np.concatenate([part.features[name] for part in parts])
            for name in parts[0].features
        },
        np.concatenate([part.labels for part in parts]),
        where,
    )


@dataclasses.dataclass
class Source:
    """Named splits of labelled examples.

    Attributes:
        sizes: Number of examples of each split.
        class_names: Names in label order, or `None` where labels are just
            numbers.
        read: `(split, start, stop) -> Examples`, rows in a fixed order.
    """

    sizes: dict[str, int]
    class_names: list[str] | None
    read: Callable[[str, int, int], Examples]


@dataclasses.dataclass
class Splits:
    """Checked examples of a run.

    Attributes:
        class_names: Names in label order.
        train, validation, test: `Examples`; the last two may be `None`.
        report: Dict for `data_report.json`, see `report.make_report`.
    """

    class_names: list[str]
    train: Examples
    validation: Examples | None = None
    test: Examples | None = None
    report: dict = dataclasses.field(default_factory=dict)
