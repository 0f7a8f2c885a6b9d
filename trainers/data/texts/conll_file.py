"""CoNLL: a word on each line, with its tag in the last column.

A blank line ends a sentence. Tabs separate the columns, or else spaces. A line
with the word -DOCSTART- is skipped. A line that begins with `#` is a comment if
it has no tabs, but the other lines of its sentence have, or, with spaces,
another number of columns. With the same number it is a word. Before the first
word of a sentence, `# NAME = ...`, `# newdoc` and `#begin document` are always
comments.
"""

import collections
import re

from trainers.data.texts import sentences
from trainers.data.texts.sentences import LineError
from trainers.data.texts.text_format import TextFormat
from trainers.errors import ConfigError
from trainers.objectives import entity_spans
from trainers.objectives import tag_schemes

_BEGIN = "-DOCSTART-"
# No row of words looks so.
_COMMENT = re.compile(
    r"# ?[a-z_]+(?: id)? = [^\t]*|# new(?:doc|par)(?: [^\t]*)?|"
    r"#(?:begin|end) document[^\t]*"
)
# A comment if its sentence has no other lines, unless those of the file have
# the same number of columns.
_ALONE = re.compile(r"# ?(?:(?:sent_)?id|text|doc(?:ument)?|begin|end) [^\t]*")
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

    shapes, tags = collections.Counter(), collections.Counter()

    def row_of(block):
        return _row(block, numbers, file, shapes, tags)

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


def _row(block, numbers, file, shapes, tags):
    """Returns the values of a sentence, or `None` if it has no words.

    Args:
        block: List of `(number, line)`.
        numbers: Dict by field of the number of its column.
        file: Path of the file.
        shapes: `Counter` of the shapes of the words of the file so far.
        tags: `Counter` of bool: whether the tags so far can mark entities.
    """
    lines = [(number, line, _cells(line)) for number, line in block]
    shape = _usual_shape(lines)
    is_alone = shape not in shapes and all(
        _ALONE.fullmatch(line) or _COMMENT.fullmatch(line) for _, line in block
    )
    rows = []
    for number, line, cells in lines:
        is_comment = line.startswith("#") and (
            is_alone
            or _is_other(line, cells, shape)
            or (not rows and _COMMENT.fullmatch(line))
        )
        if is_comment or cells[0] == _BEGIN:
            continue
        if _is_other(line, cells, shape):
            raise LineError(
                number,
                f"has {len(cells)} columns, and the other lines of the "
                f"sentence have {shape[1]}",
            )
        rows.append((number, cells))
    if not rows:
        return None
    shapes.update((shape[0], len(cells)) for _, cells in rows)
    num_narrow = 0
    if numbers.get("label") == _DEFAULTS["label"] and shape[0]:
        num_narrow = _num_narrow(rows, shapes, tags)
    found = {
        field: _column(rows, column, field, file)
        for field, column in numbers.items()
    }
    text, places = sentences.join(found["text"])
    return sentences.row(text, places, found.get("label"), num_narrow)


def _num_narrow(rows, shapes, tags):
    """Returns how many rows have fewer columns than most of the file so far.

    Some programs leave empty columns out, also of Japanese texts. The last cell
    of such a row is a tag if it looks like the tags of the file.

    Raises:
        LineError: The last cell of such a row is no tag.
    """
    count = max(shapes.values())
    width = max(size for (_, size), n in shapes.items() if n == count)
    tags.update(
        _can_mark(cells[-1]) for _, cells in rows if len(cells) >= width
    )
    narrow = [
        (number, cells) for number, cells in rows if 1 < len(cells) < width
    ]
    for number, cells in narrow:
        if not (_can_mark(cells[-1]) and tags[True] > tags[False]):
            raise LineError(
                number,
                f"has {len(cells)} columns, and most lines have {width}. Its "
                f"last one, {cells[-1][:40]!r}, would be the tag. Write all "
                "columns, also the empty ones",
            )
    return len(narrow)


def _can_mark(tag):
    return tag == entity_spans.OUTSIDE or tag_schemes.split(tag) is not None


def _cells(line):
    if "\t" in line:
        return [cell.strip(" ") for cell in line.split("\t")]
    return re.split(" +", line.strip(" "))


def _usual_shape(lines):
    """Returns whether most lines have tabs, and the number of their cells."""
    shapes = collections.Counter(
        ("\t" in line, len(cells)) for _, line, cells in reversed(lines)
    )
    # Of equal counts that of the last line: comments are at the begin.
    return shapes.most_common(1)[0][0]


def _is_other(line, cells, shape):
    """Returns whether a line does not have the columns of its sentence.

    With tabs, the number of columns can differ: some programs leave empty ones
    out. With spaces, a word can have been cut.
    """
    has_tabs = "\t" in line
    return has_tabs != shape[0] or (not has_tabs and len(cells) != shape[1])


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
            what = "word" if field == "text" else "tag"
            raise LineError(number, f"has no {what} in column {column}")
        found.append(cells[column])
    return found


CONLL = TextFormat(read_rows, place=", line ")
