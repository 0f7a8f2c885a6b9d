"""CoNLL: a word on each line, with its tag in the last column.

A blank line ends a sentence. Tabs separate the columns, or else spaces. A line
with the word -DOCSTART- is skipped. A line that begins with `#` is a comment if
it does not have the columns of the file: with tabs, if it has no tab; with
spaces, if it has another number of columns. With the same number it is a word.
Before the first word of a sentence, `# NAME = ...`, `# newdoc` and
`#begin document` are always comments.

The columns of the file are those of most lines, so the file is read twice. What
a line means does not depend on the lines before it.
"""

import collections
import dataclasses
import re

from trainers.data.texts import sentences
from trainers.data.texts.sentences import LineError
from trainers.data.texts.text_format import TextFormat
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.objectives import entity_spans
from trainers.objectives import tag_schemes

_BEGIN = "-DOCSTART-"
# No row of words looks so.
_COMMENT = re.compile(
    r"# ?[a-z_]+(?: id)? = [^\t]*|# new(?:doc|par)(?: [^\t]*)?|"
    r"#(?:begin|end) document[^\t]*"
)
# The names of the settings that mean the first and the last column.
_DEFAULTS = {"text": 0, "label": -1}


@dataclasses.dataclass(frozen=True)
class _Shape:
    """What most lines of a file have in common.

    Attributes:
        has_tabs: bool. Whether tabs separate the columns.
        width: int. The number of columns.
        marks_entities: bool. Whether most last cells of lines with that number
            can mark entities, as B-X and O do.
    """

    has_tabs: bool
    width: int
    marks_entities: bool


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
    with sentences.repeatable_lines(file, data.encoding) as lines_fn:
        shape = _shape(lines_fn())

        def row_of(block):
            return _row(block, numbers, file, shape)

        yield from sentences.read_blocks(
            file, data, columns, report, row_of, lines_fn()
        )


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


def _shape(lines):
    """Returns the `_Shape` of a file, from its lines."""
    # By whether the line can be a comment.
    counts = {False: collections.Counter(), True: collections.Counter()}
    try:
        for line in lines:
            line = line.rstrip("\r\n")
            if not line.strip(" \t"):
                continue
            has_tabs, cells = "\t" in line, _cells(line)
            can_be_comment = line.startswith("#") and not has_tabs
            counts[can_be_comment][
                has_tabs, len(cells), _can_mark(cells[-1])
            ] += 1
    except DataError:
        pass  # The second reading raises it, after the rows before.
    found = counts[False] or counts[True]
    # A line of one cell has no separator.
    separated = collections.Counter()
    for (has_tabs, width, _), n in found.items():
        separated[has_tabs] += n * (width > 1)
    has_tabs = separated[True] >= max(separated[False], 1)
    widths, marks = collections.Counter(), collections.Counter()
    for (is_tabs, width, can_mark), n in found.items():
        if is_tabs == has_tabs:
            widths[width] += n
            marks[width] += n if can_mark else -n
    # Of equal counts the larger number: a program leaves empty columns out.
    width = max(widths, key=lambda width: (widths[width], width), default=1)
    return _Shape(has_tabs, width, marks[width] > 0)


def _row(block, numbers, file, shape):
    """Returns the values of a sentence, or `None` if it has no words.

    Args:
        block: List of `(number, line)`.
        numbers: Dict by field of the number of its column.
        file: Path of the file.
        shape: `_Shape` of the file.
    """
    rows = []
    for number, line in block:
        if "\r" in line:
            raise LineError(
                number,
                "has a carriage return inside. Lines must end with LF or "
                "CR LF. If all lines end with CR, "
                "`tr '\\r' '\\n' < FILE > NEW_FILE` corrects them",
            )
        cells = _cells(line)
        if line.startswith("#") and (
            _problem(line, cells, shape)
            or (not rows and not shape.has_tabs and _COMMENT.fullmatch(line))
        ):
            continue
        if cells[0] == _BEGIN:
            continue
        # A line of one cell has no separator.
        if len(cells) > 1 and (problem := _problem(line, cells, shape)):
            raise LineError(number, problem)
        rows.append((number, cells))
    if not rows:
        return None
    found = {
        field: _column(rows, column, field, file)
        for field, column in numbers.items()
    }
    num_uneven = 0
    if numbers.get("label") == _DEFAULTS["label"]:
        num_uneven = _num_uneven(rows, shape)
    text, places = sentences.join(found["text"])
    is_hash = found["text"][0] == "#" and not shape.has_tabs
    return sentences.row(
        text, places, found.get("label"), num_uneven, int(is_hash)
    )


def _problem(line, cells, shape):
    """Returns why a line does not have the columns of its file, or `None`.

    With tabs, the number of columns can differ: some programs leave empty ones
    out. With spaces, a word can have been cut.
    """
    has_tabs = "\t" in line
    if has_tabs != shape.has_tabs:
        names = ("spaces", "tabs")
        return (
            f"has {names[has_tabs]} between its columns, and most lines have "
            f"{names[shape.has_tabs]}"
        )
    if not has_tabs and len(cells) != shape.width:
        return f"has {len(cells)} columns, and most lines have {shape.width}"
    return None


def _num_uneven(rows, shape):
    """Returns how many rows have another number of columns than most.

    Some programs leave empty columns out, also of Japanese texts. The last cell
    of such a row is a tag if it looks like the tags of the file.

    Raises:
        LineError: The last cell of such a row is no tag.
    """
    uneven = [row for row in rows if len(row[1]) != shape.width]
    for number, cells in uneven:
        if not (shape.marks_entities and _can_mark(cells[-1])):
            raise LineError(
                number,
                f"has {len(cells)} columns, and most lines have {shape.width}. "
                f"Its last one, {cells[-1][:40]!r}, would be the tag. Write "
                "all columns, also the empty ones",
            )
    return len(uneven)


def _can_mark(tag):
    return tag == entity_spans.OUTSIDE or tag_schemes.split(tag) is not None


def _cells(line):
    if "\t" in line:
        return [cell.strip(" ") for cell in line.split("\t")]
    return re.split(" +", line.strip(" "))


def _column(rows, column, field, file):
    """Returns the cells of a column."""
    found = []
    for number, cells in rows:
        if field == "label" and len(cells) == 1:
            raise LineError(
                number,
                f"has one column, {cells[0][:40]!r}, and must have a word and "
                "a tag, with a tab or a space between them",
            )
        if column >= len(cells):
            raise ConfigError(
                f"`--config.data.{field}_column` must be a column of {file}, "
                f"from 0 to {len(cells) - 1}. Received: {column}, in line "
                f"{number}."
            )
        if not cells[column]:
            raise LineError(number, _without(cells, column, field))
        found.append(cells[column])
    return found


def _without(cells, column, field):
    """Returns the problem of an empty cell."""
    if field == "text":
        return f"has no word in column {column}"
    if column != _DEFAULTS["label"]:
        return f"has no tag in column {column}"
    problem = "has no tag in the last column, which is empty"
    last = max((n for n, cell in enumerate(cells) if cell), default=0)
    if not last:  # There is only the word.
        return problem
    return f"{problem}: name the column with --config.data.label_column={last}"


CONLL = TextFormat(read_rows, place=", line ")
