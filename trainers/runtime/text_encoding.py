"""Encodings of texts: those that Python has, and the one that bytes seem to be.

Decoding never stops at a wrong byte. With the error handler `MARK`, it puts a
character in its place that no text contains, so that all of them can be named.
"""

import codecs
import dataclasses
import re
import unicodedata
import warnings

from trainers.runtime import frequent_letters

# Name of the error handler. A wrong byte 0xNN becomes U+DCNN, half of a
# surrogate pair.
MARK = "tfmodels_mark"
UTF_8 = "utf-8"
# By the first bytes of a file. UTF-32 is first: its mark begins like UTF-16's.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8"),
)
_WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
# What people have. With the 80 others that chardet knows, it takes short
# texts for encodings that nothing writes.
_COMMON = [
    *("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256"),
    *("cp1257", "cp1258", "cp874", "koi8-r", "koi8-u", "cp866", "cp437"),
    *("cp850", "cp852", "mac-roman", "mac-cyrillic", "gb18030", "big5"),
    *("big5hkscs", "cp932", "euc-jp", "iso2022_jp_2", "cp949", "johab"),
]
_NUM_GUESSES = 2
# In characters of the text that a guess shows.
_SHOWN = 40
# Largest share of control characters in a text. One in a hundred is a slip.
_TEXT_SHARE = 0.01
# Control characters, unassigned ones, those of private use, and halves of
# surrogate pairs.
_NO_TEXT = ("Cc", "Cn", "Co", "Cs")
_CONTROL_BYTES = bytes(b for b in range(32) if not chr(b).isspace())
_OTHER_BYTES = bytes(b for b in range(256) if b not in _CONTROL_BYTES)
# Smallest share of control bytes in UTF-16. In an alphabet, every second byte
# is one, except in spaces.
_WIDE_SHARE = 0.3
# Fewer letters of UTF-16 are no proof: 0.25 ** 4 is 1 in 256.
_FEW_LETTERS = 4


def _mark(error):
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return chr(0xDC00 + error.object[error.start]), error.start + 1


codecs.register_error(MARK, _mark)


@dataclasses.dataclass(frozen=True)
class Guess:
    """An encoding that bytes can have.

    Attributes:
        encoding: str. Name for Python.
        text: str. The start of the text in this encoding.
    """

    encoding: str
    text: str


def problem(name):
    """Returns the rule that the name of an encoding breaks, or `None`.

    Args:
        name: str.

    >>> problem("cp1251"), problem("UTF-8")
    (None, None)
    >>> problem("hex")
    'an encoding of texts that Python knows, such as utf-8, utf-16, cp1252'
    """
    try:
        with warnings.catch_warnings():
            # `unicode_escape` warns of escapes that do not exist.
            warnings.simplefilter("ignore")
            # UTF-16 needs the mark that `encode` writes. Some encodings, such
            # as `idna`, cannot continue after a wrong byte.
            content = "a".encode(name) + bytes(range(256))
            decoder = codecs.getincrementaldecoder(name)(MARK)
            is_text = isinstance(decoder.decode(content, True), str)
    except Exception:
        # A codec can raise any error.
        is_text = False
    if is_text:
        return None
    return (
        "an encoding of texts that Python knows, such as utf-8, utf-16, cp1252"
    )


def is_utf8(name):
    """Returns whether a name is one of UTF-8.

    Args:
        name: str. Name of an encoding.
    """
    return codecs.lookup(name).name in ("utf-8", "utf-8-sig")


