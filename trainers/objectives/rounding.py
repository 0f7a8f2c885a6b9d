"""Answers that rounding can change, which the check of an export leaves out.

An export adds numbers in another order than training does, so that its logits
differ in the last digits. If two logits are that close, the better one is not
defined: neither answer is wrong.
"""

import numpy as np

# Largest error of a number, relative to the largest number of its row, or to 1
# if that is larger. float32 rounds a logit of 50 in about the fifth decimal
# place, and a sum in another order rounds differently.
TOLERANCE = 1e-5
# Name of a further output of functions that are compared with an export.
IN_DOUBT = "in doubt"


def is_close(logits):
    """Returns whether the two largest logits of a row are almost equal.

    Args:
        logits: float32[..., num_outputs].

    Returns:
        `bool[...]`.
    """
    import tensorflow as tf

    if logits.shape[-1] < 2:
        return tf.zeros(tf.shape(logits)[:-1], tf.bool)
    best = tf.math.top_k(logits, 2).values
    # Each of the two can be wrong by the largest error.
    limit = 2 * largest_error(logits)[..., 0]
    return best[..., 0] - best[..., 1] <= limit


def largest_error(logits):
    """Returns how much a logit of a row can be wrong.

    Args:
        logits: float32[..., num_outputs].

    Returns:
        `float32[..., 1]`. It is -infinity for a row with NaN or infinity, which
        no check must leave out.
    """
    import tensorflow as tf

    largest = tf.reduce_max(tf.abs(logits), axis=-1, keepdims=True)
    is_finite = tf.reduce_all(tf.math.is_finite(logits), axis=-1, keepdims=True)
    error = TOLERANCE * tf.maximum(largest, 1.0)
    return tf.where(is_finite, error, -np.inf)
