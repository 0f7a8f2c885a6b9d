"""Bytes, lines and texts of files and of stdin, unpacked and decoded.

Decoding does not stop at a byte that is not in the encoding. The line contains
a mark in its place, and `problem` names it.
"""

import codecs
import contextlib
import io
import sys

from trainers.data.texts import answers
from trainers.data.texts import foreign
from trainers.data.texts import packed
from trainers.errors import DataError
from trainers.runtime import text_encoding

STDIN = "-"
# Errors of opening and reading.
READ_ERRORS = (OSError, packed.PackedError)
_BUFFER = 1 << 16
# In characters. `--config.data.max_bytes` is at most 10,000,000, and what is
# packed in a small file can be a line of any length.
LONGEST_LINE = 1 << 26
# From so many letters on, valid UTF-8 is no accident. Two bytes of Chinese in
# GBK are valid once in seven times.
_SURE_LETTERS = 6
# A file that has nothing to do with the encoding: each byte is wrong.
_ALL_WRONG = {byte: 0xDC00 + byte for byte in range(256) if byte != 10}
# Texts of UTF-16 that are valid UTF-8: their control characters are wrong.
_CONTROL_WRONG = {
    byte: 0xDC00 + byte for byte in range(32) if not chr(byte).isspace()
}
# A file of UTF-8 instead of another encoding with ASCII: ASCII is right.
_HIGH_WRONG = {byte: 0xDC00 + byte for byte in range(0x80, 0x100)}
_ASCII = bytes(range(0x80))


class WrongBytes(str):
    """The problem of a row that is not in the encoding, in words.

    Attributes:
        sample: bytes. The row.
    """

    sample = b""

    @classmethod
    def of(cls, words, sample):
        """Returns the problem.

        Args:
            words: str.
            sample: bytes.
        """
        made = cls(words)
        made.sample = sample
        return made


def problem(text, encoding):
    """Returns the problem of a text with a wrong byte, or `None`.

    Args:
        text: str. From a function of this module.
        encoding: str. Its encoding.

    Returns:
        `WrongBytes` or `None`.
    """
    if text.isascii():  # Most lines are, and this is fast.
        return None
    words = text_encoding.wrong_byte(text, encoding)
    if words is None:
        return None
    sample = text_encoding.original_bytes(text.removesuffix("\n"), encoding)
    return WrongBytes.of(words, sample)


def first_mark(text):
    """Returns the position of the first wrong byte in a text that has one.

    Args:
        text: str. From a function of this module.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return error.start
    raise ValueError("The text has no wrong byte.")


def decode(content, encoding):
    """Returns bytes as a text in which wrong bytes are marked.

    Args:
        content: bytes. A whole text.
        encoding: str.
    """
    return content.decode(encoding, text_encoding.MARK)


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
            _decoded(stream, encoding, is_text=True) as lines,
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
        with open_file(file) as stream, _decoded(stream, encoding) as text:
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
        with open_file(file) as stream, _decoded(stream, encoding) as lines:
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


class _Decoded(io.TextIOWrapper):
    """A stream of text, with what `str.translate` marks in it besides."""

    wrong = {}


@contextlib.contextmanager
def _decoded(stream, encoding, is_text=False):
    """Yields a stream of bytes as text with marks for wrong bytes.

    An HTML page is an error, but if the whole file is a text.
    """
    start = stream.peek(_BUFFER)
    words = foreign.by_start(start)
    if words := words or (not is_text and answers.document(start)):
        raise packed.PackedError(words)
    wrong = _wrong_characters(start, encoding)
    if wrong in (_ALL_WRONG, _HIGH_WRONG):
        encoding = "latin-1"
    elif text_encoding.is_utf8(encoding):
        encoding = text_encoding.UTF_8
    # Only LF ends a line.
    text = _Decoded(stream, encoding, text_encoding.MARK, newline="\n")
    text.wrong = wrong
    try:
        yield text
    finally:
        text.detach()  # Whoever opened the stream closes it.


def _wrong_characters(start, encoding):
    """Returns what is wrong in a file because its start is not the encoding."""
    name = codecs.lookup(encoding).name
    marked = text_encoding.marked_encoding(start)
    if text_encoding.is_utf8(name):
        # Bytes of another mark are no UTF-8 anyway.
        is_wide = text_encoding.unmarked_encoding(start)
        return _CONTROL_WRONG if is_wide and not marked else {}
    if name in ("utf-16", "utf-32"):
        # Without a mark, nothing says the order of the bytes.
        return _ALL_WRONG if start and marked != name else {}
    if marked and marked != text_encoding.UTF_8:
        is_right = name.startswith(marked) and start.startswith(
            "\ufeff".encode(name)
        )
        return {} if is_right else _ALL_WRONG
    if not marked and not _is_surely_utf8(start, name):
        return {}
    return _HIGH_WRONG if _contains_ascii(name) else _ALL_WRONG


def _contains_ascii(name):
    return _ASCII.decode(name, text_encoding.MARK) == _ASCII.decode("ascii")


def _is_surely_utf8(start, name):
    if name.startswith(("utf", "iso2022", "hz")) or start.isascii():
        return False
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        text = decoder.decode(start)  # Its last letter can be cut.
    except UnicodeDecodeError:
        return False
    return sum(not c.isascii() for c in text) >= _SURE_LETTERS


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
