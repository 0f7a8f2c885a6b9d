"""Reads files into `Examples` and reports the problems of all files together.

Each kind of file has a function `read_rows(file, data, columns, report)`, which
yields `(place, values)`:

- `place`: a number, or the path of a file with one row; `PLACE` of the module
  is the words between the file and the number, or `None` for paths;
- `values`: the value of each of the `columns`: `text` as bytes in UTF-8, the
  others as str.

For a row that cannot be used, it calls `report(place, problem)` and continues
with the next row.
"""

import functools

import numpy as np

from trainers.data import checks
from trainers.data import examples as examples_lib
from trainers.data import paths
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.data.texts import columns as columns_lib
from trainers.data.texts import csv_file
from trainers.data.texts import json_lines
from trainers.data.texts import text_folder
from trainers.data.texts import tfrecord
from trainers.errors import DataError

_MODULES = {
    "csv": csv_file,
    "tsv": csv_file,
    "jsonl": json_lines,
    "tfrecord": tfrecord,
    paths.FOLDER: text_folder,
}
# Allowed values in `split_column`, in lower or upper case.
_SPLITS = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "test": "test",
}


def read_labelled(files, data, *, with_split=False):
    """Reads all rows of labelled files.

    Args:
        files: List of `(file, kind)` pairs.
        data: `TextDataConfig`.
        with_split: bool. Whether `data.split_column` contains the split of
            each row.

    Returns:
        `Examples`, see `reading.read_splits`, and a list with the split of
        each row. Without `with_split`, the list is empty.

    Raises:
        ConfigError: A file does not have the columns.
        DataError: A file has no rows, or rows that cannot be used.
    """
    columns = columns_lib.labelled(data, with_split)
    parts, splits, problems = [], [], []
    for file, kind in files:
        found = len(problems)

        def report(row, problem, file=file, kind=kind):
            problems.append((_place(file, kind, row), problem))

        part = _read_file(file, kind, data, columns, report, splits)
        if not len(part) and len(problems) == found:
            raise DataError(f"{file}: has no rows.")
        parts.append(part)
    checks.raise_problems("rows that cannot be used", problems, ": ".join)
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

    def report(row, problem):
        raise DataError(f"{_place(file, kind, row)}: {problem}.")

    columns = columns_lib.unlabelled(data)
    for row, values in _rows(file, kind, data, columns, report):
        yield _place(file, kind, row), values["text"]


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


def _rows(file, kind, data, columns, report):
    read = _MODULES[kind].read_rows
    if kind == "tsv":
        read = functools.partial(read, delimiter="\t")
    return read(file, data, columns, report)


def _read_file(file, kind, data, columns, report, splits):
    """Returns the `Examples` of one file and adds to `splits`."""
    texts, labels, found = [], [], []
    for row, values in _rows(file, kind, data, columns, report):
        label = values["label"].strip()
        if not label:
            report(row, "the label is empty")
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
        labels.append(label)
        found.append(row)
    words = _MODULES[kind].PLACE
    if words is None:
        places = Places.named([str(path) for path in found])
    else:
        places = Places.numbered(f"{file}{words}", found)
    return Examples({"text": as_objects(texts)}, as_objects(labels), places)


def _place(file, kind, row):
    """Returns the place of a row in words."""
    words = _MODULES[kind].PLACE
    return str(row) if words is None else f"{file}{words}{row}"
