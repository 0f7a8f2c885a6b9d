"""What to do about a CSV file that is written in another way.

Other settings are tried before they are advised.
"""

import dataclasses
import itertools
import shlex

from trainers.data.texts import columns as columns_lib
from trainers.runtime import look_alikes

_DELIMITERS = ",;\t|"
# Rows after the first one in which the names of the columns can be.
_MOST_BEFORE = 50
# What shells change. The setting takes both.
_WORDS = {"tab": "\t", "\\t": "\t"}


def character(delimiter):
    """Returns the character that `--config.data.delimiter` names.

    Args:
        delimiter: str. A character, or a word for it.

    >>> character("tab"), character(";")
    ('\\t', ';')
    """
    return _WORDS.get(delimiter, delimiter)


def hint(row, columns, data):
    """Returns the settings that find the columns, as a sentence.

    Args:
        row: List of str. The first row.
        columns: Dict from `columns`.
        data: `TextDataConfig`.
    """
    if len(row) == 1 and (found := _delimiter(row[0], columns)):
        return f" The {_delimiter_words(found)}."
    if not data.header:
        return (
            " Without a header, the columns are numbered from 0, as in "
            "--config.data.text_column=0."
        )
    alike = [
        f"--config.data.{field}_column={shlex.quote(name)}"
        for field, wanted in columns.items()
        for name in row
        if columns.flag(field) == f"--config.data.{field}_column"
        and name != wanted
        and _key(name) == _key(wanted)
    ]
    if alike:
        return f" Set {' and '.join(alike)}."
    if set(columns.values()) & set(row):
        return ""  # The first row has names of columns.
    return (
        " If its first row is an example, set --config.data.header=false and "
        "name the columns by their numbers, as in --config.data.text_column=0."
    )


def lines_before(line, first, rows, columns, data):
    """Returns what to do about lines before the names of the columns.

    Programs write a title, or comments such as `# exported by ...`.

    Args:
        line: int. The first line of a file.
        first: List of str. Its row, which has no names of columns; `None` if
            it has malformed quotes.
        rows: Iterator of the rows after it, as `csv_file.numbered_rows` yields
            them. Some of them are used up.
        columns: Dict from `columns`.
        data: `TextDataConfig`.

    Returns:
        str, or `None` if there are no such lines.
    """
    if not (data.header or first):
        return None
    rows = [
        (number, row)
        for number, row, problem in itertools.islice(rows, _MOST_BEFORE)
        if not problem
    ]
    wanted = "must be the names of the columns, and"
    if not data.header:
        wanted = f"has too few cells ({len(first)}) for the columns, and"
    for number, row in rows:
        has_them = f"{wanted} line {number} has them. {_delete(line, number)}"
        if _is_header(row, first, columns, data):
            return has_them
        found = len(row) == 1 and _delimiter(row[0], columns, only_named=True)
        if found:
            return f"{has_them}, and the {_delimiter_words(found)}"
    if not (data.header and first):
        return None
    if set(map(_key, first)) & _keys(columns):  # It has names of columns.
        return None
    for number, row in rows:
        if _is_below(row, first, columns):
            return (
                "seems to be a title or a comment, and not the names of the "
                f"columns. {_delete(line, number)}; line {number} has "
                f"{columns_lib.quoted(row)}"
            )
    return None


def _delete(first, stop):
    """Returns the advice to delete lines, up to the one before `stop`."""
    if stop - first == 1:
        return f"Delete line {first}"
    return f"Delete lines {first} to {stop - 1}"


def _is_header(row, first, columns, data):
    """Returns whether a row that is not the first has the columns."""
    if len(row) < 2 and not (first and _is_comment(first)):
        return False  # A text can be a single word as well.
    if not data.header:
        return set(columns.values()) <= set(map(str, range(len(row))))
    return _keys(columns) <= set(map(_key, row))


def _is_below(row, first, columns):
    """Returns whether the first row is a title or comment above another."""
    if _is_comment(first):
        return not _is_comment(row)
    if _delimiter(first[0], columns):  # The whole line is one cell.
        return False
    return sum(map(bool, first)) < 2 <= sum(map(bool, row))


def _is_comment(row):
    return row[0].lstrip().startswith("#")


def _key(name):
    """Returns what is equal for names that look alike, also in a comment."""
    return look_alikes.key(name.lstrip("# "))


def _keys(columns):
    return set(map(_key, columns.values()))


def _delimiter(line, columns, only_named=False):
    """Returns the delimiter that splits a header into the columns, or `None`.

    Without the names of the columns, it is the most frequent one.
    """
    found = [d for d in _DELIMITERS if d in line]
    named = [d for d in found if set(columns.values()) <= set(line.split(d))]
    chosen = named if only_named else named or found
    return max(chosen, key=line.count, default=None)


def _delimiter_words(found):
    value = "tab" if found == "\t" else shlex.quote(found)
    return (
        f"delimiter seems to be {found!r}: set --config.data.delimiter={value}"
    )


def explain(error, data, columns, read_fn):
    """Returns the problem of a row that `csv` refuses, in words.

    Args:
        error: str. The words of a `csv.Error`.
        data: `TextDataConfig`.
        columns: Dict from `columns`.
        read_fn: Function from `TextDataConfig` to the rows of the file, as
            `csv_file.numbered_rows` yields them.

    Returns:
        str. It names a setting that reads the whole file, if there is one.
    """
    if "new-line character" in error:
        return "a carriage return outside of quotes; end lines with LF or CRLF"
    words = f"malformed quotes ({error}); "
    for delimiter in _DELIMITERS:
        other = dataclasses.replace(data, delimiter=delimiter)
        if _fits(read_fn(other), other, columns):
            return words + f"the {_delimiter_words(delimiter)}"
    if data.quoting and not data.backslash_escapes:
        escaped = dataclasses.replace(data, backslash_escapes=True)
        if _fits(read_fn(escaped), escaped, columns):
            return words + (
                'if \\" is a quote inside of a cell, set '
                "--config.data.backslash_escapes=true"
            )
    plain = dataclasses.replace(data, quoting=False)
    if _fits(read_fn(plain), plain, columns):
        return words + (
            "if quotes are ordinary characters, set --config.data.quoting=false"
        )
    return words + 'write a quote inside of quotes twice, as ""'


def _fits(rows, data, columns):
    """Returns whether all rows can be read, and are no remains of others."""
    width, num_rows, num_quoted = None, 0, 0
    for _, row, problem in rows:
        if width is None:
            names = row if data.header else list(map(str, range(len(row))))
            if problem or not set(columns.values()) <= set(names):
                return False
            width = len(row)
            continue
        if problem or len(row) != width:
            return False
        num_rows += 1
        num_quoted += any(c[:1] == c[-1:] == '"' and len(c) > 1 for c in row)
    if not num_rows:
        return False
    # Where most rows have cells in quotes, quotes are no ordinary characters.
    return data.quoting or 2 * num_quoted <= num_rows
