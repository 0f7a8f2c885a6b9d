"""CSV and TSV files: line ends LF or CRLF, newlines inside quotes.

The reader skips completely blank lines, and Excel's first line `sep=;`, which
names the delimiter. It changes no text and keeps NUL bytes.
"""

import csv
import functools
import itertools
import os
import re

from trainers.data.texts import columns as columns_lib
from trainers.data.texts import csv_advice
from trainers.data.texts import decoding
from trainers.data.texts import file_kinds
from trainers.data.texts import streams
from trainers.data.texts.text_format import TextFormat
from trainers.errors import DataError

# Allows texts of any length. The limit holds for the process; the default is
# 131,072 characters.
csv.field_size_limit(streams.LONGEST_LINE)
# A backslash, with the quote or backslash that it escapes.
_ESCAPE = re.compile(r'\\(["\\])?')
_SEPARATOR = re.compile(r'"?sep=([^"\r\n])"?[\r\n]*', re.IGNORECASE)


def read_rows(file, data, columns, report, *, delimiter=","):
    """Yields the rows of one file; see `rows`.

    Args:
        file: Path of the file.
        data: `TextDataConfig`.
        columns: Dict from `columns`.
        report: Function of the line and the problem of an unusable row.
        delimiter: str. Delimiter of this kind of file. `data.delimiter`, if
            it is not empty, replaces it.

    Yields:
        `(line, values)`.

    Raises:
        ConfigError: The file does not have the columns.
        DataError: The first row, with the columns, cannot be read.
    """
    positions, width, names = None, 0, None

    @functools.cache  # By its words: other settings are tried on all rows.
    def explain(words):
        return csv_advice.explain(words, data, columns, read_again)

    def read_again(other):
        # A pipe can be read only once.
        is_file = os.path.isfile(file)
        return numbered_rows(file, other, delimiter) if is_file else iter(())

    rows = numbered_rows(file, data, delimiter, explain)
    for line, row, problem in rows:
        if positions is None:
            if isinstance(problem, decoding.WrongBytes):
                report(line, problem)
                return
            if problem or not _has_columns(row, columns, data):
                first = None if problem else row
                _refuse_others(file, line, first, rows, columns, data)
            if problem:
                raise DataError(f"{file}, line {line}: {problem}")
            positions = _find(columns, row, file, line, data)
            width, names = len(row), row if data.header else None
            if data.header:
                continue
        elif not problem and _is_header(row, names):
            # Of files that were put one after the other.
            problem = "has the names of the columns again; delete this line"
        elif not problem and len(row) != width:
            problem = f"has {len(row)} cells, but the first row has {width}"
        if problem:
            report(line, problem)
        else:
            values = {field: row[i] for field, i in positions.items()}
            for field in values.keys() & columns_lib.TEXTS:
                values[field] = values[field].encode()
            yield line, values


def numbered_rows(file, data, delimiter, explain_fn=str):
    """Yields the first line of a row, its cells, and its problem or `None`.

    For wrong bytes, the line is the line with the problem.

    Args:
        file: Path of the file.
        data: `TextDataConfig`.
        delimiter: str. Delimiter of this kind of file.
        explain_fn: Function from the words of a `csv.Error` to the problem.
    """
    wrong = []
    lines = _checked(streams.read_lines(file, data.encoding), data, wrong)
    # Excel's `sep=;` is not a row.
    first = next(lines, "")
    named = _SEPARATOR.fullmatch(first)
    reader = csv.reader(
        lines if named else itertools.chain([first], lines),
        delimiter=(
            csv_advice.character(data.delimiter)
            or (named and named[1])
            or delimiter
        ),
        strict=True,
        quoting=csv.QUOTE_MINIMAL if data.quoting else csv.QUOTE_NONE,
        escapechar="\\" if _has_escapes(data) else None,
    )
    while True:
        line, problem = reader.line_num + (2 if named else 1), None
        try:
            row = next(reader, None)
        except csv.Error as error:
            if "field limit" in str(error):
                # Most likely a quote that nothing closes.
                raise DataError(
                    f"{file}, line {line}: a cell must have at most "
                    f"{csv.field_size_limit():,} characters."
                ) from None
            row, problem = [""], explain_fn(str(error))
        if row is None:
            return
        if wrong:
            line, problem = wrong[0]
            wrong.clear()
        if row:
            yield line, row, problem


def _has_escapes(data):
    return data.quoting and data.backslash_escapes


def _checked(lines, data, wrong):
    """Yields lines, and adds the number and problem of wrong ones to `wrong`.

    The reader needs a wrong line, too, to find the end of the row.
    """
    for number, line in enumerate(lines, 1):
        if problem := decoding.problem(line, data.encoding):
            wrong.append((number, problem))
        yield _ESCAPE.sub(_doubled, line) if _has_escapes(data) else line


def _doubled(match):
    """Returns a backslash so that `csv` keeps it where it escapes nothing."""
    return match[0] if match[1] else "\\\\"


def _is_header(row, names):
    # For most rows, this compares one cell.
    if names is None or row[-1] != names[-1]:
        return False
    # It can begin with a byte order mark, which then is a part of the cell.
    return [row[0].removeprefix("\ufeff").strip('"'), *row[1:]] == names


def _refuse_others(file, line, first, rows, columns, data):
    """Refuses a file that is no table, or begins with other lines."""
    words = file_kinds.not_rows_words(file, columns)
    words = words or file_kinds.json_words(file)
    words = words or csv_advice.lines_before(line, first, rows, columns, data)
    if words:
        raise DataError(f"{file}, line {line}: {words}")


def _has_columns(row, columns, data):
    return set(columns.values()) <= set(_names(row, data))


def _names(row, data):
    return row if data.header else list(map(str, range(len(row))))


def _find(columns, row, file, line, data):
    """Returns the position of each column in the file's first row."""
    names = _names(row, data)
    for field, name in columns.items():
        if name not in names:
            hint = csv_advice.hint(row, columns, data)
            raise columns_lib.missing(columns, field, file, names, hint)
        if names.count(name) > 1:
            raise DataError(
                f"{file}, line {line}: the column {name!r} must occur "
                f"once. Received: {names.count(name)} times."
            )
    return {field: names.index(name) for field, name in columns.items()}


CSV = TextFormat(read_rows, place=", line ")
TSV = TextFormat(functools.partial(read_rows, delimiter="\t"), place=", line ")
