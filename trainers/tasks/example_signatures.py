"""Signatures for the Classify and Regress APIs of TensorFlow Serving."""

import numpy as np
import tensorflow as tf


def make(features, answer_fn):
    """Returns a serving function that reads `tf.Example`s.

    Its input is `inputs: string[batch]`, each a serialized `tf.Example`. It
    reads features with one `bytes` value each. If an example has no such
    feature, or another number or type of values, it raises an
    `InvalidArgumentError`.

    Args:
        features: Tuple of str. Names of the features.
        answer_fn: Function from string[batch], the values of each feature, to
            the outputs: `classes` and `scores`, or `outputs`.

    Returns:
        `tf.function`.
    """
    spec = tf.TensorSpec((None,), tf.string, name="inputs")
    parsed_as = {
        name: tf.io.FixedLenFeature((), tf.string) for name in features
    }

    @tf.function(input_signature=[spec], autograph=False)
    def serve_examples(inputs):
        values = tf.io.parse_example(inputs, parsed_as)
        return answer_fn(*(values[name] for name in features))

    return serve_examples


def check_inputs(**features):
    """Returns inputs of `classify` and `regress`.

    Args:
        **features: List of bytes, one for each example, by feature.

    Returns:
        Dict of `inputs: object[batch]`.
    """
    rows = zip(*features.values(), strict=True)
    examples = [_example(dict(zip(features, row, strict=True))) for row in rows]
    return {
        "inputs": np.array([x.SerializeToString() for x in examples], object)
    }


def _example(values):
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                name: tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[value])
                )
                for name, value in values.items()
            }
        )
    )
