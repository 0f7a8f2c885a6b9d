"""The signature that TensorFlow Serving's Classify API calls."""

import numpy as np
import tensorflow as tf


def make(feature, logits_fn, class_names):
    """Returns the serving function `classify`.

    It takes `inputs: string[batch]`, serialized `tf.Example`s, of which it
    reads one feature of one `bytes` value. An example without it, or with
    another number or type of values, is an `InvalidArgumentError`.

    Args:
        feature: Name of the feature.
        logits_fn: Function from `string[batch]`, the values of the feature,
            to `float32[batch, num_classes]`.
        class_names: Names in label order.
    """
    spec = tf.TensorSpec((None,), tf.string, name="inputs")
    parsed_as = {feature: tf.io.FixedLenFeature((), tf.string)}

    @tf.function(input_signature=[spec])
    def classify(inputs):
        values = tf.io.parse_example(inputs, parsed_as)[feature]
        return ranking(logits_fn(values), class_names)

    return classify


def ranking(logits, class_names):
    """Returns all classes, best first, those of one score in label order.

    Args:
        logits: `float32[batch, num_classes]`.
        class_names: Names in label order.

    Returns:
        `classes: string[batch, num_classes]` and `scores: float32[batch,
        num_classes]`, which are probabilities.
    """
    # Of equal elements, the op puts the one with the lower index first.
    scores, order = tf.math.top_k(tf.nn.softmax(logits), len(class_names))
    return {"classes": tf.gather(class_names, order), "scores": scores}


def check_inputs(feature, rows):
    """Returns the inputs of `classify` for values of its feature, as bytes."""
    return {
        "inputs": np.array(
            [_example(feature, row).SerializeToString() for row in rows],
            dtype=object,
        )
    }


def _example(feature, value):
    values = tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    return tf.train.Example(
        features=tf.train.Features(feature={feature: values})
    )
