"""CoNLL: a word on each line, with its tag in the last column.

A blank line ends a sentence. Tabs separate the columns, or else spaces. A line
with the word -DOCSTART- is skipped. A line that begins with `#` is a comment if
it does not have the columns of the other lines of its sentence, or if it is
one of those that some files begin a sentence with, such as `# id 5`.
"""

import collections
import re

from trainers.data.texts import sentences
from trainers.data.texts.sentences import LineError
from trainers.data.texts.text_format import TextFormat
from trainers.errors import ConfigError

_BEGIN = "-DOCSTART-"
_COMMENT = re.compile(
    r"#\s*(?:(?:sent_)?id|newdoc|newpar|text|doc(?:ument)?|begin|end)\b.*[ =]"
)
# The names of the settings that mean the first and the last column.
_DEFAULTS = {"text": 0, "label": -1}


def read_rows(file, data, columns, report):
    """Yields the sentences of one file; see `rows`.

    Args:
        file: Path of the file.
        data: `TaggedTextDataConfig`.
        columns: Dict from `columns`.
        report: Function of the line and the problem of an unusable sentence.

    Yields:
        `(line, values)`.

    Raises:
        ConfigError: There is no such column.
    """
    numbers = {
        field: _number(field, columns[field], file)
        for field in _DEFAULTS.keys() & columns.keys()
    }

    def row_of(block):
        return _row(block, numbers, columns, file)

    yield from sentences.read_blocks(file, data, columns, report, row_of)


def _number(field, name, file):
    """Returns the number of a column."""
    if name == field:
        return _DEFAULTS[field]
    if not re.fullmatch(r"\d{1,3}", name):
        raise ConfigError(
            f"`--config.data.{field}_column` must be the number of a column of "
            f"{file}, from 0, or {field}, the "
            f"{'first' if field == 'text' else 'last'} one. Received: {name!r}."
        )
    return int(name)


def _row(block, numbers, columns, file):
    """Returns the values of a sentence, or `None` if it has no words."""
    lines = [(number, line, _cells(line)) for number, line in block]
    shapes = collections.Counter(_shape(*line[1:]) for line in lines)
    # Of equal counts that of the last line: comments are at the begin.
    shape = max(
        (_shape(*line[1:]) for line in reversed(lines)), key=shapes.__getitem__
    )
    words, tags = [], []
    for number, line, cells in lines:
        is_comment = line.startswith("#") and (
            _shape(line, cells) != shape or (not words and _COMMENT.match(line))
        )
        if is_comment or cells[0] == _BEGIN:
            continue
        if len(cells) != shape[1]:
            raise LineError(
                number,
                f"has {len(cells)} columns, and the other lines of the "
                f"sentence have {shape[1]}",
            )
        for field, found in (("text", words), ("label", tags)):
            if field in columns:
                found.append(_cell(cells, numbers[field], field, number, file))
    if not words:
        return None
    text, places = sentences.join(words)
    return sentences.row(text, places, tags if "label" in columns else None)


def _shape(line, cells):
    return "\t" in line, len(cells)


def _cells(line):
    if "\t" in line:
        return [cell.strip(" ") for cell in line.split("\t")]
    return re.split(" +", line.strip(" "))


def _cell(cells, column, field, number, file):
    if field == "label" and len(cells) == 1:
        raise LineError(
            number,
            f"has one column, {cells[0][:40]!r}, and must have a word and a "
            "tag, with a tab or a space between them",
        )
    if column >= len(cells):
        raise ConfigError(
            f"`--config.data.{field}_column` must be a column of {file}, from "
            f"0 to {len(cells) - 1}. Received: {column}, in line {number}."
        )
    if not cells[column]:
        what = "word" if field == "text" else "tag"
        raise LineError(number, f"has no {what} in column {column}")
    return cells[column]


CONLL = TextFormat(read_rows, place=", line ")
