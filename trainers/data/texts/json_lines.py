"""JSON lines: one object on each line, in UTF-8.

The text is a string. A label is a string, a whole number, true or false; its
JSON form is the name of the class. The reader skips a byte order mark and blank
lines.
"""

import json

from trainers.data.texts import columns as columns_lib
from trainers.data.texts import streams
from trainers.data.texts.text_format import TextFormat
from trainers.errors import DataError


def read_rows(file, data, columns, report):
    """Yields the rows of one file; see `rows`.

    Args:
        file: Path of the file.
        data: Not used.
        columns: Dict from `columns`.
        report: Function of the line and the problem of an unusable row.

    Yields:
        `(line, values)`.

    Raises:
        DataError: The file is one JSON array.
    """
    del data  # `columns` has everything that this format needs.
    first = True
    for number, line in enumerate(streams.read_lines(file), 1):
        content = line.strip()
        if not content:
            continue
        if first and content.startswith(b"["):
            raise DataError(
                f"{file}, line {number}: a JSON array begins; write one "
                "object on each line instead, as {...}, without brackets and "
                "commas around them."
            )
        first = False
        try:
            values = _values(_parse(line), columns)
        except _ProblemError as problem:
            report(number, str(problem))
        else:
            yield number, values


class _ProblemError(Exception):
    """A problem of a line, in words."""


def _parse(line):
    try:
        return json.loads(line.decode(), object_pairs_hook=_without_repeats)
    except UnicodeDecodeError as error:
        raise _ProblemError(streams.not_utf8(error)) from None
    except RecursionError:
        raise _ProblemError("is nested too deeply") from None
    # A whole number of more than 4300 digits is a plain ValueError.
    except ValueError as error:
        raise _ProblemError(f"is not JSON: {error}") from None


def _without_repeats(pairs):
    """Returns the dict of an object, or raises an error for equal keys."""
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _ProblemError(f"has the key {twice!r} more than once")
    return row


def _values(row, columns):
    """Returns the text as bytes and the other columns as str."""
    if not isinstance(row, dict):
        raise _ProblemError(f"must be an object. Received: {_word(row)}")
    values = {}
    for field, name in columns.items():
        if name not in row:
            raise _ProblemError(
                f"has no {name!r} (--config.data.{field}_column), but "
                f"{columns_lib.quoted(row) or 'nothing'}"
            )
        try:
            values[field] = _checked(row[name], name, field)
        except UnicodeEncodeError:
            raise _ProblemError(
                f"{name!r} has half a surrogate pair, which is not Unicode"
            ) from None
    return values


def _checked(value, name, field):
    """Returns one value, checked.

    Raises:
        _ProblemError: The value has a wrong type.
        UnicodeEncodeError: The value is not Unicode.
    """
    if isinstance(value, str):
        content = value.encode()
        return content if field == "text" else value
    if field != "label":
        raise _ProblemError(
            f"{name!r} must be a string. Received: {_word(value)}"
        )
    if isinstance(value, int):  # Or bool, a subclass of int.
        return json.dumps(value)
    hint = ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        hint = f"; write {int(value)}"
    raise _ProblemError(
        f"{name!r} must be a string, a whole number, true or false. Received: "
        f"{_word(value)}{hint}"
    )


def _word(value):
    """Returns a value as JSON, or its kind if it can be long."""
    for kind, words in (
        (str, "a string"),
        (list, "an array"),
        (dict, "an object"),
    ):
        if isinstance(value, kind):
            return words
    return json.dumps(value)[:40]


JSON_LINES = TextFormat(read_rows, place=", line ")
