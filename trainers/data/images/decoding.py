"""Decodes images of any size into one array."""

import numpy as np
import tensorflow as tf

from trainers.data import pipeline
from trainers.data.examples import Examples
from trainers.data.texts import answers
from trainers.errors import raise_problems

# In bytes. Enough to see what else a file is.
_START = 1 << 12


def decode_examples(encoded, targets, places, *, image_shape, decode_fn):
    """Decodes images and reports all broken images together.

    Args:
        encoded: List of bytes. One file for each image.
        targets: Column of what is learned.
        places: `Places`.
        image_shape: Tuple of int. Shape of an image, without the batch.
        decode_fn: Function from an encoded image to uint8[*image_shape].

    Returns:
        `Examples`.

    Raises:
        DataError: Images cannot be decoded. The message has the first ten
            places.
    """
    decode_fn = tf.autograph.experimental.do_not_convert(decode_fn)
    dataset = (
        tf.data.Dataset.from_tensor_slices(encoded)
        .map(decode_fn, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(256)
    )
    batches = pipeline.with_options(dataset).as_numpy_iterator()
    try:
        images = np.concatenate(list(batches))
    except tf.errors.InvalidArgumentError:
        # The error does not name the image, so decode each one again.
        raise_problems(
            "files that cannot be decoded as PNG, JPEG, BMP or GIF",
            _broken_rows(encoded, decode_fn),
            lambda row: places[row] + _words(encoded[row]),
        )
        raise
    return Examples(
        {"image": images.reshape(-1, *image_shape)}, targets, places
    )


def _words(content):
    words = answers.in_place_of(content[:_START], {})
    return f": {words}" if words else ""


def _broken_rows(encoded, decode_fn):
    """Returns the rows that cannot be decoded."""
    spec = [tf.TensorSpec([], tf.string)]
    decode = tf.function(decode_fn, input_signature=spec, autograph=False)
    rows = []
    for row, content in enumerate(encoded):
        try:
            decode(content)
        except tf.errors.InvalidArgumentError:
            rows.append(row)
    return rows
