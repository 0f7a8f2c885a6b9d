"""One setting of a config dataclass: its default, its meaning, its rule."""

import dataclasses
import typing


def setting(
    default,
    doc,
    *,
    choices=None,
    above=None,
    at_least=None,
    below=None,
    at_most=None,
    only_with=None,
    may_change=False,
    refused=None,
):
    """Returns a dataclass field that documents and limits itself.

    `broken_rule` enforces the rule and `--help` prints the doc, so that
    neither is written twice.

    Args:
        default: Immutable default value; its type is the field's annotation.
        doc: One sentence with the unit, printed by `--help`.
        choices: Allowed values, or `None` for any.
        above, at_least, below, at_most: Bounds of a number, or of each
            number in a tuple; `None` means unbounded.
        only_with: Name of another setting of the dataclass, and its values
            for which this one matters; `None` means always.
        may_change: Whether a run may go on with another value, as no result
            depends on it.
        refused: Reasons, by value, why what one could look for is no choice;
            `None` means none.
    """
    rule = {
        "choices": choices,
        "above": above,
        "at_least": at_least,
        "below": below,
        "at_most": at_most,
    }
    rule = {name: bound for name, bound in rule.items() if bound is not None}
    return dataclasses.field(
        default=default,
        metadata={
            "doc": doc,
            "rule": rule,
            "only_with": only_with,
            "may_change": may_change,
            "refused": refused or {},
        },
    )


def type_words(field):
    """Returns the type of a setting in words: "a number"."""
    return {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "text",
        tuple[int, ...]: "whole numbers, like 64,64",
    }[field.type]


def parse(text, kind):
    """Returns the value that the text of a flag means, or `None` for none.

    Args:
        text: str. What follows `=` in `--config.NAME=VALUE`.
        kind: Type of the setting; numbers in a tuple are separated by commas,
            with or without brackets around them.
    """
    try:
        if kind is bool:
            return _BOOLEANS.get(text.lower())
        if kind is int:
            return _parse_int(text)
        if typing.get_origin(kind) is tuple:
            return _parse_tuple(text, typing.get_args(kind)[0])
        return kind(text)
    except ValueError:
        return None


# The words that absl takes for its own flags.
_BOOLEANS = dict.fromkeys(("true", "t", "1"), True) | dict.fromkeys(
    ("false", "f", "0"), False
)


def _parse_int(text):
    return int(text, {"0x": 16, "0o": 8}.get(text[:2], 10))


def _parse_tuple(text, element):
    inside = text.strip()
    if inside[:1] + inside[-1:] in ("()", "[]"):
        inside = inside[1:-1].strip()
        if not inside:
            return ()
    words = inside.removesuffix(",").split(",")
    return tuple(parse(word.strip(), element) for word in words)


def has_type(value, kind):
    """Returns whether a value is of a setting's type; an int is a float."""
    if typing.get_origin(kind) is tuple:
        element = typing.get_args(kind)[0]
        return isinstance(value, (tuple, list)) and all(
            has_type(v, element) for v in value
        )
    if isinstance(value, bool):  # To Python, it is an int as well.
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def broken_rule(field, value):
    """Returns what a value must be, in words, or `None` if it is that."""
    if not has_type(value, field.type):
        return type_words(field)
    rule = dict(field.metadata["rule"])
    choices = rule.pop("choices", None)
    if choices is not None and value not in choices:
        words = f"one of {', '.join(choices)}"
        reason = field.metadata["refused"].get(value)
        return f"{words}: {reason}" if reason else words
    if field.type in (str, bool):
        return None
    numbers = value if isinstance(value, (tuple, list)) else (value,)
    # NaN and infinity break every rule, and so does what no int64 holds.
    sized = all(abs(number) < 2**63 for number in numbers)
    if sized and all(
        _BOUNDS[key][1](number, bound)
        for number in numbers
        for key, bound in rule.items()
    ):
        return None
    words = [f"{_BOUNDS[key][0]} {bound}" for key, bound in rule.items()]
    if not sized and not rule.keys() & {"below", "at_most"}:
        words.append("below 2**63")
    return " and ".join(words)


_BOUNDS = {
    "above": ("above", lambda value, bound: value > bound),
    "at_least": ("at least", lambda value, bound: value >= bound),
    "below": ("below", lambda value, bound: value < bound),
    "at_most": ("at most", lambda value, bound: value <= bound),
}
