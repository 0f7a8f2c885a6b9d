"""Labelled examples in memory."""

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass
class Examples:
    """Examples of one split, in a fixed order.

    >>> import numpy as np
    >>> examples = Examples(
    ...     features={"image": np.zeros([2, 28, 28], np.uint8)},
    ...     labels=np.array([7, 1], np.int32),
    ...     where=lambda row: f"digits.npz, row {row}",
    ... )
    >>> len(examples), examples.where(1)
    (2, 'digits.npz, row 1')

    Attributes:
        features: Dict of arrays by name. Each array has one row for each
            example: `image: uint8[num_examples, height, width]`,
            `image: uint8[num_examples, height, width, 3]`,
            `text: object[num_examples]` or `token_ids: int32[num_examples,
            (tokens)]`, ragged.
        labels: int32[num_examples]. Positions in the list of class names.
            Before `checks` runs, the labels of the source in any type.
        where: Function from the number of a row to its file and place, for
            messages.
    """

    features: dict[str, np.ndarray]
    labels: np.ndarray
    where: Callable[[int], str]

    def __len__(self):
        """Returns the number of examples."""
        return len(self.labels)


def concatenate(parts):
    """Returns the examples of all parts in order.

    Args:
        parts: List of `Examples` with the same features; not empty.

    Returns:
        `Examples`.
    """
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
    """Labelled examples on disk, in named splits.

    >>> import numpy as np
    >>> def read(split, start, stop):
    ...     pixels = np.zeros([stop - start, 8, 8], np.uint8)
    ...     labels = np.zeros(stop - start, np.int32)
    ...     return Examples({"image": pixels}, labels, "row {}".format)
    >>> source = Source({"train": 100}, class_names=["cat", "dog"], read=read)
    >>> len(source.read("train", 90, 100))
    10

    Attributes:
        sizes: Dict from the name of a split to its number of examples.
        class_names: List of str. Class names in label order; `None` means that
            the labels are plain numbers.
        read: Function from (split, start, stop) to `Examples`. The order of
            the rows is fixed.
    """

    sizes: dict[str, int]
    class_names: list[str] | None
    read: Callable[[str, int, int], Examples]


@dataclasses.dataclass
class Splits:
    """The checked examples of a run.

    >>> import numpy as np
    >>> train = Examples(
    ...     {"image": np.zeros([2, 8, 8], np.uint8)},
    ...     np.array([0, 1], np.int32),
    ...     "row {}".format,
    ... )
    >>> splits = Splits(["cat", "dog"], train)
    >>> splits.class_names[splits.train.labels[1]], splits.test is None
    ('dog', True)

    Attributes:
        class_names: List of str. Class names in label order.
        train, validation, test: `Examples`. `None` means that the run has no
            such split; a run always has `train`.
        report: Dict for `data_report.json`, see `report.make_report`.
    """

    class_names: list[str]
    train: Examples
    validation: Examples | None = None
    test: Examples | None = None
    report: dict = dataclasses.field(default_factory=dict)
