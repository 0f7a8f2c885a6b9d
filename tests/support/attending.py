"""Attention with its gradients, for tests of what it keeps."""

import tensorflow as tf

from tfmodels.bert import fused_ops


def function(keep_weights):
    """Returns a function to the result and the gradients of attention.

    Args:
        keep_weights: bool. As for `FusedOps.attention`.
    """

    def attend(query, key, value, seed):
        inputs = query, key, value
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            y = fused_ops.PLAIN.attention(
                *inputs,
                0.0,
                seed=seed,
                rate=0.5,
                keep_weights=keep_weights,
            )
        return y, *tape.gradient(y, inputs, output_gradients=value)

    return attend
