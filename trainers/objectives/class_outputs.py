"""Outputs of signatures and answers of `predict`, for one class an example."""

from trainers.runtime.json_like import json_like

NAMES = ("class_id", "label", "logits", "probabilities")


def outputs(logits, names):
    """Returns the outputs of a signature.

    Args:
        logits: float32[batch, num_classes].
        names: List of str. Class names in label order.

    Returns:
        Dict of `logits` and `probabilities`, both `float32[batch,
        num_classes]`, `class_id: int64[batch]` and `label: string[batch]`.
    """
    import tensorflow as tf

    class_id = tf.argmax(logits, axis=-1)
    return {
        "logits": logits,
        "probabilities": tf.nn.softmax(logits),
        "class_id": class_id,
        "label": tf.gather(tf.constant(names), class_id),
    }


def ranking(logits, names):
    """Returns all classes, best first. Equal scores are in label order.

    Args:
        logits: float32[batch, num_classes].
        names: List of str. Class names in label order.

    Returns:
        Dict of `classes: string[batch, num_classes]` and `scores:
        float32[batch, num_classes]`. The scores are probabilities.
    """
    import tensorflow as tf

    # Among equal elements, the op puts the lower index first.
    scores, order = tf.math.top_k(tf.nn.softmax(logits), len(names))
    return {"classes": tf.gather(names, order), "scores": scores}


def answers(outputs, names, *, is_short=False, scores=False):
    """Yields the answer of each row for `predict`.

    Args:
        outputs: Dict of arrays: `label`, `class_id`, `probabilities` and
            `logits`, or only what a short answer needs.
        names: List of str. Class names in label order; only scores need them.
        is_short: bool. Whether an answer has `label` and `probability`, in
            place of all outputs.
        scores: bool. Whether a short answer also has `scores`, the
            probability of each class by its name.

    Yields:
        dict.
    """
    for row, label in enumerate(outputs["label"]):
        probabilities = outputs["probabilities"][row]
        answer = {"label": json_like(label)}
        if not is_short:
            answer |= {
                "class_id": int(outputs["class_id"][row]),
                "probabilities": probabilities.tolist(),
                "logits": outputs["logits"][row].tolist(),
            }
        else:
            answer["probability"] = float(probabilities.max())
        if is_short and scores:
            answer["scores"] = dict(
                zip(names, probabilities.tolist(), strict=True)
            )
        yield answer
