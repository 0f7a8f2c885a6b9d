"""Columns of examples: one array, or rows of different lengths."""

import dataclasses

import numpy as np


@dataclasses.dataclass
class Ragged:
    """A column whose rows have different lengths, such as tokens.

    >>> ids = Ragged.from_lengths(np.array([5, 6, 7]), [1, 0, 2])
    >>> ids.to_list()
    [[5], [], [6, 7]]
    >>> ids.take(np.array([2, 0])).to_list()
    [[6, 7], [5]]

    Attributes:
        values: Array `[num_values, ...]` with the values of all rows in order.
        row_splits: int64[num_rows + 1]. The values of row i are
            `values[row_splits[i] : row_splits[i + 1]]`.
    """

    values: np.ndarray
    row_splits: np.ndarray

    @classmethod
    def from_lengths(cls, values, lengths):
        """Returns a column of rows with these lengths.

        Args:
            values: Array `[num_values, ...]`.
            lengths: Sequence of int, one for each row. Their sum is
                num_values.
        """
        splits = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=splits[1:])
        return cls(values, splits)

    def __len__(self):
        """Returns the number of rows."""
        return len(self.row_splits) - 1

    def __getitem__(self, row):
        """Returns the values of a row.

        Args:
            row: int. A negative one counts from the end.
        """
        row = range(len(self))[row]
        return self.values[self.row_splits[row] : self.row_splits[row + 1]]

    def lengths(self):
        """Returns the number of values of each row, `int64[num_rows]`."""
        return np.diff(self.row_splits)

    def to_list(self):
        """Returns a list of lists."""
        return [self[row].tolist() for row in range(len(self))]

    def take(self, rows):
        """Returns some rows, in the given order.

        Args:
            rows: int[num_chosen].
        """
        lengths = self.lengths()[rows]
        starts = np.cumsum(lengths) - lengths
        # How far the values of each row are from their place in the result.
        moved = np.repeat(self.row_splits[:-1][rows] - starts, lengths)
        values = self.values[np.arange(len(moved)) + moved]
        return Ragged.from_lengths(values, lengths)


def take(column, rows):
    """Returns some rows of a column, in the given order.

    Args:
        column: Array `[num_rows, ...]`, `Ragged`, or `None`.
        rows: int[num_chosen].
    """
    if isinstance(column, Ragged):
        return column.take(rows)
    return None if column is None else column[rows]


def concatenate(parts):
    """Returns the rows of all parts in order.

    Args:
        parts: List of columns of one kind; not empty.
    """
    if parts[0] is None:
        return None
    if isinstance(parts[0], Ragged):
        return Ragged.from_lengths(
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.lengths() for part in parts]),
        )
    return np.concatenate(parts)


def to_arrays(name, column):
    """Returns a column as named arrays, which `numpy.savez` can write.

    Args:
        name: str.
        column: Array, `Ragged`, or `None`.

    >>> sorted(to_arrays("ids", Ragged.from_lengths(np.arange(3), [1, 2])))
    ['ids/row_splits', 'ids/values']
    """
    if column is None:
        return {}
    if isinstance(column, Ragged):
        return {
            f"{name}/values": column.values,
            f"{name}/row_splits": column.row_splits,
        }
    return {name: column}


def from_arrays(name, arrays):
    """Returns the column that `to_arrays` made into arrays.

    Args:
        name: str.
        arrays: Dict of arrays by name; it can contain other columns.
    """
    if f"{name}/values" in arrays:
        return Ragged(arrays[f"{name}/values"], arrays[f"{name}/row_splits"])
    return arrays.get(name)


def update_digest(digest, name, column):
    """Adds name, types, shapes and bytes of a column to a hash.

    Args:
        digest: Object of `hashlib`.
        name: str.
        column: Array of numbers, or `Ragged`; not `None`.

    >>> import hashlib
    >>> digest = hashlib.sha256()
    >>> update_digest(digest, "label", np.zeros(2, np.int32))
    """
    parts = [column]
    if isinstance(column, Ragged):
        parts = [column.values, column.row_splits]
    for part in parts:
        digest.update(f"{name} {part.dtype} {part.shape}\n".encode())
        digest.update(bytes_of(part))


def bytes_of(array):
    """Returns the bytes of an array of numbers as uint8[num_bytes].

    Args:
        array: Array of numbers.
    """
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
