"""Tells texts of people from letters that are there by accident."""

import unicodedata

# Letters that people write, without rare ones: encodings of two bytes, and the
# largest first byte. Each has a quarter of the Chinese letters of Unicode, or a
# fifth of the Korean ones. Other bytes that are read as UTF-16 rarely give one.
_FREQUENT = (
    *(("gb2312", 0xD7), ("big5", 0xC6), ("shift_jis", 0x97)),
    ("euc_kr", 0xC8),
)
# More letters of a text do not change what it is.
_NUM_LETTERS = 1000
# Largest share of other letters in a text, such as those of names.
_RARE_SHARE = 0.125
# Smallest share of letters, marks and spaces in a text that was read rightly.
# In UTF-16 that was read as another encoding, half are digits and symbols.
_WORD_SHARE = 0.7
# Terminals once drew boxes with them. In a text they are misread letters.
_BOXES = ("\u2500", "\u259f")


def is_written(text):
    """Returns whether people write the letters of a text together.

    They are those of one alphabet, or the frequent ones of China, Japan or
    Korea.

    Args:
        text: str.

    >>> is_written("很差的商品"), is_written("⢍쾑ൎᦕ")
    (True, False)
    """
    text = text[:_NUM_LETTERS]
    # Above are the letters of China, Japan and Korea.
    if len({ord(c) >> 8 for c in text}) == 1 and text < "\u2e80":
        return True  # An alphabet.
    most = _RARE_SHARE * len(text)
    return any(
        sum(not _is_frequent(c, *group) for c in text) <= most
        for group in _FREQUENT
    )


def _is_frequent(character, encoding, last):
    try:
        return character.encode(encoding)[0] <= last
    except UnicodeEncodeError:
        return False


def is_misread(text):
    """Returns whether a text looks like UTF-16 that was read as another one.

    Args:
        text: str.

    >>> is_misread("ê_¯]ävFU┴T"), is_misread("très déçu")
    (True, False)
    """
    if any(_BOXES[0] <= c <= _BOXES[1] or c in "\x0b\x0c" for c in text):
        return True
    if any("\u2e80" <= c for c in text) and not is_written(text):
        return True
    words = sum(c.isspace() or unicodedata.category(c)[0] in "LM" for c in text)
    return words < _WORD_SHARE * len(text)
