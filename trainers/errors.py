"""Errors that are shown to the user as one line, without a traceback."""


class ConfigError(ValueError):
    """A flag, a setting or a path is wrong. Commands exit with 2."""


class DataError(ValueError):
    """The user's data breaks a rule. Commands exit with 1.

    Attributes:
        report: Dict of what is known of the data so far, or `None`.
    """

    report = None


class RunError(RuntimeError):
    """A run could not go on or its result could not be used. Exit code 1."""


class RefusedError(RunError):
    """A model has no such signature or input, or refuses its values."""
