"""Keeps a matrix that comes by rows and is read by columns.

Scores of an evaluation come by batches of examples. A ranking metric of a class
needs the scores of all examples for this class.
"""

import contextlib
import os
import tempfile

import numpy as np

from trainers.errors import RunError

# 64 MB: all scores of 16,000 examples of 1,000 classes, and 5 % of the memory
# of a small training.
MAX_BYTES = 64 * 2**20
# Rows are kept and read in parts of this number of values, 4 MB of float32.
_PART = 2**20


class Transposed:
    """A matrix of one dtype, in memory or in a temporary file without a name.

    The file is in the directory for temporary files, which the environment
    variable TMPDIR names. It disappears with the process.

    >>> with Transposed() as matrix:
    ...     matrix.append(np.array([[1, 2, 3]]))
    ...     matrix.append(np.array([[4, 5, 6], [7, 8, 9]]))
    ...     [column.tolist() for column in matrix.columns()]
    [[1, 4, 7], [2, 5, 8], [3, 6, 9]]
    """

    def __init__(self, max_bytes=MAX_BYTES):
        """Makes a matrix without rows.

        Args:
            max_bytes: int. A larger matrix is in a file.
        """
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._num_rows = 0
        # Arrays [num_columns, rows of the part], or their places in the file.
        self._parts = []
        self._file = None

    def __enter__(self):
        """Returns the matrix."""
        return self

    def __exit__(self, *error):
        """Removes the matrix."""
        self._parts.clear()
        if self._file:
            # A full disk has already raised its error.
            with contextlib.suppress(OSError):
                self._file.close()

    def append(self, rows):
        """Adds rows. Each call makes a part, so there should be few calls.

        Args:
            rows: Array [num_rows, num_columns] of numbers. The dtype and the
                number of columns are those of the first call.

        Raises:
            RunError: The file could not be written.
        """
        part = np.ascontiguousarray(rows.T)
        self._num_bytes += part.nbytes
        self._num_rows += len(rows)
        self._parts.append(part)
        if self._num_bytes > self._max_bytes:
            self._write_parts()

    def columns(self):
        """Yields each column, an array [num_rows]."""
        if not self._parts:
            return
        num_columns = len(self._parts[0])
        step = max(1, _PART // max(1, self._num_rows))
        for start in range(0, num_columns, step):
            stop = min(start + step, num_columns)
            yield from np.concatenate(
                [part[start:stop] for part in self._parts], axis=1
            )

    def _write_parts(self):
        """Replaces the parts in memory by parts of the file."""
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()
            for index, part in enumerate(self._parts):
                if isinstance(part, np.ndarray):
                    self._parts[index] = _Stored(self._file, part)
        except OSError as error:
            raise RunError(
                f"the scores of an evaluation need {self._num_bytes:,} bytes "
                f"or more in {tempfile.gettempdir()!r}: {error.strerror}. Set "
                "the environment variable TMPDIR to a directory with more "
                "space."
            ) from None


class _Stored:
    """Rows of an array in a file."""

    def __init__(self, file, array):
        self._file = file
        self._offset = file.seek(0, os.SEEK_END)
        self._shape, self._dtype = array.shape, array.dtype
        file.write(array)
        file.flush()

    def __len__(self):
        return self._shape[0]

    def __getitem__(self, rows):
        """Returns the rows of a slice."""
        found = np.empty((rows.stop - rows.start, self._shape[1]), self._dtype)
        start = rows.start * self._shape[1] * self._dtype.itemsize
        # Read, not mapped: pages of a mapped file count as memory.
        self._file.seek(self._offset + start)
        self._file.readinto(found)
        return found


def joined(batches):
    """Joins small batches, because a call for each batch takes longer.

    Args:
        batches: Iterable of tuples of arrays, one row for each example. The
            last array is the largest.

    Yields:
        Tuples of arrays. All except the last have 2**20 values or more in the
        last array.
    """
    waiting, size = [], 0
    for batch in batches:
        waiting.append(batch)
        size += batch[-1].size
        if size >= _PART:
            yield _join(waiting)
            waiting, size = [], 0
    if waiting:
        yield _join(waiting)


def _join(batches):
    return tuple(
        np.concatenate(arrays) for arrays in zip(*batches, strict=True)
    )
