"""Defines the errors that the user sees as one line, without a traceback."""


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
