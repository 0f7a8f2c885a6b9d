"""CSV and TSV files: UTF-8, line ends LF or CRLF, newlines inside quotes.

The reader skips a byte order mark and completely blank lines. It changes no
text and keeps NUL bytes.
"""

import csv
import functools
import sys

from trainers.data.texts import columns as columns_lib
from trainers.data.texts import streams
from trainers.data.texts.text_format import TextFormat
from trainers.errors import DataError

# Allows texts of any length. The limit holds for the process; the default is
# 131,072 characters.
csv.field_size_limit(sys.maxsize)


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
    positions, width = None, 0
    delimiter = data.delimiter or delimiter
    for line, row, problem in _numbered(file, data.quoting, delimiter):
        if positions is None:
            if problem:
                hint = "; save it as UTF-8" if "UTF-8" in problem else ""
                raise DataError(f"{file}, line {line}: {problem}{hint}")
            positions = _find(columns, row, file, line, data.header)
            width = len(row)
            if data.header:
                continue
        elif not problem and len(row) != width:
            problem = f"has {len(row)} cells, but the first row has {width}"
        if problem:
            report(line, problem)
        else:
            values = {field: row[i] for field, i in positions.items()}
            yield line, values | {"text": values["text"].encode()}


def _numbered(file, quoting, delimiter):
    """Yields the first line of a row, its cells, and its problem or `None`.

    For invalid UTF-8, the line is the line with the problem.
    """
    undecodable = []
    reader = csv.reader(
        _decoded(file, undecodable),
        delimiter=delimiter,
        strict=True,
        quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE,
    )
    while True:
        line, problem = reader.line_num + 1, None
        try:
            row = next(reader, None)
        except csv.Error as error:
            row, problem = [""], _explain(error)
        if row is None:
            return
        if undecodable:
            line, problem = undecodable[0]
            undecodable.clear()
        if row:
            yield line, row, problem


def _decoded(file, undecodable):
    for number, line in enumerate(streams.read_lines(file), 1):
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            undecodable.append((number, streams.not_utf8(error)))
            # The reader still needs the line to find the end of the row.
            yield line.decode(errors="replace")


def _explain(error):
    if "new-line character" in str(error):
        return "a carriage return outside of quotes; end lines with LF or CRLF"
    return (
        f"malformed quotes ({error}); if quotes are ordinary characters, "
        "set --config.data.quoting=false"
    )


def _find(columns, row, file, line, header):
    """Returns the position of each column in the file's first row."""
    names = row if header else [str(i) for i in range(len(row))]
    hint = (
        " If its first row is an example, set --config.data.header=false."
        if header
        else " Without a header, the columns are numbered from 0."
    )
    if len(row) == 1 and (found := set(";\t|") & set(row[0])):
        hint = f" The delimiter seems to be {min(found)!r}: " + (
            "set --config.data.delimiter."
        )
    for field, name in columns.items():
        if name not in names:
            raise columns_lib.missing(field, name, file, names, hint)
        if names.count(name) > 1:
            raise DataError(
                f"{file}, line {line}: the column {name!r} must occur "
                f"once. Received: {names.count(name)} times."
            )
    return {field: names.index(name) for field, name in columns.items()}


CSV = TextFormat(read_rows, place=", line ")
TSV = TextFormat(functools.partial(read_rows, delimiter="\t"), place=", line ")
