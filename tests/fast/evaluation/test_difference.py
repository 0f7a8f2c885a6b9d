"""What another type changes is measured on what an export answers."""

import math

import numpy as np
import tensorflow as tf

from trainers import tasks
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.evaluation import difference
from trainers.evaluation.difference import Difference
from trainers.objectives.objective import Objective
from trainers.objectives.single_label import SingleLabelConfig


class Inputs:
    """Features that are the logits of both networks, in batches of 4 rows."""

    eval_batch_size = 4
    accelerator_batch_size = None

    def preprocess(self, features):
        return features

    def pad_targets(self, targets, inputs):
        return targets

    def lengths(self, examples):
        return None


class Own(Objective):
    """Answers with `outputs_fn` of the logits."""

    num_outputs = 2

    def __init__(self, outputs_fn):
        self.outputs = outputs_fn


def measure(first, second, outputs_fn=None):
    """Compares networks with these logits for the examples."""
    objective = SingleLabelConfig().make_objective().restored(["a", "b"])
    if outputs_fn is not None:
        objective = Own(outputs_fn)
    features = {"first": np.float32(first), "second": np.float32(second)}
    examples = Examples(
        features, None, Places.numbered("row ", range(len(first)))
    )
    networks = [
        lambda features, training, name=name: features[name]
        for name in features
    ]
    return difference.measure(
        networks, tasks.Task(Inputs(), objective), examples
    )


def test_one_label_is_compared_in_each_output():
    # Of 6 rows in batches of 4, the last two rows fill the batch.
    first = np.zeros((6, 2))
    first[:, 0] = [1, 2, 3, 4, 5, 0.25]
    second = first.copy()
    second[1] = [2, 2.5]
    second[5] = [0.25, 0.5]
    found = measure(first, second)
    assert found.num_measured == found.num_examples == 6
    assert found.num_changed == {"class_id": 2, "label": 2}
    assert found.largest["logits"] == 2.5
    # From softmax(2, 0) to softmax(2, 2.5).
    expected = 1 / (1 + math.exp(-2)) - 1 / (1 + math.exp(0.5))
    assert abs(found.largest["probabilities"] - expected) < 1e-6
    assert str(found) == (
        "all 6 examples: class_id differs in 2, label differs in 2, logits by "
        "up to 2.5, probabilities by up to 0.5033"
    )


def test_equal_networks_do_not_differ():
    logits = np.random.default_rng(0).normal(size=(5, 2))
    assert measure(logits, logits) == Difference(
        5,
        5,
        {"class_id": 0, "label": 0},
        {"logits": 0.0, "probabilities": 0.0},
    )


def test_of_many_examples_some_are_compared_all_over_the_split():
    count = 3000
    first = np.zeros((count, 2))
    seen = []

    def outputs(logits):
        tf.py_function(lambda x: seen.extend(x.numpy()), [logits[:, 0]], [])
        return {"x": logits}

    second = first + np.arange(count)[:, None]
    found = measure(first, second, outputs)
    assert (found.num_measured, found.num_examples) == (1024, 3000)
    rows = [int(x) for x in seen if x]
    assert rows == [i * 3000 // 1024 for i in range(1, 1024)]
    assert str(found) == "1,024 of 3,000 examples: x by up to 2997"


def test_an_own_objective_is_compared_by_its_outputs():
    """Also if rows have another shape, or what is no number."""

    def outputs(logits):
        width = tf.cast(tf.reduce_max(logits), tf.int32)
        return {
            "wide": tf.zeros([tf.shape(logits)[0], width]),
            "sign": tf.sign(logits) > 0,
            "words": tf.strings.as_string(logits[:, 0], 1),
            "log": tf.math.log(logits),
            "half": tf.cast(logits, tf.bfloat16),
        }

    found = measure([[1, 2], [1, 0]], [[1.25, 3], [1, 0]], outputs)
    assert found.num_changed == {"wide": 2, "sign": 0, "words": 1}
    # The logarithm of 0 is the same infinity on both sides.
    log = found.largest.pop("log")
    assert abs(log - math.log(1.5)) < 1e-6
    assert found.largest == {"half": 1.0}


def test_a_value_that_is_no_number_is_no_equal_one():
    found = measure([[1, 2]], [[1, math.nan]], lambda logits: {"x": logits})
    assert math.isnan(found.largest["x"])
    assert str(found) == "all 1 examples: x by up to nan"
