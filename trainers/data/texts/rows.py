"""From files to `Examples`, with the problems of all files together.

`read_rows(file, data, columns, report)` of a kind of file yields
`(place, text, others)`: a number or path that `PLACE` makes a message of, the
text as bytes in UTF-8, and the other `columns`, as str. For a row that cannot
be used it calls `report(place, problem)` and goes on.
"""

import functools

import numpy as np

from trainers.data import checks
from trainers.data import examples as examples_lib
from trainers.data import paths
from trainers.data.examples import Examples
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
# What a row may say in `split_column`, in any case.
_SPLITS = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "test": "test",
}


def read_labelled(files, data, *, with_split=False):
    """Reads files to the end.

    Args:
        files: `(file, kind)` pairs.
        data: `TextDataConfig`.
        with_split: Whether each row says in `data.split_column` to which split
            it belongs.

    Returns:
        `Examples` as `reading.read_splits` promises them, and a list of
        the name of the split of each row, empty without `with_split`.

    Raises:
        DataError: A file has no rows, or some that cannot be used.
    """
    columns = columns_lib.labelled(data, with_split)
    parts, splits, problems = [], [], []
    for file, kind in files:
        place = _MODULES[kind].PLACE
        found = len(problems)

        def report(row, problem, file=file, place=place):
            problems.append((place, file, row, problem))

        part = _read_file(file, kind, data, columns, report, splits)
        if not len(part) and len(problems) == found:
            raise DataError(f"{file}: has no rows.")
        parts.append(part)
    checks.raise_problems("rows that cannot be used", problems, _describe)
    return examples_lib.concatenate(parts), splits


def read_texts(file, kind, data):
    """Yields `(where, text)` of one file of any kind but a folder.

    Raises:
        DataError: At the first row that cannot be used.
    """
    place = _MODULES[kind].PLACE

    def report(row, problem):
        raise DataError(f"{_describe((place, file, row, problem))}.")

    columns = columns_lib.unlabelled(data)
    for row, text, _ in _rows(file, kind, data, columns, report):
        yield place.format(file=file, place=row), text


def select(examples, rows):
    """Returns some rows of examples, in the given order."""
    return Examples(
        {name: values[rows] for name, values in examples.features.items()},
        examples.labels[rows],
        lambda row: examples.where(int(rows[row])),
    )


def as_objects(values):
    """Returns a list of bytes or str as `object[len(values)]`."""
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
    texts, labels, places = [], [], []
    for row, text, others in _rows(file, kind, data, columns, report):
        label = others[0].strip()
        if not label:
            report(row, "the label is empty")
            continue
        if len(others) > 1:
            split = _SPLITS.get(others[1].strip().lower())
            if split is None:
                report(
                    row,
                    f"{data.split_column!r} must be train, validation or "
                    f"test. Received: {others[1]!r}",
                )
                continue
            splits.append(split)
        texts.append(text)
        labels.append(label)
        places.append(row)
    place = _MODULES[kind].PLACE
    return Examples(
        {"text": as_objects(texts)},
        as_objects(labels),
        lambda row: place.format(file=file, place=places[row]),
    )


def _describe(problem):
    place, file, row, words = problem
    return f"{place.format(file=file, place=row)}: {words}"
