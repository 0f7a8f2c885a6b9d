"""Sentences in files of lines: blocks of lines, and the text of their words."""

import contextlib
import os
import tempfile
import unicodedata

from trainers.data.texts import decoding
from trainers.data.texts import file_kinds
from trainers.data.texts import streams
from trainers.errors import ConfigError
from trainers.errors import DataError

# The characters that BERT makes tokens of their own.
_CHINESE = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class LineError(Exception):
    """A problem of a line. Its arguments are the line and the problem."""


@contextlib.contextmanager
def repeatable_lines(file, encoding):
    """Gives the lines of a file more than once, in a `with` block.

    Args:
        file: Path of the file.
        encoding: str.

    Yields:
        Function without arguments. Each call returns an iterator over all
        lines, as `streams.read_lines`. The one before ends with the call.

    Raises:
        DataError: A pipe cannot be read. For a file, the iterators raise it.
    """
    if os.path.isfile(file):
        yield lambda: streams.read_lines(file, encoding)
        return
    # A pipe can be read only once.
    with tempfile.TemporaryFile(
        "w+", encoding="utf-8", errors="surrogatepass", newline="\n"
    ) as copy:
        copy.writelines(streams.read_lines(file, encoding))

        def lines():
            copy.seek(0)
            return iter(copy)

        yield lines


def read_blocks(file, data, columns, report, row_of_fn, lines=None):
    """Yields the row of each block of lines; a blank line ends a block.

    Args:
        file: Path of the file.
        data: `TaggedTextDataConfig`.
        columns: Dict from `columns`.
        report: Function of the line and the problem of an unusable row.
        row_of_fn: Function from a list of `(number, line)` to the values of a
            row, or `None` for a block without words. It raises `LineError`.
        lines: Iterable of the lines; `None` for those of the file.

    Yields:
        `(line, values)`: the number of the first line, and the values.

    Raises:
        ConfigError: The split of each row is wanted.
        DataError: The file cannot be read, or is another document.
    """
    if "split" in columns:
        raise ConfigError(
            "`--config.data.split_column` must be empty for files with a word "
            f"on each line. Received: {data.split_column!r} with {file}. Name "
            "a file for each split."
        )
    if lines is None:
        lines = streams.read_lines(file, data.encoding)
    is_first = True
    for block in _blocks(lines):
        try:
            for number, line in block:
                if problem := decoding.problem(line, data.encoding):
                    raise LineError(number, problem)
            if values := row_of_fn(block):
                yield block[0][0], values
        except LineError as error:
            if is_first and (words := file_kinds.not_rows_words(file, columns)):
                raise DataError(f"{file}: {words}") from None
            report(*error.args)
        is_first = False


def _blocks(lines):
    block = []
    for number, line in enumerate(lines, 1):
        # Other white space can be a word.
        line = line.rstrip("\r\n")
        if line.strip(" \t"):
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


def join(words):
    """Returns the text of words, and their places.

    Between two words is a space. Between two Chinese characters, or wide
    punctuation marks, is none: BERT makes each of them a token of its own, and
    the texts that a model is asked about have no space there either.

    Args:
        words: List of str, not empty.

    Returns:
        `(text, places)`: str, and a list of `[start, end]` in code points.

    >>> join(["In", "北", "京", "，", "today"])[0]
    'In 北京， today'
    """
    parts, places, end = [], [], 0
    for word in words:
        if parts and not (_is_apart(parts[-1][-1]) and _is_apart(word[0])):
            parts.append(" ")
            end += 1
        parts.append(word)
        places.append([end, end + len(word)])
        end += len(word)
    return "".join(parts), places


def _is_apart(character):
    if character < "\u2e80":
        return False
    if any(low <= ord(character) <= high for low, high in _CHINESE):
        return True
    is_wide = unicodedata.east_asian_width(character) in "WF"
    return is_wide and unicodedata.category(character).startswith("P")


def row(text, places, tags, num_uneven=0, num_hashes=0):
    """Returns the values of a row.

    Args:
        text: str.
        places: List of `[start, end]`.
        tags: List of str; `None` for rows without targets.
        num_uneven: int. Words whose line has another number of columns than
            most.
        num_hashes: int. 1 if the first word is `#` and can be a comment.
    """
    values = {"text": text.encode()}
    if tags is not None:
        values["label"] = {"words": places, "tags": tags}
        odd = {"num_uneven": num_uneven, "num_hashes": num_hashes}
        values["label"] |= {name: n for name, n in odd.items() if n}
    return values
