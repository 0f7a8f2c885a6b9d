"""Random shift, rotation and zoom in one resampling.

`keras.layers.RandomTranslation`, `RandomRotation` and `RandomZoom` draw from
a seed that advances with each batch. The augmentation of an example therefore
depends on the batches before it. Here it is a function of numbers that the
pipeline draws from (seed, epoch, example). The three transforms are composed
into one, and the op of those layers applies it. A test compares each transform
with the pixels of its layer.
"""

import math

import keras
import tensorflow as tf

NUM_DRAWS = 4  # shift down, shift right, rotation, zoom


def transform(images, config, draws):
    """Transforms each image with its own random numbers.

    Args:
        images: [batch, height, width] or [batch, height, width, 3] of any
            number type.
        config: `ImageDataConfig`.
        draws: float32[batch, 4]. From 0 to 1; 0.5 does not change an image.

    Returns:
        float32 images of the same shape. Pixels from outside of an image
        are 0.
    """
    images = tf.cast(images, tf.float32)
    height, width = images.shape[1:3]
    signed = 2.0 * draws - 1.0  # [batch, 4] from -1 to 1
    down = signed[:, 0] * config.random_shift * height
    right = signed[:, 1] * config.random_shift * width
    angle = signed[:, 2] * math.radians(config.random_rotation)
    scale = 1.0 + signed[:, 3] * config.random_zoom
    # The matrix maps an output pixel to its input pixel: shift back, then
    # rotate and scale about the centre. Its rows are [a0 a1 a2] and [b0 b1 b2]
    # with x_in = a0 x + a1 y + a2 and y_in = b0 x + b1 y + b2.
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    cos, sin = scale * tf.cos(angle), scale * tf.sin(angle)
    x, y = -right - centre_x, -down - centre_y
    zeros = tf.zeros_like(cos)
    matrix = tf.stack(
        [
            cos,
            -sin,
            cos * x - sin * y + centre_x,
            sin,
            cos,
            sin * x + cos * y + centre_y,
            zeros,
            zeros,
        ],
        axis=1,
    )  # [batch, 8]
    grey = images.shape.rank == 3
    moved = keras.ops.image.affine_transform(
        images[..., None] if grey else images,
        matrix,
        interpolation="bilinear",
        fill_mode="constant",
        data_format="channels_last",
    )
    return moved[..., 0] if grey else moved
