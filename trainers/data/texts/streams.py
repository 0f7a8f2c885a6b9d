"""Bytes and lines of files and of stdin, with or without gzip."""

import contextlib
import gzip
import io
import sys
import zlib

from trainers.errors import DataError

STDIN = "-"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Errors of opening and reading. The last two are gzip data that end too early
# and damaged gzip data.
READ_ERRORS = (OSError, EOFError, zlib.error)


def read_bytes(file):
    """Returns all bytes of a file, without a byte order mark.

    Args:
        file: Path of the file.

    Raises:
        DataError: The file cannot be read, or is damaged gzip.
    """
    try:
        with open_file(file) as stream:
            return stream.read().removeprefix(_BYTE_ORDER_MARK)
    except READ_ERRORS as error:
        raise DataError(f"{file}: {explain(error)}") from None


def read_lines(file):
    """Yields the lines of a file or of stdin, with their line ends.

    A byte order mark is dropped.

    Args:
        file: Path of the file, or `-` for stdin.

    Yields:
        bytes.

    Raises:
        DataError: The file cannot be read, or is damaged gzip.
    """
    number = 0
    try:
        with open_file(file) as stream:
            for number, line in enumerate(stream, 1):
                if number == 1:
                    line = line.removeprefix(_BYTE_ORDER_MARK)
                yield line
    except READ_ERRORS as error:
        name = "stdin" if file == STDIN else file
        raise DataError(
            f"{name}, line {number + 1}: {explain(error)}"
        ) from None


def read_plain_texts(file):
    """Yields the lines of a file or of stdin, without line ends.

    Args:
        file: Path of the file, or `-` for stdin.

    Yields:
        `(where, line)`: the place of the line, for messages, and its bytes.

    Raises:
        DataError: The file cannot be read, or is damaged gzip.
    """
    name = "stdin" if file == STDIN else file
    for number, line in enumerate(read_lines(file), 1):
        text = line.removesuffix(b"\n").removesuffix(b"\r")
        yield f"{name}, line {number}", text


@contextlib.contextmanager
def open_file(file):
    """Opens a file or stdin as a stream of bytes and unpacks gzip.

    Opening and reading raise `READ_ERRORS`.

    Args:
        file: Path of the file, or `-` for stdin.

    Yields:
        Buffered stream of bytes.
    """
    if file == STDIN:
        stdin = sys.stdin.buffer
        yield _unpacked(
            stdin if hasattr(stdin, "peek") else io.BufferedReader(stdin)
        )
        return
    with open(file, "rb") as stream:
        yield _unpacked(stream)


def is_gzip(stream):
    """Returns whether the next bytes of a stream are the start of a gzip file.

    Args:
        stream: Buffered stream of bytes. Its position does not change.
    """
    return stream.peek(3)[:3] == b"\x1f\x8b\x08"


def not_utf8(error):
    """Returns the problem of a `UnicodeDecodeError` in words.

    Args:
        error: `UnicodeDecodeError`.
    """
    byte = error.object[error.start]
    return f"is not UTF-8: byte {byte:#04x} at position {error.start + 1}"


def _unpacked(stream):
    if is_gzip(stream):
        # `GzipFile` itself reads each line in Python code, which is slower.
        return io.BufferedReader(gzip.GzipFile(fileobj=stream), 1 << 16)
    return stream


def explain(error):
    """Returns the problem of an error in words.

    Args:
        error: One of `READ_ERRORS`.
    """
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return f"damaged or cut gzip data: {error}"
