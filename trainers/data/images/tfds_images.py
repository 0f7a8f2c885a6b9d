"""A data set on disk in TensorFlow Datasets' format."""

from trainers.data import examples
from trainers.data import tfds_data
from trainers.data.images import decoding
from trainers.errors import ConfigError


def open_source(data, image_shape, decode_fn):
    """Opens the data set; see `trainers.data.images.loading`."""
    import tensorflow_datasets as tfds

    builder = tfds_data.open_builder(data)
    features = builder.info.features
    _check_columns(features, data)
    label = features[data.label_column]

    def read(split, start, stop):
        encoded, labels, where = tfds_data.read_columns(
            builder,
            data,
            (data.image_column, data.label_column),
            split,
            start,
            stop,
            # Bytes as stored: one function decodes every source and the
            # served requests.
            decoders={data.image_column: tfds.decode.SkipDecoding()},
        )
        return decoding.decode_examples(
            encoded,
            labels,
            where,
            image_shape=image_shape,
            decode_fn=decode_fn,
        )

    return examples.Source(
        tfds_data.sizes(builder),
        list(label.names)
        if isinstance(label, tfds.features.ClassLabel)
        else None,
        read,
    )


def _check_columns(features, data):
    """Refuses columns that are not one image and one label."""
    import tensorflow_datasets as tfds

    tfds_data.check_columns(features, data, ("image_column", "label_column"))
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
