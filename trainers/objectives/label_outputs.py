"""Outputs of signatures and answers of `predict`, for many labels a row."""

from trainers.metrics import thresholds as thresholds_lib
from trainers.objectives import rounding
from trainers.runtime.json_like import json_like

NAMES = ("labels", "predicted", "probabilities")


def outputs(logits, names, thresholds):
    """Returns the outputs of a signature.

    Args:
        logits: float32[batch, num_labels].
        names: List of str. The labels.
        thresholds: List of float. Smallest probability of each label in an
            answer. They become constants of the graph.

    Returns:
        Dict of `probabilities: float32`, `predicted: bool` (whether the answer
        has the label) and `labels: string`, all `[batch, num_labels]`.
    """
    import tensorflow as tf

    # Logits, as the evaluation compares them.
    predicted = logits >= tf.constant(thresholds_lib.logits_of(thresholds))
    return {
        "probabilities": tf.sigmoid(logits),
        "predicted": predicted,
        "labels": tf.broadcast_to(tf.constant(names), tf.shape(logits)),
    }


def is_in_doubt(logits, thresholds):
    """Returns whether rounding can change which labels an answer has.

    Args:
        logits: float32[batch, num_labels].
        thresholds: As for `outputs`.

    Returns:
        `bool[batch]`.
    """
    import tensorflow as tf

    borders = tf.constant(thresholds_lib.logits_of(thresholds))
    distances = tf.abs(logits - borders)
    is_near = distances <= rounding.largest_error(logits)
    return tf.reduce_any(is_near, axis=-1)


def ranking(logits, names):
    """Returns all labels, best first. Equal scores are in the order of `names`.

    Args:
        logits: float32[batch, num_labels].
        names: List of str. The labels.

    Returns:
        Dict of `classes: string[batch, num_labels]` and `scores:
        float32[batch, num_labels]`. The scores are probabilities. Their sum is
        not 1, because an example can have several labels.
    """
    import tensorflow as tf

    # Among equal elements, the op puts the lower index first.
    scores, order = tf.math.top_k(tf.sigmoid(logits), len(names))
    return {"classes": tf.gather(names, order), "scores": scores}


def answers(outputs, *, is_short=False, scores=False):
    """Yields the answer of each row for `predict`.

    Args:
        outputs: Dict of arrays, those of `outputs`.
        is_short: bool. Whether an answer has only its labels.
        scores: bool. Whether a short answer also has `scores`.

    Yields:
        Dict of `labels`, the labels of the answer, the most probable first,
        and `probabilities`, those of these labels. `scores` is the probability
        of each label by its name.
    """
    for labels, predicted, probabilities in zip(
        *(outputs[name] for name in NAMES), strict=True
    ):
        all_scores = dict(
            zip(json_like(labels), probabilities.tolist(), strict=True)
        )
        chosen = [
            x for x, yes in zip(all_scores, predicted, strict=True) if yes
        ]
        chosen.sort(key=lambda label: -all_scores[label])
        answer = {
            "labels": chosen,
            "probabilities": [all_scores[label] for label in chosen],
        }
        if scores or not is_short:
            answer["scores"] = all_scores
        yield answer
