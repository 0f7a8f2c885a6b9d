"""Images of TensorFlow Datasets, from its catalogue or a directory.

The label is a single feature, a list of class labels or names, or a row of
numbers, for example 0 and 1 for each label.
"""

import numpy as np

from trainers.data import examples
from trainers.data import tfds_data
from trainers.data.images import decoding
from trainers.errors import ConfigError


def open_source(data, image_shape, decode_fn):
    """Opens the data set; see `trainers.data.images.loading`.

    Args:
        data: `ImageDataConfig`.
        image_shape: Tuple of int. Shape of an image, without the batch.
        decode_fn: Function from an encoded image to uint8[*image_shape].

    Returns:
        `Source`.

    Raises:
        ConfigError: The data set or one of its columns does not exist.
    """
    import tensorflow_datasets as tfds

    builder = tfds_data.open_builder(data)
    features = builder.info.features
    _check_columns(features, data)
    label = features[data.label_column]
    # A list of class labels has them in `feature`.
    one = getattr(label, "feature", label)
    names = None
    if isinstance(one, tfds.features.ClassLabel):
        names = list(one.names)

    def read(split, start, stop):
        encoded, labels, places = tfds_data.read_columns(
            builder,
            data,
            (data.image_column, data.label_column),
            split,
            start,
            stop,
            # Reads encoded images: one function decodes the images of every
            # source and of served requests.
            decoders={data.image_column: tfds.decode.SkipDecoding()},
        )
        if names and label.shape and labels.dtype != object:
            # Each row has the same number of classes.
            labels = _as_objects(labels)
        return decoding.decode_examples(
            encoded,
            labels,
            places,
            image_shape=image_shape,
            decode_fn=decode_fn,
        )

    return examples.Source(
        tfds_data.sizes(builder),
        names,
        read,
    )


def _check_columns(features, data):
    """Refuses columns that are not a single image and its labels."""
    import tensorflow_datasets as tfds

    tfds_data.check_columns(features, data, ("image_column", "label_column"))
    if not isinstance(features[data.image_column], tfds.features.Image):
        raise ConfigError(
            "`--config.data.image_column` must be an image feature. "
            f"Received: {data.image_column!r}, {features[data.image_column]}."
        )
    label = features[data.label_column]
    # The shape is a dict if the feature is a dict.
    if not isinstance(label.shape, tuple) or len(label.shape) > 1:
        raise ConfigError(
            "`--config.data.label_column` must be a label, a list of labels or "
            "a row of numbers. "
            f"Received: {data.label_column!r}, {label}."
        )


def _as_objects(rows):
    """Returns the rows of a matrix as an array of arrays."""
    found = np.empty(len(rows), object)
    found[:] = list(rows)
    return found
