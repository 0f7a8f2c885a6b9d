"""The errors that users see as one line, without a traceback."""


class ConfigError(ValueError):
    """A flag, a setting or a path is wrong. Commands exit with 2."""


class DataError(ValueError):
    """The user's data breaks a rule. Commands exit with 1.

    Attributes:
        report: dict, or `None`. What the data check found before the error.
    """

    report = None


class RunError(RuntimeError):
    """A run cannot continue or its result is unusable. Commands exit with 1."""


class RefusedError(RunError):
    """A model has no such signature or input, or refuses its values."""


_SHOWN = 10
_CHOICES_SHOWN = 30


def first_of(names):
    """Returns names for a message: all, or the first 30 and the number of all.

    Args:
        names: Sequence of str.

    >>> first_of(["ham", "spam"])
    'ham, spam'
    >>> first_of([str(number) for number in range(10_000)])[-27:]
    '28, 29, ... (10,000 in all)'
    """
    words = ", ".join(names[:_CHOICES_SHOWN])
    if len(names) > _CHOICES_SHOWN:
        return f"{words}, ... ({len(names):,} in all)"
    return words


def raise_problems(what, problems, describe_fn=str, advice=""):
    """Raises an error with the number of problems and the first ten of them.

    Args:
        what: str. Noun in the plural: "images that cannot be decoded".
        problems: Sequence. If it is empty, nothing is raised.
        describe_fn: Function from a problem to a str with file and place.
        advice: str. What follows the problems: lines, each after a line end.

    Raises:
        DataError: There is a problem.
    """
    if len(problems):
        shown = "".join(f"\n  {describe_fn(p)}" for p in problems[:_SHOWN])
        more = len(problems) - _SHOWN
        shown += f"\n  ... and {more} more" if more > 0 else ""
        raise DataError(f"{len(problems)} {what}:{shown}{advice}")
