"""A data set on disk in TensorFlow Datasets' format."""

import numpy as np
import tensorflow as tf

from trainers.data import encoded_images
from trainers.data import sources
from trainers.data import tfds_builders
from trainers.errors import ConfigError
from trainers.errors import DataError


def open_source(data, image_shape, decode_fn):
    """Opens the data set; see `trainers.data.sources`."""
    import tensorflow_datasets as tfds

    builder = tfds_builders.open_builder(data)
    features = builder.info.features
    _check_columns(features, data)
    label = features[data.label_column]

    def read(split, start, stop):
        dataset = builder.as_dataset(
            split=tfds.core.ReadInstruction(
                split, from_=start, to=stop, unit="abs"
            ),
            # Bytes as stored: one function decodes every source and the
            # served requests.
            decoders={data.image_column: tfds.decode.SkipDecoding()},
            shuffle_files=False,
        )
        # Only the two columns: others may have shapes that do not batch.
        columns = dataset.map(
            lambda row: (row[data.image_column], row[data.label_column])
        )
        try:
            batches = list(columns.batch(1024).as_numpy_iterator())
        except tf.errors.OpError as error:
            # Without the names of graph nodes around it.
            reason = error.message.rpartition("}} ")[2].partition(" [Op:")[0]
            raise DataError(
                f"{data.path}, split {split}: cannot be read: {reason}"
            ) from None
        encoded, labels = map(np.concatenate, zip(*batches, strict=True))
        return encoded_images.decode_examples(
            encoded,
            labels,
            lambda row: f"{data.path}, split {split}, item {start + row}",
            image_shape=image_shape,
            decode_fn=decode_fn,
        )

    return sources.Source(
        {name: info.num_examples for name, info in builder.info.splits.items()},
        list(label.names)
        if isinstance(label, tfds.features.ClassLabel)
        else None,
        read,
    )


def _check_columns(features, data):
    """Refuses columns that are not one image and one label."""
    import tensorflow_datasets as tfds

    for flag in ("image_column", "label_column"):
        column = getattr(data, flag)
        if column not in features:
            raise ConfigError(
                f"`--config.data.{flag}` must be a feature of {data.path}. "
                f"Received: {column!r}. Choices: {', '.join(sorted(features))}."
            )
    if not isinstance(features[data.image_column], tfds.features.Image):
        raise ConfigError(
            "`--config.data.image_column` must be an image feature. "
            f"Received: {data.image_column!r}, {features[data.image_column]}."
        )
    label = features[data.label_column]
    if label.shape != ():  # A dict where the feature is one.
        raise ConfigError(
            "`--config.data.label_column` must be a single label. "
            f"Received: {data.label_column!r}, {label}."
        )
