"""Checks that the files of an experiment exist, before slow imports."""

import tfmodels
from trainers.config.data import TFDS
from trainers.config.data import TextDataConfig
from trainers.data import paths
from trainers.data.texts import reading
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
        tfmodels.check_files(config.model)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    data = config.data
    if isinstance(data, TextDataConfig) and data.source not in TFDS:
        reading.list_files(data)
    if data.path and data.source != "tfds":
        paths.resolve_path(data.path)
