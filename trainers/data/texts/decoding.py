"""From bytes to text.

Decoding does not stop at a byte that is not in the encoding. The text contains
a mark in its place, and `problem` names it.
"""

import codecs
import contextlib
import io

from trainers.data.texts import answers
from trainers.data.texts import foreign
from trainers.data.texts import packed
from trainers.runtime import text_encoding

_START = 1 << 16  # Bytes that show whether a file is another format.
# Valid UTF-8 with this many letters is no accident. Two bytes of Chinese in GBK
# are valid once in seven times.
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
        text: str. From `decode`, or from a stream of `decoded`.
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
        text: str. From `decode`, or from a stream of `decoded`.
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


class _Decoded(io.TextIOWrapper):
    """A stream of text; `str.translate` marks what is `wrong` in it."""

    wrong = {}


@contextlib.contextmanager
def decoded(stream, encoding, is_text=False):
    """Decodes a stream in a `with` block, with marks for wrong bytes.

    Args:
        stream: Buffered stream of bytes. It stays open.
        encoding: str.
        is_text: bool. Whether the whole file is a text, which can be an HTML
            page.

    Yields:
        Stream of text. Its `wrong` says for `str.translate` which further
        characters to mark.

    Raises:
        PackedError: It is no text.
    """
    start = stream.peek(_START)
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
        text.detach()  # The caller closes the stream.


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
