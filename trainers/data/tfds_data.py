"""Data sets of TensorFlow Datasets: of the catalogue, or a directory."""

import logging

import numpy as np

from trainers.data import paths
from trainers.errors import ConfigError
from trainers.errors import DataError


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
        path = paths.resolve_path(data.path)
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


def check_columns(features, data, fields):
    """Checks that settings name features of a data set.

    Args:
        features: Of a TFDS builder.
        data: Data part of an `ExperimentConfig`.
        fields: Names of settings of it.

    Raises:
        ConfigError: There is no such feature.
    """
    for field in fields:
        column = getattr(data, field)
        if column not in features:
            raise ConfigError(
                f"`--config.data.{field}` must be a feature of {data.path}. "
                f"Received: {column!r}. Choices: {', '.join(sorted(features))}."
            )


def sizes(builder):
    """Returns the number of examples of each split."""
    infos = builder.info.splits.items()
    return {name: info.num_examples for name, info in infos}


def read_columns(builder, data, columns, split, start, stop, decoders=None):
    """Reads features of some examples of a split.

    Args:
        builder: From `open_builder`.
        data: Data part of an `ExperimentConfig`.
        columns: Names of the features.
        split: Name of a split.
        start, stop: First example, and the one behind the last.
        decoders: As TFDS takes them.

    Returns:
        An array for each column, and a function from a row to its place.

    Raises:
        DataError: The files cannot be read.
    """
    import tensorflow as tf
    import tensorflow_datasets as tfds

    dataset = builder.as_dataset(
        split=tfds.core.ReadInstruction(
            split, from_=start, to=stop, unit="abs"
        ),
        decoders=decoders,
        shuffle_files=False,
    )
    # Only these columns: others may have shapes that do not batch.
    chosen = dataset.map(lambda row: tuple(row[name] for name in columns))
    try:
        batches = list(chosen.batch(1024).as_numpy_iterator())
    except tf.errors.OpError as error:
        # Without the names of graph nodes around it.
        reason = error.message.rpartition("}} ")[2].partition(" [Op:")[0]
        raise DataError(
            f"{data.path}, split {split}: cannot be read: {reason}"
        ) from None
    arrays = map(np.concatenate, zip(*batches, strict=True))
    return (
        *arrays,
        lambda row: f"{data.path}, split {split}, item {start + row}",
    )


def _one_line(error):
    return " ".join(str(error).split())
