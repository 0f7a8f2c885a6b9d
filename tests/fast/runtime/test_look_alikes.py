"""Names that a person takes for one, and a computer for two."""

import pytest

from trainers.runtime import look_alikes


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("spam", "Spam"),
        ("straße", "STRASSE"),
        ("café", "cafe\u0301"),
        ("pos", "pos\u200b"),
        ("pos", "\ufeffpos"),
        ("co\u00adop", "coop"),
        ("very bad", "very\u00a0bad"),
        ("very bad", "very  bad"),
        ("very bad", "very\u3000bad "),
        ("1", "\uff11"),
        ("ﬁne", "fine"),
        ("\u212b", "\u00e5"),
        ("❤", "❤\ufe0f"),
        ("pos", "pos\0"),
        ("e\u034f\u0301", "é"),
        ("e-mail", "e\u2011mail"),
        ("e-mail", "e\u2013mail"),
        ("don't", "don\u2019t"),
        ('"a"', "\u201ca\u201d"),
        ("don't", "don\u00b4t"),
        ('5"', "5\u2033"),
        ("a-", "a\u207b"),
    ],
)
def test_names_look_alike(one, other):
    assert one != other
    assert look_alikes.key(one) == look_alikes.key(other)
    assert look_alikes.groups(["x", one, other]) == [[one, other]]
    # A person can see the difference in the message.
    assert look_alikes.shown(one) != look_alikes.shown(other)
    assert look_alikes.hint(one, ["x", other]) == (
        f" (looks like {look_alikes.shown(other)}, and is written "
        f"{look_alikes.shown(one)})"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [("very bad", "verybad"), ("a", "á"), ("good", "god"), ("1", "01")],
)
def test_names_differ(one, other):
    assert look_alikes.key(one) != look_alikes.key(other)
    assert look_alikes.groups([one, other]) == []
    assert look_alikes.hint(one, [other]) == ""


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("größe", "'größe'"),
        ("cafe\u0301", "'cafe\\u0301'"),
        ("a\u200bb", "'a\\u200bb'"),
        ("a\u00a0b", "'a\\xa0b'"),
        ("\u212b", "'\\u212b'"),
        ("中文 😀", "'中文 😀'"),
    ],
)
def test_what_cannot_be_seen_is_escaped(name, shown):
    assert look_alikes.shown(name) == shown


def test_the_name_itself_is_no_look_alike():
    assert look_alikes.hint("a", ["a"]) == ""
