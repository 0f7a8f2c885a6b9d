"""Are the files there that an experiment reads? Asked before anything heavy."""

import pathlib
import socket

from tfmodels import presets
from trainers import config as config_lib
from trainers.config_data import TFDS
from trainers.data import sources
from trainers.data import text_sources
from trainers.errors import ConfigError


def check(config):
    """Checks the paths of an `ExperimentConfig`, without TensorFlow.

    What TFDS or KerasHub may have to download is not asked for.

    Raises:
        ConfigError: A file, folder or preset does not exist.
    """
    data = config.data
    if isinstance(data, config_lib.TextDataConfig):
        _check_encoder(config.model.encoder)
        if data.source not in TFDS:
            text_sources.list_files(data)
    elif data.service:
        _check_service(data.service)
    if data.path and data.source != "tfds":
        sources.resolve_path(data.path)


def _check_service(address):
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(
            "`--config.data.service` must be the address of a tf.data service "
            f"that runs. Received: {address!r}: {error}. python -m "
            "trainers.data_service starts one."
        ) from None


def _check_encoder(encoder):
    if encoder.preset:
        try:
            presets.check(encoder.preset)
        except ValueError as error:
            raise ConfigError(str(error)) from None
    elif encoder.vocabulary and not pathlib.Path(encoder.vocabulary).is_file():
        raise ConfigError(
            "`--config.model.encoder.vocabulary` must be a file of WordPieces. "
            f"Received: {encoder.vocabulary!r}."
        )
