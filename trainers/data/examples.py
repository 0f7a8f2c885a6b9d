"""Examples in memory: inputs, what is learned, and where they come from."""

import dataclasses
import hashlib
from collections.abc import Callable

import numpy as np

from trainers.data import places as places_lib
from trainers.data.places import Places
from trainers.runtime import columns


@dataclasses.dataclass
class Examples:
    """Examples of one split, in a fixed order.

    >>> import numpy as np
    >>> examples = Examples(
    ...     features={"image": np.zeros([2, 28, 28], np.uint8)},
    ...     targets=np.array([7, 1], np.int32),
    ...     places=Places.numbered("digits.npz, row ", range(2)),
    ... )
    >>> len(examples), examples.places[1]
    (2, 'digits.npz, row 1')

    Attributes:
        features: Dict of columns by name, arrays or `columns.Ragged`. Each has
            one row for each example: `image: uint8[num_examples, height,
            width]`, `image: uint8[num_examples, height, width, 3]`,
            `text: object[num_examples]` or `token_ids: int32[num_examples,
            (tokens)]`, ragged.
        targets: Column of what is learned; `None` if there is none. For
            one label an example, int32[num_examples], positions in the list
            of class names. Sources return them in any type; the objective
            checks and converts them.
        places: `Places`. The file and place of each example, for messages.
    """

    features: dict[str, np.ndarray | columns.Ragged]
    targets: np.ndarray | columns.Ragged | None
    places: Places

    def __len__(self):
        """Returns the number of examples."""
        return len(self.places)

    def take(self, rows):
        """Returns some examples, in the given order.

        Args:
            rows: int[num_rows]. Numbers of the examples.
        """
        return Examples(
            {
                name: columns.take(column, rows)
                for name, column in self.features.items()
            },
            columns.take(self.targets, rows),
            self.places.take(rows),
        )

    def sha256(self):
        """Returns a hash of features and targets in hexadecimal."""
        digest = hashlib.sha256()
        for name, column in sorted(self.features.items()):
            columns.update_digest(digest, name, column)
        targets = self.targets
        # Without a header, which checkpoints before 2026-11-27 do not have.
        if isinstance(targets, np.ndarray) and targets.ndim == 1:
            digest.update(columns.bytes_of(targets))
        elif targets is not None:
            columns.update_digest(digest, "targets", targets)
        return digest.hexdigest()


def concatenate(parts):
    """Returns the examples of all parts in order.

    Args:
        parts: List of `Examples` with the same features; not empty.

    Returns:
        `Examples`.
    """
    if len(parts) == 1:
        return parts[0]
    return Examples(
        {
            name: columns.concatenate([part.features[name] for part in parts])
            for name in parts[0].features
        },
        columns.concatenate([part.targets for part in parts]),
        places_lib.concatenate([part.places for part in parts]),
    )


@dataclasses.dataclass
class Source:
    """Labelled examples on disk, in named splits.

    >>> import numpy as np
    >>> def read(split, start, stop):
    ...     pixels = np.zeros([stop - start, 8, 8], np.uint8)
    ...     labels = np.zeros(stop - start, np.int32)
    ...     places = Places.numbered("row ", range(start, stop))
    ...     return Examples({"image": pixels}, labels, places)
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
    ...     Places.numbered("row ", range(2)),
    ... )
    >>> splits = Splits(train)
    >>> len(splits.train), splits.test is None
    (2, True)

    Attributes:
        train, validation, test: `Examples`. `None` means that the run has no
            such split; a run always has `train`.
        report: Dict for `data_report.json`, see `report.make_report`. It has
            `warnings`, a list of str.
    """

    train: Examples
    validation: Examples | None = None
    test: Examples | None = None
    report: dict = dataclasses.field(default_factory=lambda: {"warnings": []})