def wrong_byte(text, encoding):
    """Returns the first byte that is not in an encoding, in words, or `None`.

    Args:
        text: str. Decoded with `MARK`.
        encoding: str. Name of the encoding.

    Returns:
        str, such as "is not UTF-8: byte 0xe9 at position 4".
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        number = ord(text[error.start]) - 0xDC00
        if not 0 <= number <= 0xFF:  # From `utf-7` and `unicode_escape`.
            return "has half a surrogate pair, which is not Unicode"
        name = UTF_8 if is_utf8(encoding) else encoding
        before = text[: error.start].encode(name, "replace")
        position = len(before) - len("".encode(name)) + 1
        words = "UTF-8" if is_utf8(encoding) else encoding
        return f"is not {words}: byte {number:#04x} at position {position}"
    return None


def original_bytes(text, encoding):
    """Returns the bytes that gave a text.

    Args:
        text: str. Decoded with `MARK`.
        encoding: str. Name of the encoding.
    """
    parts = re.split("([\udc00-\udcff])", text)
    mark = "".encode(encoding)  # That of UTF-16, which begins each `encode`.
    return b"".join(
        bytes([ord(part) - 0xDC00])
        if number % 2
        else part.encode(encoding, "replace").removeprefix(mark)
        for number, part in enumerate(parts)
    )


def escaped(text):
    """Returns a text that UTF-8 can encode, as the name of a file may not be.

    What is no Unicode becomes an escape, which is right in JSON as well.

    Args:
        text: str. A byte 0xNN of a name that is not UTF-8 is U+DCNN in it.

    >>> escaped("caf\\udce9.txt")
    'caf\\\\udce9.txt'
    """
    return text.encode(UTF_8, "backslashreplace").decode(UTF_8)


def marked_encoding(start):
    """Returns the encoding that a byte order mark names, or `None`.

    Args:
        start: bytes. The first bytes of a file.
    """
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    return None


def decoded_start(start):
    """Returns the text of the first bytes of a file, with its mark.

    The encoding is that of the mark, else UTF-8.

    Args:
        start: bytes.
    """
    return start.decode(marked_encoding(start) or UTF_8, "replace")


def unmarked_encoding(start):
    """Returns the UTF-16 or UTF-32 that bytes without a mark have, or `None`.

    As UTF-8 they can be valid, but full of control characters.

    Args:
        start: bytes. The first bytes of a file.
    """
    control = len(start.translate(None, _OTHER_BYTES))
    if b"\0" not in start and control < _WIDE_SHARE * len(start):
        return None
    if _wrong_share(start.decode(UTF_8, MARK)) < _TEXT_SHARE:
        return None
    return _wide_encoding(start)


def _wide_encoding(start):
    """Returns the UTF-16 or UTF-32 that bytes have, if they can have one."""
    found = []
    for encoding in _WIDE:
        # The second half of a surrogate pair can be missing at the end.
        whole = start[: len(start) // _width(encoding) * _width(encoding)]
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            text = decoder.decode(whole)
        except UnicodeDecodeError:
            continue
        if text and _wrong_share(text) < _TEXT_SHARE:
            # A text has letters of few alphabets. With its bytes in the wrong
            # order, it has some from all over Unicode.
            num_blocks = len({ord(c) >> 8 for c in text})
            found.append(
                (frequent_letters.is_written(text), -num_blocks, encoding)
            )
    return max(found)[2] if found else None


def _width(encoding):
    return 4 if "32" in encoding else 2


def _wrong_share(text):
    """Returns the share of characters that no text contains."""
    wrong = sum(
        unicodedata.category(c) in _NO_TEXT and not c.isspace() for c in text
    )
    return wrong / max(len(text), 1)


def guesses(sample, is_cut=False):
    """Returns the encodings that bytes seem to have, the likeliest first.

    Args:
        sample: bytes. They are not in the encoding that was expected.
        is_cut: bool. Whether the last letter can be cut.

    Returns:
        List of `Guess`, at most two. It is empty if no encoding fits.
    """
    texts, names = {}, _likely_names(sample, is_cut)
    for name in names:
        try:
            decoder = codecs.getincrementaldecoder(name)()
            text = decoder.decode(sample, not is_cut)
        except (UnicodeDecodeError, LookupError):
            continue
        if _wrong_share(text) < _TEXT_SHARE:
            texts.setdefault(text, codecs.lookup(name).name)
    if names != [UTF_8] and (name := _wide_encoding(sample)):
        # Chinese in UTF-16 without spaces has no control characters. Half of
        # a line end can be missing.
        size = len(sample) // _width(name) * _width(name)
        wide = sample[:size].decode(name, MARK)
        is_likely = len(wide) >= _FEW_LETTERS and frequent_letters.is_written(
            wide
        )
        if not texts or (
            is_likely and frequent_letters.is_misread(next(iter(texts)))
        ):
            texts = {wide: name} | texts
    chosen = list(texts.items())[:_NUM_GUESSES]
    position = _where_to_look([text for text, _ in chosen])
    return [Guess(name, _around(text, position)) for text, name in chosen]


def _likely_names(sample, is_cut):
    """Returns the names of encodings, the likeliest first."""
    if name := marked_encoding(sample) or unmarked_encoding(sample):
        return [name]
    try:
        decoder = codecs.getincrementaldecoder(UTF_8)("surrogatepass")
        decoder.decode(sample, not is_cut)
        # With halves of surrogate pairs, it is in no encoding of texts.
        return [UTF_8]
    except UnicodeDecodeError:
        pass
    import chardet  # Only errors need it.

    found = {
        guess["encoding"]: guess["confidence"]
        for guess in chardet.detect_all(
            sample, ignore_threshold=True, include_encodings=_COMMON
        )
        if guess["encoding"]  # An image, for example, has none.
    }
    western = "Windows-1252"
    # Few letters fit to several encodings of Latin letters as well. Most files
    # have this one.
    if found.get(western, 0) >= max(found.values(), default=0) / 2 > 0:
        return [western, *found]
    return list(found)


def _where_to_look(texts):
    """Returns the first position where texts differ, or is beyond ASCII."""
    pairs = zip(*texts, strict=False)
    different = (i for i, pair in enumerate(pairs) if len(set(pair)) > 1)
    letters = (i for t in texts[:1] for i, c in enumerate(t) if not c.isascii())
    return next(different if len(texts) > 1 else letters, 0)


def _around(text, position):
    """Returns the part of a line around a position."""
    start = max(text.rfind("\n", 0, position) + 1, position - _SHOWN // 2)
    part = text[start:].removeprefix("\ufeff")
    return part.strip().partition("\n")[0].strip()[:_SHOWN]
