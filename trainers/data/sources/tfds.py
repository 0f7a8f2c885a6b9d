"""A data set of the TensorFlow Datasets catalogue, downloaded when needed."""

import logging

from trainers.data.sources import tfds_directory
from trainers.errors import ConfigError


def open_source(data, image_shape, decode_fn):
    """Opens or downloads the data set; see `trainers.data.sources`."""
    import tensorflow_datasets as tfds

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
            f"`--config.data.path={data.path}`: {' '.join(str(error).split())}"
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
            f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        ) from error
    return tfds_directory.from_builder(builder, data, image_shape, decode_fn)
