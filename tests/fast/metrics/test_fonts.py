"""Names of classes that the usual font lacks."""

import logging
import pathlib
import warnings

import matplotlib
import numpy as np
import pytest
import scores
from matplotlib import font_manager

from trainers.metrics import fonts
from trainers.metrics import pictures

# Comes with Matplotlib: has few characters, among them U+23B4 and no letters.
OTHER = pathlib.Path(
    matplotlib.get_data_path(), "fonts/ttf/STIXSizFiveSymReg.ttf"
)
# In Latin and Arabic, which DejaVu Sans has; and in a private area of Unicode.
KNOWN, UNKNOWN = ("ham", "été", "مرحبا"), "\U0010fffe"


@pytest.fixture(autouse=True)
def only_dejavu_sans(monkeypatch):
    """Takes the fonts of this machine away, and what an earlier test found."""
    manager = font_manager.fontManager
    entries = [
        entry
        for entry in manager.ttflist
        if entry.name in ("DejaVu Sans", "Last Resort High-Efficiency")
    ]
    monkeypatch.setattr(manager, "ttflist", entries)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [])
    fonts.drawable.cache_clear()
    yield
    fonts.drawable.cache_clear()


def draw(names):
    """Returns the picture of right answers; a missing glyph is an error."""
    cells = scores.named_cells(np.eye(len(names), dtype=int), names)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return pictures.confusion_matrix(cells, names)


def test_names_that_the_usual_font_has_are_drawn_with_it(caplog):
    assert fonts.drawable(KNOWN) == ([*KNOWN], ["DejaVu Sans"])
    assert caplog.messages == []


def test_other_names_are_numbers_and_this_is_said_once(caplog):
    names = [*KNOWN, f"a{UNKNOWN}", UNKNOWN]
    cells = scores.named_cells(np.eye(5, dtype=int), names)
    for _ in range(3):
        image = draw(names)
    np.testing.assert_array_equal(image, draw([*KNOWN, "#3", "#4"]))
    assert caplog.messages == [
        "pictures show numbers in place of 2 of 5 class names, which have "
        f"characters that no installed font has, such as {UNKNOWN!r}: #3 is "
        f"{names[3]!r}. The text `class_numbers` beside the "
        "pictures has the other names; a number is the place in `labels.json`, "
        "from 0. After such a font is installed, the next start shows names."
    ]
    assert pictures.legend(cells, names) == (
        "| number | class |\n"
        "|---|---|\n"
        f"| #3 | `a{UNKNOWN}` |\n"
        f"| #4 | `{UNKNOWN}` |\n"
    )
    assert pictures.legend(cells, [*KNOWN, "b", "c"]) == ""


def test_a_font_that_was_installed_later_is_found(monkeypatch, caplog):
    monkeypatch.setattr(
        font_manager, "findSystemFonts", lambda: ["/gone.ttf", str(OTHER)]
    )
    (family,) = {font_manager.get_font(OTHER).family_name}
    font = font_manager.get_font(OTHER)
    usual = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    only = chr(min({*font.get_charmap()} - {*usual.get_charmap()}))
    labels, families = fonts.drawable(("ham", only, UNKNOWN))
    assert labels == ["ham", only, "#2"]
    assert families == ["DejaVu Sans", family]
    assert len(caplog.messages) == 1
    draw(["ham", only])


@pytest.mark.parametrize(
    "name, label",
    [
        ("a\tb\nc", "a b c"),
        ("a\u200db\ufe0f\u2066", "a\u200db\ufe0f\u2066"),
        ("x" * 25, "x" * 23 + "…"),
        # Its columns are not summed for each of its letters.
        ("x" * 1_000_000, "x" * 23 + "…"),
        # A Chinese character is as wide as two letters.
        ("é" * 24, "é" * 24),
        ("\uff01" * 13, "#0"),
    ],
    ids=["white space", "invisible", "long", "huge", "accents", "wide"],
)
def test_labels_fit_beside_the_cells(name, label):
    assert fonts.drawable((name,))[0] == [label]
    draw([name])


def test_wide_characters_are_cut_earlier():
    assert fonts._shorten("正" * 12) == "正" * 12
    assert fonts._shorten("正" * 13) == "正" * 11 + "…"


def test_matplotlib_logs_as_before(caplog):
    draw([UNKNOWN])
    assert logging.getLogger("matplotlib.font_manager").level == logging.NOTSET
