"""JSON lines: one object on each line, see `objects`.

The reader skips a byte order mark and blank lines.
"""

import collections
import json

from trainers.data.texts import decoding
from trainers.data.texts import file_kinds
from trainers.data.texts import objects
from trainers.data.texts import streams
from trainers.data.texts.objects import ProblemError
from trainers.data.texts.text_format import TextFormat
from trainers.errors import DataError


def read_rows(file, data, columns, report):
    """Yields the rows of one file; see `rows`.

    Args:
        file: Path of the file.
        data: `TextDataConfig`.
        columns: Dict from `columns`.
        report: Function of the line and the problem of an unusable row.

    Yields:
        `(line, values)`.

    Raises:
        DataError: The file is one JSON array, or the answer of a server.
    """
    first = True
    lines = streams.read_lines(file, data.encoding)
    for number, line in enumerate(lines, 1):
        # Other white space, such as U+2028, is none in JSON.
        content = line.strip(" \t\r\n\v\f")
        if not content:
            continue
        if first and content.startswith("["):
            raise DataError(
                f"{file}, line {number}: a JSON array begins. Give the file "
                "the suffix .json, or set --config.data.source=json."
            )
        try:
            if problem := decoding.problem(line, data.encoding):
                raise ProblemError(problem)
            row = parse(json.JSONDecoder(**STRICT).decode, line)
            yield number, objects.read_values(row, columns, data.encoding)
        except ProblemError as problem:
            if first and (words := file_kinds.not_rows_words(file, columns)):
                raise DataError(f"{file}, line {number}: {words}") from None
            report(number, problem.args[0])
        first = False


def parse(parse_fn, text):
    """Returns the value of a JSON text.

    Args:
        parse_fn: Method of a `json.JSONDecoder` with `STRICT`.
        text: str.

    Raises:
        ProblemError: It is not JSON, or an object has a key twice.
    """
    try:
        return parse_fn(text)
    except RecursionError:
        raise ProblemError("is nested too deeply") from None
    # A whole number of more than 4300 digits is a plain ValueError.
    except ValueError as error:
        raise ProblemError(f"is not JSON: {error}") from None


def _without_repeats(pairs):
    """Returns the dict of an object, or raises an error for equal keys."""
    row = dict(pairs)
    if len(row) < len(pairs):
        counts = collections.Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        raise ProblemError(f"has the key {twice[:40]!r} more than once")
    return row


# Arguments of `json.JSONDecoder`.
STRICT = {"object_pairs_hook": _without_repeats}
JSON_LINES = TextFormat(read_rows, place=", line ")
