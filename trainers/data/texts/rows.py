"""Reads files into `Examples` and reports the problems of all files together.

Each kind of file has a `TextFormat`. Its function `read_rows(file, data,
columns, report)` yields `(place, values)`:

- `place`: a number, or the path of a file with one row;
- `values`: the value of each of the `columns`: `text` as bytes in UTF-8, the
  others as str.

For a row that cannot be used, it calls `report(place, problem)` and continues
with the next row.
"""

import numpy as np

from trainers.config import kinds
from trainers.data import examples as examples_lib
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.data.texts import columns as columns_lib
from trainers.data.texts.text_format import TextFormat
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.errors import raise_problems

# Allowed values in `split_column`, in lower or upper case.
_SPLITS = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "test": "test",
}


def read_labelled(files, data, objective, *, with_split=False):
    """Reads all rows of labelled files.

    Args:
        files: List of `(file, kind)` pairs.
        data: `TextDataConfig`.
        objective: `Objective`, which knows the columns of targets.
        with_split: bool. Whether `data.split_column` contains the split of
            each row.

    Returns:
        `Examples`, see `reading.read_splits`, and a list with the split of
        each row. Without `with_split`, the list is empty.

    Raises:
        ConfigError: A file does not have the columns.
        DataError: A file has no rows, or rows that cannot be used.
    """
    columns = columns_lib.labelled(data, objective, with_split)
    parts, splits, problems = [], [], []
    for file, kind in files:
        found, text_format = len(problems), load_format(kind)

        def report(row, problem, file=file, text_format=text_format):
            problems.append((_place(file, text_format, row), problem))

        part = _read_file(
            file, text_format, data, objective, columns, report, splits
        )
        if not len(part) and len(problems) == found:
            raise DataError(f"{file}: has no rows.")
        parts.append(part)
    raise_problems("rows that cannot be used", problems, ": ".join)
    return examples_lib.concatenate(parts), splits


def read_texts(file, kind, data):
    """Yields the texts of one file.

    Args:
        file: Path of the file.
        kind: str. Kind of the file; not a folder.
        data: `TextDataConfig`.

    Yields:
        `(where, text)`: the place of the text, for messages, and its bytes.

    Raises:
        ConfigError: The file does not have the column of texts.
        DataError: A row cannot be used.
    """

    text_format = load_format(kind)

    def report(row, problem):
        raise DataError(f"{_place(file, text_format, row)}: {problem}.")

    columns = columns_lib.unlabelled(data)
    for row, values in text_format.read_rows(file, data, columns, report):
        yield _place(file, text_format, row), values["text"]


def as_objects(values):
    """Returns a list as an array of objects.

    Args:
        values: List of bytes or str.

    Returns:
        `object[len(values)]`.
    """
    array = np.empty(len(values), object)
    array[:] = values
    return array


def load_format(kind):
    """Returns the `TextFormat` of a kind of files.

    Args:
        kind: str. Name in the table of kinds, or `MODULE:NAME`.

    Raises:
        ConfigError: There is no such format.
    """
    flag = "--config.data.source"
    found = kinds.load("text_format", kind, flag)
    if not isinstance(found, TextFormat):
        raise ConfigError(
            f"`{flag}` must name a {TextFormat.__module__}."
            f"{TextFormat.__name__}. Received: {kind!r}, which is of the class "
            f"{type(found).__name__}."
        )
    return found


def _read_file(file, text_format, data, objective, columns, report, splits):
    """Returns the `Examples` of one file and adds to `splits`."""
    texts, targets, found = [], [], []
    for row, values in text_format.read_rows(file, data, columns, report):
        try:
            target = objective.parse(values)
        except ValueError as problem:
            report(row, str(problem))
            continue
        if "split" in values:
            split = _SPLITS.get(values["split"].strip().lower())
            if split is None:
                report(
                    row,
                    f"{data.split_column!r} must be train, validation or "
                    f"test. Received: {values['split']!r}",
                )
                continue
            splits.append(split)
        texts.append(values["text"])
        targets.append(target)
        found.append(row)
    if text_format.place is None:
        places = Places.named([str(path) for path in found])
    else:
        places = Places.numbered(f"{file}{text_format.place}", found)
    return Examples({"text": as_objects(texts)}, as_objects(targets), places)


def _place(file, text_format, row):
    """Returns the place of a row in words."""
    words = text_format.place
    return str(row) if words is None else f"{file}{words}{row}"
