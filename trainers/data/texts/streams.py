"""Bytes, lines and texts of files and of stdin, unpacked and decoded.

A text has a mark in place of each wrong byte, see `decoding`.
"""

import contextlib
import io
import sys

from trainers.data.texts import decoding
from trainers.data.texts import packed
from trainers.errors import DataError

STDIN = "-"
# Errors of opening and reading.
READ_ERRORS = (OSError, packed.PackedError)
_BUFFER = 1 << 16
# In characters. `--config.data.max_bytes` is at most 10,000,000, and what is
# packed in a small file can be a line of any length.
LONGEST_LINE = 1 << 26


def read_text(file, encoding):
    """Returns all text of a file, without a byte order mark.

    Args:
        file: Path of the file.
        encoding: str.

    Raises:
        DataError: The file cannot be read, is too large, or is no text.
    """
    try:
        with (
            open_file(file) as stream,
            decoding.decoded(stream, encoding, is_text=True) as lines,
        ):
            text = lines.read(LONGEST_LINE + 1)
            if len(text) > LONGEST_LINE:
                raise DataError(f"{file}: {_too_long('a text')}.")
            return text.translate(lines.wrong).removeprefix("\ufeff")
    except READ_ERRORS as error:
        raise DataError(f"{file}: {explain(error)}") from None


def read_chunks(file, encoding):
    """Yields the text of a file in parts, without a byte order mark.

    Args:
        file: Path of the file, or `-` for stdin.
        encoding: str.

    Yields:
        str, not empty.

    Raises:
        DataError: The file cannot be read, or is no text.
    """
    is_first = True
    try:
        with (
            open_file(file) as stream,
            decoding.decoded(stream, encoding) as text,
        ):
            while chunk := text.read(_BUFFER):
                if is_first:
                    chunk = chunk.removeprefix("\ufeff")
                    is_first = False
                if chunk:
                    yield chunk.translate(text.wrong)
    except READ_ERRORS as error:
        raise DataError(f"{name_of(file)}: {explain(error)}") from None


def read_lines(file, encoding):
    """Yields the lines of a file or of stdin, with their line ends.

    A byte order mark is dropped.

    Args:
        file: Path of the file, or `-` for stdin.
        encoding: str.

    Yields:
        str.

    Raises:
        DataError: The file cannot be read, a line is too long, or the file is
            no text.
    """
    number = 0
    try:
        with (
            open_file(file) as stream,
            decoding.decoded(stream, encoding) as lines,
        ):
            while line := lines.readline(LONGEST_LINE + 1):
                if len(line) > LONGEST_LINE:
                    raise packed.PackedError(_too_long("a line"))
                number += 1
                if number == 1:
                    line = line.removeprefix("\ufeff")
                    if not line:  # Nothing but the mark.
                        return
                yield line.translate(lines.wrong) if lines.wrong else line
    except READ_ERRORS as error:
        raise DataError(
            f"{name_of(file)}, line {number + 1}: {explain(error)}"
        ) from None


def read_plain_texts(file, encoding):
    """Yields the lines of a file or of stdin, without line ends.

    Args:
        file: Path of the file, or `-` for stdin.
        encoding: str.

    Yields:
        `(where, line)`: the place of the line, for messages, and the line.

    Raises:
        DataError: As for `read_lines`.
    """
    for number, line in enumerate(read_lines(file, encoding), 1):
        text = line.removesuffix("\n").removesuffix("\r")
        yield f"{name_of(file)}, line {number}", text


def name_of(file):
    """Returns the name of a file for messages.

    Args:
        file: Path of the file, or `-` for stdin.
    """
    return "stdin" if file == STDIN else file


@contextlib.contextmanager
def open_file(file):
    """Opens a file or stdin as a stream of bytes and unpacks it.

    Opening and reading raise `READ_ERRORS`.

    Args:
        file: Path of the file, or `-` for stdin.

    Yields:
        Buffered stream of bytes.
    """
    if file == STDIN:
        stdin = sys.stdin.buffer
        yield packed.unpacked(
            stdin if hasattr(stdin, "peek") else io.BufferedReader(stdin)
        )
        return
    with open(file, "rb", buffering=_BUFFER) as stream:
        yield packed.unpacked(stream)


def explain(error):
    """Returns the problem of an error in words.

    Args:
        error: One of `READ_ERRORS`.
    """
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return str(error)


def _too_long(what):
    return f"{what} must have at most {LONGEST_LINE:,} characters"
