"""Data sets of TensorFlow Datasets: of the catalogue, or a directory."""

import logging

from trainers.data import sources
from trainers.errors import ConfigError


def open_builder(data):
    """Returns the TFDS builder of data that are then on this machine.

    Args:
        data: Data part of an `ExperimentConfig` with the source `tfds`, which
            downloads what is not there, or `tfds_directory`.

    Raises:
        ConfigError: There is no such data set, or it cannot be had.
    """
    import tensorflow_datasets as tfds

    if data.source == "tfds_directory":
        path = sources.resolve_path(data.path)
        try:
            return tfds.builder_from_directory(str(path))
        except Exception as error:
            # Besides what files and JSON raise, protobuf's own.
            raise ConfigError(
                "`--config.data.path` must be a directory that TFDS wrote, "
                "with dataset_info.json in it: .../NAME/VERSION. Received: "
                f"{path}: {_one_line(error)[:200]}"
            ) from error
    try:
        builder = tfds.builder(data.path, data_dir=data.data_dir or None)
    except tfds.core.DatasetNotFoundError:
        raise ConfigError(
            "`--config.data.path` must be a data set of the TFDS catalogue "
            f"(https://www.tensorflow.org/datasets). Received: {data.path!r}."
        ) from None
    except Exception as error:
        # A version or configuration that the data set does not have, or a
        # catalogue of others (`huggingface:NAME`) without network.
        raise ConfigError(
            f"`--config.data.path={data.path}`: {_one_line(error)}"
        ) from error
    # Without a network it repeats each of ten tries, for minutes.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    try:
        builder.download_and_prepare()
    except Exception as error:
        # TFDS lets errors of many libraries through.
        raise ConfigError(
            f"`--config.data.path={data.path}` is not on this machine and "
            "could not be downloaded; it needs the network once, or "
            "--config.data.data_dir=DIR with the prepared data set. "
            f"{type(error).__name__}: {_one_line(error)[:200]}"
        ) from error
    return builder


def _one_line(error):
    return " ".join(str(error).split())
