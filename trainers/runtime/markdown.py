"""Pieces of Markdown that any text can be put into."""

from trainers.runtime import decimals


def code(text):
    """Returns a name as code on one line, safe inside a table.

    Args:
        text: Any object with a str.

    >>> code("a|b")
    '`a\\\\|b`'
    """
    text = one_line(text).replace("|", "\\|")
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def one_line(text):
    """Returns a text with single spaces in place of all white space.

    Args:
        text: Any object with a str.
    """
    return " ".join(str(text).split())


def numbers(values):
    """Returns the cells of a row of a table, without the outer bars.

    Args:
        values: Iterable of int, float and `None`, which is not known.
    """
    return " | ".join(
        "not known"
        if value is None
        else decimals.short(value)
        if isinstance(value, float)
        else f"{value:,}"
        for value in values
    )
