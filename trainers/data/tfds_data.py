"""Data sets of TensorFlow Datasets, from its catalogue or a directory."""

import logging

import numpy as np

from trainers.data import paths
from trainers.data.places import Places
from trainers.errors import ConfigError
from trainers.errors import DataError


def open_builder(data):
    """Returns the TFDS builder of a data set, with its files on this machine.

    Args:
        data: `ImageDataConfig` or `TextDataConfig`. Its source is `tfds`,
            which downloads a missing data set, or `tfds_directory`.

    Returns:
        `tfds.core.DatasetBuilder`.

    Raises:
        ConfigError: There is no such data set, or its download fails.
    """
    import tensorflow_datasets as tfds

    if data.source == "tfds_directory":
        path = paths.resolve_path(data.path)
        try:
            return tfds.builder_from_directory(str(path))
        except Exception as error:
            # Errors of files, JSON and protobuf.
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
        # The data set has no such version or configuration, or another
        # catalogue (`huggingface:NAME`) needs the network.
        raise ConfigError(
            f"`--config.data.path={data.path}`: {_one_line(error)}"
        ) from error
    # Without a network, urllib3 logs each of ten retries, for minutes.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    try:
        builder.download_and_prepare()
    except Exception as error:
        # TFDS passes on the errors of many libraries.
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
        features: `tfds.features.FeaturesDict` of the data set.
        data: `ImageDataConfig` or `TextDataConfig`.
        fields: Tuple of str. Names of the settings in `data`.

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
    """Returns the number of examples of each split.

    Args:
        builder: From `open_builder`.

    Returns:
        Dict from the name of a split to int.
    """
    infos = builder.info.splits.items()
    return {name: info.num_examples for name, info in infos}


def read_columns(builder, data, columns, split, start, stop, decoders=None):
    """Reads features of a range of examples.

    Args:
        builder: From `open_builder`.
        data: `ImageDataConfig` or `TextDataConfig`.
        columns: Tuple of str. Names of the features.
        split: str. Name of a split.
        start, stop: int. The range is from `start` to `stop - 1`.
        decoders: Dict for `builder.as_dataset`; `None` means the defaults.

    Returns:
        Tuple of an array for each column and the `Places` of the rows. A
        feature whose length varies is an array of lists, `object[num_rows]`.

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

    # Only these columns: the shapes of others may not fit into a batch.
    @tf.autograph.experimental.do_not_convert
    def choose(row):
        return tuple(row[name] for name in columns)

    try:
        # Lists of any length become ragged; all else is dense.
        batches = list(dataset.map(choose).ragged_batch(1024))
    except tf.errors.OpError as error:
        # Only the reason, without the names of graph nodes.
        reason = error.message.rpartition("}} ")[2].partition(" [Op:")[0]
        raise DataError(
            f"{data.path}, split {split}: cannot be read: {reason}"
        ) from None
    arrays = map(_joined, zip(*batches, strict=True))
    name = f"{data.path}, split {split}, item "
    return (*arrays, Places.numbered(name, range(start, stop)))


def _joined(parts):
    """Returns the rows of batches as one array."""
    if all(hasattr(part, "row_splits") for part in parts):
        rows = [row for part in parts for row in part.to_list()]
        found = np.empty(len(rows), object)
        found[:] = rows
        return found
    return np.concatenate([part.numpy() for part in parts])


def _one_line(error):
    return " ".join(str(error).split())
