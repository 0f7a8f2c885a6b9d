"""Numbers of a classification, compared with scikit-learn."""

import json
import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from trainers.evaluation import metrics

# Classes in the data, of as many as there are names.
CASES = {
    "two_classes": (2, [0, 1], 40),
    "ten_classes": (10, range(10), 500),
    "one_example": (3, [1], 1),
    "one_class_in_the_data": (3, [2], 30),
    "half_of_the_classes_absent": (10, [0, 2, 4, 6, 9], 60),
    "more_classes_than_examples": (50, range(50), 20),
}


def random_case(name, seed):
    num_classes, present, num_examples = CASES[name]
    rng = np.random.default_rng(seed)
    labels = rng.choice(list(present), num_examples).astype(np.int32)
    logits = rng.normal(scale=2, size=(num_examples, num_classes))
    logits[:, num_classes // 3] -= 100  # This class is never predicted.
    # Half of the answers are right.
    rows = np.arange(0, num_examples, 2)
    logits[rows, labels[rows]] += 200
    return (
        labels,
        logits.astype(np.float32),
        [f"c{i}" for i in range(num_classes)],
    )


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", CASES)
def test_every_number_is_that_of_scikit_learn(name, seed):
    labels, logits, names = random_case(name, seed)
    result = metrics.classification_metrics(labels, logits, names)
    predicted = logits.argmax(axis=1)
    classes = range(len(names))
    per_class = sklearn_metrics.precision_recall_fscore_support(
        labels, predicted, labels=classes, zero_division=0
    )
    macro = sklearn_metrics.precision_recall_fscore_support(
        labels, predicted, average="macro", zero_division=0
    )
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(axis=1))
    loss = (log_sums - shifted[range(len(labels)), labels]).mean()
    assert result == {
        "loss": pytest.approx(loss, rel=1e-12, abs=1e-12),
        "accuracy": pytest.approx(
            sklearn_metrics.accuracy_score(labels, predicted), rel=1e-12
        ),
        "macro_precision": pytest.approx(macro[0], rel=1e-12),
        "macro_recall": pytest.approx(macro[1], rel=1e-12),
        "macro_f1": pytest.approx(macro[2], rel=1e-12),
        "num_examples": len(labels),
        "per_class": {
            class_name: {
                "precision": pytest.approx(per_class[0][i], rel=1e-12),
                "recall": pytest.approx(per_class[1][i], rel=1e-12),
                "f1": pytest.approx(per_class[2][i], rel=1e-12),
                "support": per_class[3][i],
            }
            for i, class_name in enumerate(names)
        },
        "confusion_matrix": sklearn_metrics.confusion_matrix(
            labels, predicted, labels=classes
        ).tolist(),
    }


@pytest.mark.parametrize("scale", [1, 3])
def test_the_loss_is_the_log_loss_of_scikit_learn(scale):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    logits = rng.normal(scale=scale, size=(200, 4)).astype(np.float32)
    exps = np.exp(logits.astype(np.float64))
    expected = sklearn_metrics.log_loss(
        labels, exps / exps.sum(axis=1, keepdims=True), labels=range(4)
    )
    result = metrics.classification_metrics(labels, logits, list("abcd"))
    assert result["loss"] == pytest.approx(expected, rel=1e-12)


def test_perfect_predictions_give_one():
    labels = np.array([2, 0, 1, 2, 2], np.int32)
    logits = np.eye(4, dtype=np.float32)[labels] * 50
    result = metrics.classification_metrics(labels, logits, list("abcd"))
    # The class `d` is neither there nor predicted: it has no say.
    for name in ("accuracy", "macro_precision", "macro_recall", "macro_f1"):
        assert result[name] == 1.0
    assert result["loss"] == pytest.approx(3 * math.exp(-50), rel=1e-9)
    assert result["per_class"]["c"] == {
        "precision": 1.0,
        "recall": 1.0,
        "f1": 1.0,
        "support": 3,
    }
    assert result["per_class"]["d"] == {
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "support": 0,
    }


def test_all_wrong_predictions_give_zero():
    labels = np.array([0, 1], np.int32)
    logits = np.array([[0, 1], [1, 0]], np.float32)
    result = metrics.classification_metrics(labels, logits, ["a", "b"])
    for name in ("accuracy", "macro_precision", "macro_recall", "macro_f1"):
        assert result[name] == 0.0
    assert result["loss"] == pytest.approx(math.log(1 + math.e), rel=1e-7)


def test_a_loss_by_hand():
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]]))
    result = metrics.classification_metrics(
        np.array([0, 2]), logits, list("abc")
    )
    expected = -(math.log(0.5) + math.log(0.1)) / 2
    assert result["loss"] == pytest.approx(expected, rel=1e-12)


def test_extreme_logits_give_a_finite_loss():
    logits = np.array([[1e4, -1e4], [1e4, -1e4], [-1e4, -1e4]], np.float32)
    labels = np.array([0, 1, 0], np.int32)
    result = metrics.classification_metrics(labels, logits, ["a", "b"])
    assert result["loss"] == pytest.approx((0 + 2e4 + math.log(2)) / 3)


def test_the_loss_keeps_digits_that_float32_does_not_have():
    # 1 - p = 2e-9 is lost beside 1 in float32.
    logits = np.array([[20.0, 0.0]], np.float32)
    result = metrics.classification_metrics(np.array([0]), logits, ["a", "b"])
    assert result["loss"] == pytest.approx(math.exp(-20), rel=1e-6)


def test_rows_of_the_confusion_matrix_are_the_true_labels():
    matrix = metrics.confusion_matrix(
        np.array([0, 0, 0, 2, 2], np.int32), np.array([0, 1, 1, 2, 0]), 4
    )
    assert matrix.dtype == np.int64
    assert matrix.tolist() == [
        [1, 2, 0, 0],
        [0, 0, 0, 0],
        [1, 0, 1, 0],
        [0, 0, 0, 0],
    ]


def test_labels_of_few_bits_do_not_overflow_the_cells():
    labels = np.array([199], np.uint8)
    matrix = metrics.confusion_matrix(labels, np.array([3]), 200)
    assert matrix[199, 3] == matrix.sum() == 1


def test_the_result_is_json():
    labels, logits, names = random_case("ten_classes", 0)
    result = metrics.classification_metrics(labels, logits, names)
    assert json.loads(json.dumps(result)) == result
