"""The signature `classify` for the Classify API of TensorFlow Serving."""

import numpy as np
import tensorflow as tf


def make(feature, answer_fn):
    """Returns the serving function `classify`.

    Its input is `inputs: string[batch]`, each a serialized `tf.Example`. It
    reads one feature with one `bytes` value. If an example has no such
    feature, or another number or type of values, it raises an
    `InvalidArgumentError`.

    Args:
        feature: str. Name of the feature.
        answer_fn: Function from string[batch], the values of the feature, to
            the outputs `classes` and `scores`.

    Returns:
        `tf.function`.
    """
    spec = tf.TensorSpec((None,), tf.string, name="inputs")
    parsed_as = {feature: tf.io.FixedLenFeature((), tf.string)}

    @tf.function(input_signature=[spec], autograph=False)
    def classify(inputs):
        values = tf.io.parse_example(inputs, parsed_as)[feature]
        return answer_fn(values)

    return classify


def check_inputs(feature, rows):
    """Returns inputs of `classify`.

    Args:
        feature: str. Name of the feature.
        rows: List of bytes. Values of the feature.

    Returns:
        Dict of `inputs: object[batch]`.
    """
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
