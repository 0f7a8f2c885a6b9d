"""From the name of a file to its kind, and advice where it has none."""

import dataclasses
import os
import re

from trainers.config.kinds import SUFFIXES
from trainers.data.texts import answers
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


def allowed(data):
    """Returns the kinds of files that the source `files` can be.

    Args:
        data: `TextDataConfig`.

    Returns:
        Tuple of str. It can have other values of the source, too.
    """
    (source,) = (f for f in dataclasses.fields(data) if f.name == "source")
    return source.metadata["rule"]["choices"]


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
        start = _start_of(file)
    except streams.READ_ERRORS as error:
        return f"It {streams.explain(error)}."
    if words := answers.in_place_of(start, {"text": data.text_column}):
        return f"It {words}."
    source = _source_of(start, data)
    if source is None and data.per_token:
        return (
            "Its content is none of these kinds. Write a word and its tag on "
            "each line, with a tab between them and a blank line after each "
            "sentence, and name the file .conll."
        )
    if source is None:
        folder = (
            " Or put each text into a .txt file in the folder of its class, "
            "and name the folder above."
        )
        return (
            "Its content is none of these kinds. A table needs a first line "
            f"with the column {data.text_column!r}, which "
            "--config.data.text_column names."
            f"{folder if 'text_folder' in allowed(data) else ''}"
        )
    return f"It {_seems(source)}."


def not_rows_words(file, columns, source=None):
    """Returns what a file without rows is and what to do, or `None`.

    Args:
        file: Path of a file whose first row is unusable.
        columns: Dict from `columns`.
        source: str. The value of the source that reads it, if it is no text.
    """
    start = _start_again(file)
    if source and foreign.source_of(start) == source:
        return None  # It is damaged.
    return foreign.by_start(start) or answers.in_place_of(start, columns)


def words_in_place_of(file):
    """Returns what is in place of a file that is no text, or `None`.

    Args:
        file: Path of a file that cannot be used.
    """
    return answers.in_place_of(_start_again(file), {})


def json_words(file):
    """Returns what to do about a file that seems to be JSON, or `None`.

    Args:
        file: Path of the file.
    """
    source = _json_source(_decoded(_start_again(file)))
    return source and _seems(source)


def _start_again(file):
    """Returns the first bytes of a file; none if it cannot be read again."""
    if not os.path.isfile(file):  # A pipe can be read only once.
        return b""
    try:
        return _start_of(file)
    except streams.READ_ERRORS:
        return b""


def _start_of(file):
    with streams.open_file(file) as stream:
        return stream.peek(_START)


def _seems(source):
    setting = f"--config.data.source={source}"
    return f"seems to be {source}: set {setting}, or give it that suffix"


def _suffix(file):
    return os.path.splitext(packed.name_inside(file))[1].lower()


def _source_of(start, data):
    """Returns the value of the source for the content of a file, or `None`."""
    if source := foreign.source_of(start):
        return source
    text = _decoded(start)
    if source := _json_source(text):
        return source
    if data.per_token:
        return _tagged_source(text)
    # A record of TFRecord begins with its length in eight bytes.
    encoding = text_encoding.marked_encoding(start)
    if not encoding and b"\0\0\0\0" in start[:8]:
        return "tfrecord"
    line = text.partition("\n")[0]
    if _has_column(line, "\t", data):
        return "tsv"
    return "csv" if any(_has_column(line, d, data) for d in ",;|") else None


def _decoded(start):
    return text_encoding.decoded_start(start).lstrip("\ufeff").lstrip()


def _json_source(text):
    """Returns the source that reads JSON, or `None` for another text."""
    line = text.partition("\n")[0]
    if re.match(r'\[\s*\{\s*"', text):
        return "json"
    if re.match(r'\{\s*"', text):
        return "jsonl" if line.rstrip().endswith("}") else "json"
    return None


def _tagged_source(text):
    """Returns the source for words with tags, or `None` for another text."""
    lines = [line for line in text.split("\n")[:-1] if line[:1] != "#"]
    cells = [line.split() for line in lines if line.strip()]
    # Prose has lines of more, and of one word.
    if not cells or not all(2 <= len(row) <= 20 for row in cells):
        return None
    is_conllu = all(line.count("\t") == 9 for line in lines if line.strip())
    if is_conllu and all(row[0][:1].isdigit() for row in cells):
        return "conllu"
    return "conll" if len({len(row) for row in cells}) == 1 else None


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
