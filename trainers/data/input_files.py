"""Checks that the files of an experiment exist, before slow imports."""

from trainers.config import kinds
from trainers.errors import ConfigError


def check(config):
    """Checks the paths of an experiment. Does not import TensorFlow.

    The check ignores files that TFDS or KerasHub can download.

    Args:
        config: `ExperimentConfig`.

    Raises:
        ConfigError: A file, folder or preset does not exist.
    """
    try:
        config.model.check_files()
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if path := config.data.check_files:
        place = f"{type(config.data).__name__}.check_files"
        check_files = kinds.load("check_files", path, place)
        if not callable(check_files):
            raise ConfigError(
                f"`{place}` must name a function. Received: {path!r}, which "
                f"is of the class {type(check_files).__name__}."
            )
        check_files(config.data)
