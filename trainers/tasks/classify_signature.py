"""The signature `classify` for the Classify API of TensorFlow Serving."""

import numpy as np
import tensorflow as tf


def make(feature, logits_fn, class_names):
    """Returns the serving function `classify`.

    Its input is `inputs: string[batch]`, each a serialized `tf.Example`. It
    reads one feature with one `bytes` value. If an example has no such
    feature, or another number or type of values, it raises an
    `InvalidArgumentError`.

    Args:
        feature: str. Name of the feature.
        logits_fn: Function from string[batch], the values of the feature, to
            float32[batch, num_classes].
        class_names: List of str. Class names in label order.

    Returns:
        `tf.function` with the outputs of `ranking`.
    """
    spec = tf.TensorSpec((None,), tf.string, name="inputs")
    parsed_as = {feature: tf.io.FixedLenFeature((), tf.string)}

    @tf.function(input_signature=[spec], autograph=False)
    def classify(inputs):
        values = tf.io.parse_example(inputs, parsed_as)[feature]
        return ranking(logits_fn(values), class_names)

    return classify


def ranking(logits, class_names):
    """Returns all classes, best first. Equal scores are in label order.

    Args:
        logits: float32[batch, num_classes].
        class_names: List of str. Class names in label order.

    Returns:
        Dict of `classes: string[batch, num_classes]` and `scores:
        float32[batch, num_classes]`. The scores are probabilities.
    """
    # Among equal elements, the op puts the lower index first.
    scores, order = tf.math.top_k(tf.nn.softmax(logits), len(class_names))
    return {"classes": tf.gather(class_names, order), "scores": scores}


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
