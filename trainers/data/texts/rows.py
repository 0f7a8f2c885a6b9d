"""Reads files into `Examples` and reports the problems of all files together.

Each kind of file has a `TextFormat`. Its function `read_rows(file, data,
columns, report)` yields `(place, values)`:

- `place`: a number, or the path of a file with one row;
- `values`: the value of each of the `columns`: `text` and `text_pair` as bytes
  in UTF-8, the others as str. If `columns.takes_json`, the values of targets
  can also be numbers, bools, `None`, lists and dicts.

For a row that cannot be used, it calls `report(place, problem)` and continues
with the next row. For bytes that are not in `data.encoding`, the problem is a
`decoding.WrongBytes`, and the error says what the encoding seems to be.
"""

import numpy as np

from trainers.config import kinds
from trainers.data import examples as examples_lib
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.data.texts import columns as columns_lib
from trainers.data.texts import decoding
from trainers.data.texts import streams
from trainers.data.texts import wrong_bytes
from trainers.data.texts.text_format import TextFormat
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.errors import raise_problems

ENCODING = "--config.data.encoding"
_UNUSABLE = "rows that cannot be used"
# Reading ends after this number of rows that cannot be used: memory must
# contain them.
_MOST_PROBLEMS = 100_000
# Files whose encoding an error names.
_MOST_ADVICE = 3
# Kinds of files that are lines of text.
_LINES = ("csv", "tsv", "jsonl", "json")
# Allowed values in `split_column`, in lower or upper case.
_SPLITS = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "test": "test",
}


class _EnoughError(Exception):
    """So many rows cannot be used that reading ends."""


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
    parts, splits, problems, advice = [], [], [], []
    for file, kind in files:
        found, text_format = len(problems), load_format(kind)

        def report(row, problem, file=file, text_format=text_format):
            problems.append((_place(file, text_format, row), problem))
            if len(problems) >= _MOST_PROBLEMS:
                raise _EnoughError

        try:
            part = _read_file(
                file, text_format, data, objective, columns, report, splits
            )
        except _EnoughError:
            part = None
        if part is not None and not len(part) and len(problems) == found:
            raise DataError(f"{file}: has no rows.")
        parts.append(part)
        wrong = [p for _, p in problems[found:] if _is_wrong(p)]
        if wrong:
            texts = [] if part is None else part.features["text"]
            is_mixed = not all(text.isascii() for text in texts)
            advice.append(
                wrong_bytes.advice(
                    file, wrong, data.encoding, ENCODING, is_mixed
                )
            )
        if part is None:
            advice.append("The rows after these were not read.")
            break
    if problems:
        targets = [x for p in parts if p is not None for x in p.targets]
        words = objective.advice({x for _, x in problems}, targets)
        advice = [_first(advice)] + ([f"\n{words}"] if words else [])
        raise_problems(_UNUSABLE, problems, ": ".join, "".join(advice))
    return examples_lib.concatenate(parts), splits


def read_texts(file, kind, data, flag):
    """Yields the texts of one file.

    Args:
        file: Path of the file.
        kind: str. Kind of the file; not a folder.
        data: `TextDataConfig`.
        flag: str. The flag that sets the encoding.

    Yields:
        `(where, texts)`: the place of the row, for messages, and a dict by
        field of the bytes of its texts.

    Raises:
        ConfigError: The file does not have the columns of texts.
        DataError: A row cannot be used.
    """

    text_format = load_format(kind)

    def report(row, problem):
        advice = ""
        if _is_wrong(problem) and kind in _LINES:
            advice = " " + wrong_bytes.advice_for_lines(
                file, problem, data.encoding, flag
            )
        elif _is_wrong(problem):
            advice = " " + wrong_bytes.advice(
                file, [problem], data.encoding, flag, False
            )
        place = _place(file, text_format, row)
        raise DataError(f"{place}: {problem}.{advice}")

    columns = columns_lib.unlabelled(data)
    for row, values in text_format.read_rows(file, data, columns, report):
        yield _place(file, text_format, row), values


def read_plain_texts(file, data, flag):
    """Yields the lines of a file or of stdin as texts.

    Args:
        file: Path of the file, or `-` for stdin.
        data: `TextDataConfig`.
        flag: str. The flag that sets the encoding.

    Yields:
        `(where, texts)`: as `read_texts`.

    Raises:
        DataError: The file cannot be read, or a line is not in the encoding.
    """
    for where, text in streams.read_plain_texts(file, data.encoding):
        if problem := decoding.problem(text, data.encoding):
            advice = wrong_bytes.advice_for_lines(
                file, problem, data.encoding, flag
            )
            raise DataError(f"{where}: {problem}. {advice}")
        yield where, {"text": text.encode()}


def _is_wrong(problem):
    return isinstance(problem, decoding.WrongBytes)


def _first(sentences):
    """Returns the first of some sentences, a line each, with their number."""
    more = len(sentences) - _MOST_ADVICE
    shown = "".join(f"\n{line}" for line in sentences[:_MOST_ADVICE])
    return shown + (f"\n... and {more} more files" if more > 0 else "")


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
    texts = {field: [] for field in columns if field in columns_lib.TEXTS}
    targets, found = [], []
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
        for field, contents in texts.items():
            contents.append(values[field])
        targets.append(target)
        found.append(row)
    if text_format.place is None:
        places = Places.named([str(path) for path in found])
    else:
        places = Places.numbered(f"{file}{text_format.place}", found)
    features = {field: as_objects(x) for field, x in texts.items()}
    return Examples(features, as_objects(targets), places)


def _place(file, text_format, row):
    """Returns the place of a row in words."""
    words = text_format.place
    return str(row) if words is None else f"{file}{words}{row}"
