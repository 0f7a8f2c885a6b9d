"""Imports the trackers of a run; does not import TensorFlow."""

from trainers.config import kinds
from trainers.errors import ConfigError
from trainers.runtime import libraries
from trainers.training.trackers.tracker import Tracker


def load(names):
    """Imports the classes of trackers.

    Args:
        names: Tuple of str. `TrainerConfig.trackers`.

    Returns:
        Dict of class by name.

    Raises:
        ConfigError: A module cannot be imported, for example because an extra
            is not installed; a class is no `Tracker`.
    """
    return {name: _load(name) for name in names}


def _load(name):
    flag = "--config.trainer.trackers"
    try:
        found = kinds.load("tracker", name, flag)
    except ConfigError as error:
        missing = isinstance(error.__cause__, ModuleNotFoundError)
        if missing and name in kinds.KINDS["tracker"]:
            raise ConfigError(
                f"`{flag}`: {name!r} needs the package "
                f"{error.__cause__.name!r}. Run: pip install "
                f"'{libraries.DISTRIBUTION}[{name}]'"
            ) from error
        raise
    if not (isinstance(found, type) and issubclass(found, Tracker)):
        raise ConfigError(
            f"`{flag}` must name subclasses of "
            f"{Tracker.__module__}.{Tracker.__name__}. Received: {name!r}, "
            f"which is {found!r}."
        )
    return found
