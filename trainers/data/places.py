"""Where examples come from: a file and a line, or an item."""

import dataclasses

import numpy as np


@dataclasses.dataclass
class Places:
    """The place of each example, in 8 bytes a row.

    >>> places = Places.numbered("mails.csv, line ", [2, 3, 7])
    >>> places[2]
    'mails.csv, line 7'
    >>> list(places.take([2, 0]))
    ['mails.csv, line 7', 'mails.csv, line 2']
    >>> Places.named(["a.png", "b.png"])[1]
    'b.png'

    Attributes:
        names: List of str. The places without their numbers, each once.
        name_of: int32[num_examples]. Positions in `names`.
        numbers: int32[num_examples]. What follows the name; -1 is nothing.
    """

    names: list[str]
    name_of: np.ndarray
    numbers: np.ndarray

    @classmethod
    def numbered(cls, name, numbers):
        """Returns the places of examples that share a name.

        Args:
            name: str. Everything before the number.
            numbers: Sequence of int, one for each example.
        """
        numbers = np.asarray(numbers, np.int32)
        return cls([name], np.zeros(len(numbers), np.int32), numbers)

    @classmethod
    def named(cls, names):
        """Returns the places of examples with a file each.

        Args:
            names: List of str.
        """
        rows = np.arange(len(names), dtype=np.int32)
        return cls(list(names), rows, np.full(len(names), -1, np.int32))

    def __len__(self):
        """Returns the number of examples."""
        return len(self.name_of)

    def __getitem__(self, row):
        """Returns the place of an example in words.

        Args:
            row: int.
        """
        name, number = self.names[self.name_of[row]], int(self.numbers[row])
        return name if number < 0 else f"{name}{number}"

    def take(self, rows):
        """Returns the places of some examples, in the given order.

        Args:
            rows: int[num_rows].
        """
        used, name_of = np.unique(self.name_of[rows], return_inverse=True)
        return Places(
            [self.names[name] for name in used],
            name_of.astype(np.int32),
            self.numbers[rows],
        )


def concatenate(parts):
    """Returns the places of all parts in order.

    Args:
        parts: List of `Places`; not empty.

    Returns:
        `Places`.
    """
    starts = np.cumsum([0, *(len(part.names) for part in parts[:-1])])
    return Places(
        [name for part in parts for name in part.names],
        np.concatenate(
            [
                part.name_of + np.int32(start)
                for part, start in zip(parts, starts, strict=True)
            ]
        ),
        np.concatenate([part.numbers for part in parts]),
    )
