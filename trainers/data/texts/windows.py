"""Cuts long rows of tokens into windows that overlap by half.

The windows of a row have `size` tokens, and each begins half a window after the
one before. The last is moved back, so that it ends with the row. A row that
fits into one window has one window, and so has an empty row.

Each token has an owner: the window whose middle is nearest, of two the earlier.
There, the token is farthest from the edges of the window, and has the most
context on both sides. The tokens of an owner are consecutive.

`trainers.tasks.inputs.window_ops` computes the same in a graph.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Windows:
    """The windows of some rows, in the order of the rows.

    >>> windows = of_rows([5, 0], size=4)
    >>> windows.row.tolist(), windows.start.tolist(), windows.length.tolist()
    ([0, 0, 1], [0, 1, 0], [4, 4, 0])
    >>> windows.first_owned.tolist(), windows.end_owned.tolist()
    ([0, 3, 0], [3, 5, 0])

    Attributes:
        row: int64[num_windows]. Number of the row.
        start, length: int64[num_windows]. First token in the row, and number
            of tokens.
        first_owned, end_owned: int64[num_windows]. A window owns the tokens of
            the row from the first number to before the second.
    """

    row: np.ndarray
    start: np.ndarray
    length: np.ndarray
    first_owned: np.ndarray
    end_owned: np.ndarray

    def tokens(self):
        """Returns row and position of each token of each window, in order.

        Returns:
            `(row, position, is_owned)`: int64, int64 and bool[num_tokens] of
            the concatenation of all windows.
        """
        window = np.repeat(np.arange(len(self.row)), self.length)
        begins = np.cumsum(self.length) - self.length
        position = np.arange(len(window)) - (begins - self.start)[window]
        is_owned = (position >= self.first_owned[window]) & (
            position < self.end_owned[window]
        )
        return self.row[window], position, is_owned


def of_rows(lengths, size):
    """Returns the windows of rows.

    Args:
        lengths: int[num_rows]. Number of tokens of each row.
        size: int, at least 1. Largest number of tokens of a window.

    Returns:
        `Windows`.
    """
    lengths = np.asarray(lengths, np.int64)
    stride = max(size // 2, 1)
    more = -(-np.maximum(lengths - size, 0) // stride)
    counts = 1 + more
    row = np.repeat(np.arange(len(lengths)), counts)
    number = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    last_start = np.maximum(lengths - size, 0)[row]
    start = np.minimum(number * stride, last_start)
    # Twice the middle between a window and the next one, in tokens.
    middle = start[:-1] + start[1:] + size - 1
    is_last = number == more[row]
    end = lengths[row]
    end[:-1] = np.where(is_last[:-1], end[:-1], middle // 2 + 1)
    first = np.zeros_like(start)
    first[1:] = np.where(number[1:] == 0, 0, end[:-1])
    length = np.minimum(lengths[row], size)
    return Windows(row, start, length, first, end)
