"""Names that look alike, and differ only for a computer."""

import collections
import unicodedata

# Characters without a shape that Unicode does not call format characters:
# those that choose a variant of a shape, fillers, and what only joins.
_INVISIBLE = {
    *range(0xFE00, 0xFE10),
    *range(0xE0100, 0xE01F0),
    *range(0x180B, 0x1810),
    *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
}
_QUOTES = dict.fromkeys("\u2018\u2019\u02bc\u2032\u0060\u00b4", "'")
_QUOTES |= dict.fromkeys("\u201c\u201d\u2033", '"')


def key(name):
    """Returns a text that is equal for names that look alike.

    It ignores case, the composition of letters, invisible characters, and what
    kind of white space, dashes and apostrophes there is.

    Args:
        name: str.

    >>> key("Caf\\u00e9\\u200b") == key("cafe\\u0301")
    True
    """
    # NFKC makes a space and an accent of the accent on a keyboard, and two
    # marks of one. Others are marks only after it.
    visible = "".join(_mark(c) for c in name if not _is_invisible(c))
    # The letters of `casefold` can be composed again.
    folded = unicodedata.normalize("NFKC", visible).casefold()
    folded = unicodedata.normalize("NFKC", folded)
    folded = "".join(map(_mark, folded))
    return " ".join("".join(c for c in folded if not _is_invisible(c)).split())


def _mark(character):
    """Returns the mark of a keyboard for one that programs put in its place."""
    if unicodedata.category(character) == "Pd" or character == "\u2212":
        return "-"
    return _QUOTES.get(character, character)


def _is_invisible(character):
    if character.isspace():
        return False
    is_control = unicodedata.category(character) in ("Cf", "Cc")
    return is_control or ord(character) in _INVISIBLE


def groups(names):
    """Returns the names that look alike, in groups of at least two.

    Args:
        names: List of str, all different.

    Returns:
        List of lists, in the order of the names.
    """
    found = collections.defaultdict(list)
    for name in names:
        found[key(name)].append(name)
    return [group for group in found.values() if len(group) > 1]


def hint(name, names):
    """Returns that an unknown name looks like a known one, or an empty text.

    Args:
        name: str.
        names: Iterable of str. The known names.

    >>> hint("Spam", ["ham", "spam"])
    " (looks like 'spam', and is written 'Spam')"
    """
    wanted = key(name)
    alike = next((n for n in names if n != name and key(n) == wanted), None)
    if alike is None:
        return ""
    return f" (looks like {shown(alike)}, and is written {shown(name)})"


def shown(name):
    """Returns a name in quotes. Characters that look like others are escaped.

    Args:
        name: str.

    >>> shown("cafe\\u0301"), shown("caf\\u00e9")
    ("'cafe\\\\u0301'", "'café'")
    """
    return "".join(_shown(c) for c in repr(name))


def _shown(character):
    is_clear = (
        unicodedata.normalize("NFC", character) == character
        and unicodedata.category(character)[0] != "M"
        and (character == " " or not character.isspace())
        and ord(character) not in _INVISIBLE
    )
    return character if is_clear else ascii(character)[1:-1]
