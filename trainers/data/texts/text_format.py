"""A kind of file with labelled texts."""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class TextFormat:
    """How the files of one kind are read, and how their rows are named.

    >>> def read_rows(file, data, columns, report):
    ...     yield 1, {"text": b"buy now", "label": "spam"}
    >>> TextFormat(read_rows, place=", line ").place
    ', line '

    Attributes:
        read_rows: Function of (file, data, columns, report), see `rows`.
        place: str. The words between a file and the number of a row; `None` if
            the place of a row is the path of its own file.
        number_names: Function of (file, columns), or `None`. Returns a dict:
            for each column of whole numbers, a tuple of the names of the
            classes that the file gives to the numbers. It is empty if the file
            gives none.
    """

    read_rows: Callable
    place: str | None
    number_names: Callable | None = None
