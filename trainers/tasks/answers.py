"""The outputs of a served classifier."""

import tensorflow as tf


def classification(logits, class_names):
    """Returns the outputs of a signature.

    Args:
        logits: float32[batch, num_classes].
        class_names: List of str. Class names in label order.

    Returns:
        Dict of `logits` and `probabilities`, both `float32[batch,
        num_classes]`, `class_id: int64[batch]` and `label: string[batch]`.
    """
    class_id = tf.argmax(logits, axis=-1)
    return {
        "logits": logits,
        "probabilities": tf.nn.softmax(logits),
        "class_id": class_id,
        "label": tf.gather(tf.constant(class_names), class_id),
    }
