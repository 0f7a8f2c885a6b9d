"""From the name of a file to its kind, and advice where it has none."""

import os
import re

from trainers.config.kinds import SUFFIXES
from trainers.data.texts import foreign
from trainers.data.texts import packed
from trainers.data.texts import streams
from trainers.runtime import look_alikes
from trainers.runtime import text_encoding

# In characters. Enough for the header of a table.
_START = 1 << 16


def kind_of(file):
    """Returns the kind of a file by its name; `None` if it is unknown.

    Args:
        file: `pathlib.Path`.
    """
    return SUFFIXES.get(_suffix(file))


def foreign_words(file):
    """Returns what a file is that is no text, and what to do, or `None`.

    Args:
        file: `pathlib.Path`.
    """
    return foreign.by_suffix(_suffix(file))


def unknown_words(file, data):
    """Returns what to do about a file of an unknown kind, in sentences.

    Args:
        file: `pathlib.Path`.
        data: `TextDataConfig`.

    Returns:
        str. Its setting fits the content of the file, if it is known.
    """
    if words := foreign_words(file) or foreign.no_table(_suffix(file)):
        return f"It {words}."
    try:
        source = _source_of(file, data)
    except streams.READ_ERRORS as error:
        return f"It {streams.explain(error)}."
    if source is None:
        return (
            "Its content is none of these kinds. A table needs a first line "
            f"with the column {data.text_column!r}, which "
            "--config.data.text_column names. Or put each text into a .txt "
            "file in the folder of its class, and name the folder above."
        )
    setting = f"--config.data.source={source}"
    return f"It seems to be {source}: set {setting}, or give it that suffix."


def _suffix(file):
    return os.path.splitext(packed.name_inside(file))[1].lower()


def _source_of(file, data):
    """Returns the value of the source for the content of a file, or `None`."""
    with streams.open_file(file) as stream:
        start = stream.peek(_START)
    if source := foreign.source_of(start):
        return source
    encoding = text_encoding.marked_encoding(start)
    text = start.decode(encoding or "utf-8", "replace")
    text = text.lstrip("\ufeff").lstrip()
    line = text.partition("\n")[0]
    if re.match(r'\[\s*\{\s*"', text):
        return "json"
    if re.match(r'\{\s*"', text):
        return "jsonl" if line.rstrip().endswith("}") else "json"
    # A record of TFRecord begins with its length in eight bytes.
    if not encoding and b"\0\0\0\0" in start[:8]:
        return "tfrecord"
    if _has_column(line, "\t", data):
        return "tsv"
    return "csv" if any(_has_column(line, d, data) for d in ",;|") else None


def _has_column(line, delimiter, data):
    """Returns whether a first line has the column of texts.

    Prose has delimiters as well. Without a header, no name says what a table
    is.
    """
    cells = line.split(delimiter)
    if not data.header:
        return len(cells) > 1
    wanted = look_alikes.key(data.text_column)
    names = (cell.strip().strip('"') for cell in cells)
    return len(cells) > 1 and wanted in map(look_alikes.key, names)
