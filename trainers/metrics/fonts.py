"""Finds installed fonts that can draw class names."""

import contextlib
import functools
import logging
import unicodedata

from trainers.runtime import markdown

# Comes with Matplotlib. Other fonts draw only what it lacks.
_FIRST = "DejaVu Sans"
# Comes with Matplotlib too, and draws a placeholder for every character.
_PLACEHOLDERS = "Last Resort"
_MOST_COLUMNS = 24


@functools.lru_cache(maxsize=4)
def drawable(class_names):
    """Returns how class names can be drawn, and logs once what cannot.

    Letters of scripts from right to left are joined and ordered by Matplotlib.

    Args:
        class_names: Tuple of str. Names in label order.

    Returns:
        `(labels, families)`: the labels in label order, a list of str, and
        names of fonts for Matplotlib's `fontfamily`, a list of str. A label is
        the name, cut to 24 columns. If no font has all of its characters, it is
        the number of the class, such as `#3`.
    """
    names = [markdown.one_line(name) for name in class_names]
    families, missing = _families_for(frozenset().union(*names))
    labels = [
        f"#{number}" if missing.intersection(name) else _shorten(name)
        for number, name in enumerate(names)
    ]
    if missing:
        numbered = [i for i, x in enumerate(names) if missing.intersection(x)]
        first = numbered[0]
        logging.getLogger(__name__).warning(
            "pictures show numbers in place of %s of %s class names, which "
            "have characters that no installed font has, such as %r: #%d is "
            "%r. The text `class_numbers` beside the pictures has the other "
            "names; a number is the place in `labels.json`, from 0. After such "
            "a font is installed, the next start shows names.",
            f"{len(numbered):,}",
            f"{len(names):,}",
            min(missing),
            first,
            class_names[first],
        )
    return labels, families


def is_number(label, number):
    """Returns whether a label of `drawable` is a number in place of a name.

    Args:
        label: str.
        number: int. Position of the class.
    """
    return label == f"#{number}"


@contextlib.contextmanager
def quiet():
    """Keeps Matplotlib from logging that a font has no normal weight."""
    logger = logging.getLogger("matplotlib.font_manager")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _families_for(characters):
    """Returns names of fonts, and the characters that none of them has."""
    # Imported here: it takes a second, or more if it looks for fonts.
    from matplotlib import font_manager

    manager = font_manager.fontManager
    families = [_FIRST]
    with quiet():
        first = font_manager.findfont(_FIRST)
    missing = {c for c in characters if not _needs_no_glyph(c)}
    missing -= _characters_of(first, first.face_index, missing)
    if missing:
        _add_new(manager)
    candidates = _fonts(manager) if missing else {}
    while missing and candidates:
        found = {
            family: _characters_of(*place, missing)
            for family, place in candidates.items()
        }
        best = max(found, key=lambda family: len(found[family]))
        if not found[best]:
            break
        families.append(best)
        missing -= found[best]
        del candidates[best]
    return families, missing


def _needs_no_glyph(character):
    """Returns whether a character only changes how others are drawn."""
    is_selector = "\ufe00" <= character <= "\ufe0f"
    return is_selector or unicodedata.category(character) == "Cf"


def _add_new(manager):
    """Adds fonts that were installed after Matplotlib stored its list."""
    from matplotlib import font_manager

    known = {entry.fname for entry in manager.ttflist}
    for file in font_manager.findSystemFonts():
        if file not in known:
            # Broken fonts, and those of bitmaps, raise all kinds of errors.
            with contextlib.suppress(Exception):
                manager.addfont(file)


def _fonts(manager):
    """Returns file and index of an upright, normal font, by family."""
    entries = sorted(
        manager.ttflist,
        key=lambda e: (e.name, e.style != "normal", _distance(e.weight)),
    )
    found = {}
    for entry in entries:
        if not entry.name.startswith(_PLACEHOLDERS):
            found.setdefault(entry.name, (entry.fname, entry.index))
    return found


def _distance(weight):
    """Returns how far a weight is from a normal one."""
    return abs(weight - 400) if isinstance(weight, int) else 400


def _shorten(name):
    """Returns a name of at most 24 columns, to leave room for the cells."""
    # More characters are too many in any case.
    widths = [
        1 + (unicodedata.east_asian_width(character) in "WF")
        for character in name[: _MOST_COLUMNS + 1]
    ]
    if sum(widths) <= _MOST_COLUMNS:
        return name
    while sum(widths) > _MOST_COLUMNS - 1:
        widths.pop()
    return f"{name[: len(widths)]}…"


def _characters_of(file, index, characters):
    """Returns which of the characters a font in a file has."""
    from matplotlib import ft2font

    # The file can be gone or damaged.
    with contextlib.suppress(OSError, RuntimeError):
        font = ft2font.FT2Font(file, face_index=index)
        return {c for c in characters if font.get_char_index(ord(c))}
    return set()
