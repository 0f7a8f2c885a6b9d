"""Numbers of a classification, compared with scikit-learn."""

import json
import math
import tracemalloc

import numpy as np
import pytest
import scores
from sklearn import metrics as sklearn_metrics

from trainers.metrics import classification
from trainers.metrics.names import METRICS
from trainers.metrics.names import PER_CLASS

# Classes in the data, of as many as there are names.
CASES = {
    "two_classes": (2, [0, 1], 40),
    "ten_classes": (10, range(10), 500),
    "one_example": (3, [1], 1),
    "one_class_in_the_data": (3, [2], 30),
    "half_of_the_classes_absent": (10, [0, 2, 4, 6, 9], 60),
    "more_classes_than_examples": (50, range(50), 20),
    "unbalanced_classes": (4, [0] * 20 + [1] * 4 + [2], 400),
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


def softmax(logits):
    exps = np.exp(logits.astype(np.float64) - logits.max(axis=1)[:, None])
    return exps / exps.sum(axis=1, keepdims=True)


def one_against_the_rest(function, labels, logits):
    """Returns a score a class, `None` without example or counter-example."""
    return [
        pytest.approx(function(labels == i, scores), rel=1e-12)
        if 0 < sum(labels == i) < len(labels)
        else None
        for i, scores in enumerate(softmax(logits).T)
    ]


def mean_of_defined(approximations):
    values = [a.expected for a in approximations if a is not None]
    return pytest.approx(np.mean(values), rel=1e-12) if values else None


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", CASES)
def test_every_number_is_that_of_scikit_learn(name, seed):
    labels, logits, names = random_case(name, seed)
    result = scores.metrics_of(labels, logits, names)
    predicted = logits.argmax(axis=1)
    classes = range(len(names))
    per_class = sklearn_metrics.precision_recall_fscore_support(
        labels, predicted, labels=classes, zero_division=0
    )
    averages = {
        f"{average}_{score}": pytest.approx(value, rel=1e-12)
        for average in ("macro", "micro", "weighted")
        for score, value in zip(
            ("precision", "recall", "f1"),
            sklearn_metrics.precision_recall_fscore_support(
                labels, predicted, average=average, zero_division=0
            )[:3],
            strict=True,
        )
    }
    roc_auc = one_against_the_rest(
        sklearn_metrics.roc_auc_score, labels, logits
    )
    pr_auc = one_against_the_rest(
        sklearn_metrics.average_precision_score, labels, logits
    )
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(axis=1))
    loss = (log_sums - shifted[range(len(labels)), labels]).mean()
    assert result == {
        "loss": pytest.approx(loss, rel=1e-12, abs=1e-12),
        "accuracy": pytest.approx(
            sklearn_metrics.accuracy_score(labels, predicted), rel=1e-12
        ),
        **averages,
        "roc_auc": mean_of_defined(roc_auc),
        "pr_auc": mean_of_defined(pr_auc),
        "num_examples": len(labels),
        "per_class": {
            class_name: {
                "precision": pytest.approx(per_class[0][i], rel=1e-12),
                "recall": pytest.approx(per_class[1][i], rel=1e-12),
                "f1": pytest.approx(per_class[2][i], rel=1e-12),
                "roc_auc": roc_auc[i],
                "pr_auc": pr_auc[i],
                "support": per_class[3][i],
            }
            for i, class_name in enumerate(names)
        },
        "confusion_matrix": scores.named_cells(
            sklearn_metrics.confusion_matrix(labels, predicted, labels=classes),
            names,
        ),
    }


@pytest.mark.parametrize("name", CASES)
def test_numbers_come_first_and_are_those_of_python(name):
    result = scores.metrics_of(*random_case(name, 0))
    others = ["num_examples", "per_class", "confusion_matrix"]
    assert list(result) == [*METRICS, *others]
    for metric in METRICS:
        # TensorBoard and the log take what is a float.
        assert type(result[metric]) in (float, type(None))
    for numbers in result["per_class"].values():
        assert list(numbers) == [*PER_CLASS.metrics, "support"]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("num_classes", [3, 7, 20])
def test_the_roc_auc_is_that_of_many_classes_in_scikit_learn(num_classes, seed):
    rng = np.random.default_rng(seed)
    labels = np.resize(np.arange(num_classes), 200)
    logits = rng.normal(size=(200, num_classes)).astype(np.float32)
    names = [str(i) for i in range(num_classes)]
    result = scores.metrics_of(labels, logits, names)
    expected = sklearn_metrics.roc_auc_score(
        labels, softmax(logits), multi_class="ovr"
    )
    assert result["roc_auc"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("share", [0.5, 0.05])
def test_the_roc_auc_of_two_classes_is_the_usual_one(share, seed):
    rng = np.random.default_rng(seed)
    labels = (rng.random(300) < share).astype(np.int32)
    logits = rng.normal(scale=2, size=(300, 2)).astype(np.float32)
    result = scores.metrics_of(labels, logits, ["no", "yes"])
    roc_auc = sklearn_metrics.roc_auc_score(labels, softmax(logits)[:, 1])
    assert result["roc_auc"] == pytest.approx(roc_auc, rel=1e-12)
    pr_auc = sklearn_metrics.average_precision_score(
        labels, softmax(logits)[:, 1]
    )
    assert result["per_class"]["yes"]["pr_auc"] == pytest.approx(pr_auc)
    assert result["pr_auc"] != pytest.approx(pr_auc, rel=1e-2)


def test_averages_by_hand():
    labels = np.array([0, 0, 0, 1, 2], np.int32)
    logits = np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 1]]
    result = scores.metrics_of(labels, logits, list("abc"))
    # Precision 1, 1/3, 0; recall 2/3, 1, 0; F1 4/5, 1/2, 0; support 3, 1, 1.
    expected = {
        "macro_precision": 4 / 9,
        "macro_recall": 5 / 9,
        "macro_f1": 13 / 30,
        "micro_precision": 3 / 5,
        "micro_recall": 3 / 5,
        "micro_f1": 3 / 5,
        "weighted_precision": 2 / 3,
        "weighted_recall": 3 / 5,
        "weighted_f1": 29 / 50,
    }
    assert {k: result[k] for k in expected} == pytest.approx(expected)


def test_rankings_by_hand():
    labels = np.array([0, 0, 0, 1, 1], np.int32)
    of_one = np.array([0.1, 0.2, 0.6, 0.5, 0.9])
    logits = np.log(np.stack([1 - of_one, of_one], axis=1))
    result = scores.metrics_of(labels, logits, ["a", "b"])
    # Of 6 pairs, only 0.6 and 0.5 are in the wrong order.
    assert result["roc_auc"] == pytest.approx(5 / 6)
    # Of the class `b`: hits at the ranks 1 and 3. Of `a`: at 1, 2 and 4.
    pr_aucs = [result["per_class"][name]["pr_auc"] for name in "ba"]
    assert pr_aucs == [
        pytest.approx((1 + 2 / 3) / 2),
        pytest.approx((1 + 1 + 3 / 4) / 3),
    ]
    assert result["pr_auc"] == pytest.approx(sum(pr_aucs) / 2)


def test_ties_give_what_chance_gives():
    labels = np.array([0, 0, 0, 1, 2], np.int32)
    logits = np.zeros((5, 4), np.float32)
    result = scores.metrics_of(labels, logits, list("abcd"))
    rankings = [
        (numbers["roc_auc"], numbers["pr_auc"])
        for numbers in result["per_class"].values()
    ]
    assert rankings == [(0.5, 0.6), (0.5, 0.2), (0.5, 0.2), (None, None)]
    assert result["roc_auc"] == 0.5
    assert result["pr_auc"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("labels", [[1], [1, 1, 1]])
def test_one_class_alone_has_no_ranking(labels):
    logits = np.arange(2 * len(labels), dtype=np.float32).reshape(-1, 2)
    result = scores.metrics_of(np.array(labels), logits, ["a", "b"])
    assert result["roc_auc"] is result["pr_auc"] is None
    for numbers in result["per_class"].values():
        assert numbers["roc_auc"] is numbers["pr_auc"] is None


def test_a_run_that_diverged_is_left_to_its_loss():
    logits = np.array([[0, 1], [math.nan, 0], [1, 0]], np.float32)
    result = scores.metrics_of(np.array([1, 0, 0]), logits, ["a", "b"])
    assert math.isnan(result["loss"])
    assert result["roc_auc"] is result["pr_auc"] is None


@pytest.mark.parametrize("scale", [1, 3])
def test_the_loss_is_the_log_loss_of_scikit_learn(scale):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    logits = rng.normal(scale=scale, size=(200, 4)).astype(np.float32)
    exps = np.exp(logits.astype(np.float64))
    expected = sklearn_metrics.log_loss(
        labels, exps / exps.sum(axis=1, keepdims=True), labels=range(4)
    )
    result = scores.metrics_of(labels, logits, list("abcd"))
    assert result["loss"] == pytest.approx(expected, rel=1e-12)


def test_perfect_predictions_give_one():
    labels = np.array([2, 0, 1, 2, 2], np.int32)
    logits = np.eye(4, dtype=np.float32)[labels] * 50
    result = scores.metrics_of(labels, logits, list("abcd"))
    # The class `d` is neither there nor predicted: it has no say.
    for name in set(METRICS) - {"loss"}:
        assert result[name] == 1.0
    assert result["loss"] == pytest.approx(3 * math.exp(-50), rel=1e-9)
    assert result["per_class"]["c"] == {
        "precision": 1.0,
        "recall": 1.0,
        "f1": 1.0,
        "roc_auc": 1.0,
        "pr_auc": 1.0,
        "support": 3,
    }
    assert result["per_class"]["d"] == {
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "roc_auc": None,
        "pr_auc": None,
        "support": 0,
    }


def test_all_wrong_predictions_give_zero():
    labels = np.array([0, 1], np.int32)
    logits = np.array([[0, 1], [1, 0]], np.float32)
    result = scores.metrics_of(labels, logits, ["a", "b"])
    for name in set(METRICS) - {"loss", "pr_auc"}:
        assert result[name] == 0.0
    # The one example is found at the last of two ranks.
    assert result["pr_auc"] == 0.5
    assert result["loss"] == pytest.approx(math.log(1 + math.e), rel=1e-7)


def test_a_loss_by_hand():
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]]))
    result = scores.metrics_of(np.array([0, 2]), logits, list("abc"))
    expected = -(math.log(0.5) + math.log(0.1)) / 2
    assert result["loss"] == pytest.approx(expected, rel=1e-12)


def test_extreme_logits_give_a_finite_loss():
    logits = np.array([[1e4, -1e4], [1e4, -1e4], [-1e4, -1e4]], np.float32)
    labels = np.array([0, 1, 0], np.int32)
    result = scores.metrics_of(labels, logits, ["a", "b"])
    assert result["loss"] == pytest.approx((0 + 2e4 + math.log(2)) / 3)


def test_the_loss_keeps_digits_that_float32_does_not_have():
    # 1 - p = 2e-9 is lost beside 1 in float32.
    logits = np.array([[20.0, 0.0]], np.float32)
    result = scores.metrics_of(np.array([0]), logits, ["a", "b"])
    assert result["loss"] == pytest.approx(math.exp(-20), rel=1e-6)


def test_rows_of_the_confusion_matrix_are_the_true_labels():
    cells = classification.confusion_matrix(
        np.array([0, 0, 0, 2, 2], np.int32),
        np.array([0, 1, 1, 2, 0]),
        ["cat", "dog", "owl", "猫"],
    )
    assert cells == {
        "cat": {"cat": 1, "dog": 2},
        "dog": {},
        "owl": {"cat": 1, "owl": 1},
        "猫": {},
    }


def test_labels_of_few_bits_do_not_overflow_the_cells():
    names = [str(i) for i in range(200)]
    labels = np.array([199], np.uint8)
    cells = classification.confusion_matrix(labels, np.array([3]), names)
    assert {true: row for true, row in cells.items() if row} == {
        "199": {"3": 1}
    }


def test_the_cells_of_many_classes_are_as_many_as_the_examples():
    labels = np.arange(20_000) % 10_000
    rng = np.random.default_rng(0)
    answers = rng.permutation(labels)
    names = [str(i) for i in range(10_000)]
    cells = classification.confusion_matrix(labels, answers, names)
    assert len(cells) == 10_000
    assert sum(map(len, cells.values())) <= 20_000
    assert sum(sum(row.values()) for row in cells.values()) == 20_000
    place = int(np.flatnonzero(labels != answers)[0])
    assert cells[names[labels[place]]][names[answers[place]]] >= 1
    # 2 GB with a number for each pair of classes.
    assert len(json.dumps(cells)) < 600_000


def test_the_result_is_json():
    labels, logits, names = random_case("ten_classes", 0)
    result = scores.metrics_of(labels, logits, names)
    assert json.loads(json.dumps(result)) == result


@pytest.fixture(scope="module")
def with_slashes():
    labels = np.array([0, 0, 1, 1, 2], np.int32)
    logits = np.eye(4, dtype=np.float32)[[0, 0, 1, 0, 2]]
    names = ["cat", "cat/f1", "/a//b/", "none"]
    return scores.metrics_of(labels, logits, names)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_found_by_its_name(with_slashes, name):
    assert PER_CLASS.scalar(with_slashes, name) == with_slashes[name]


@pytest.mark.parametrize("name", ["cat", "cat/f1", "/a//b/", "none"])
@pytest.mark.parametrize("metric", PER_CLASS.metrics)
def test_a_metric_of_a_class_is_found_by_its_name(with_slashes, name, metric):
    value = PER_CLASS.scalar(with_slashes, f"per_class/{name}/{metric}")
    assert value == with_slashes["per_class"][name][metric]


def test_a_metric_that_is_undefined_is_none(with_slashes):
    assert PER_CLASS.scalar(with_slashes, "per_class/none/f1") == 0.0
    assert PER_CLASS.scalar(with_slashes, "per_class/none/roc_auc") is None
    one = scores.metrics_of([0], [[1.0, 0.0]], ["a", "b"])
    assert PER_CLASS.scalar(one, "pr_auc") is None


def why(name, labels):
    return classification.why_undefined(
        name, np.array(labels, np.int32), ["ham", "spam", "a/b"]
    )


@pytest.mark.parametrize("name", METRICS)
def test_a_ranking_needs_two_classes(name):
    expected = None
    if name in ("roc_auc", "pr_auc"):
        expected = "has only examples of the class 'spam'"
    assert why(name, [1, 1, 1]) == expected
    assert why(name, [1, 0, 1]) is None
    logits = np.eye(3, dtype=np.float32)[[1, 2, 0]]
    found = scores.metrics_of([1, 1, 1], logits, ["ham", "spam", "a/b"])
    assert (found[name] is None) == (expected is not None)


@pytest.mark.parametrize("metric", PER_CLASS.metrics)
def test_a_metric_of_a_class_needs_examples_of_it(metric):
    reason = "has no example of the class 'a/b'"
    assert why(f"per_class/a/b/{metric}", [0, 1, 1]) == reason
    assert why(f"per_class/a/b/{metric}", [0, 1, 2]) is None
    # Whatever the answers are.
    for answers in ([0, 1, 1], [2, 2, 2], [1, 0, 2]):
        logits = np.eye(3, dtype=np.float32)[answers]
        found = scores.metrics_of([0, 1, 1], logits, ["ham", "spam", "a/b"])
        assert found["per_class"]["a/b"][metric] in (0.0, None)
    expected = None
    if metric in ("roc_auc", "pr_auc"):
        expected = "has only examples of the class 'a/b'"
    assert why(f"per_class/a/b/{metric}", [2, 2]) == expected


def test_many_classes_take_little_memory():
    labels = np.arange(100, dtype=np.int32)
    logits = np.eye(100, 10_000, dtype=np.float32)
    names = [str(i) for i in range(10_000)]
    tracemalloc.start()
    try:
        scores.metrics_of(labels, logits, names)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A number for each pair of classes takes 800 MB.
    assert peak < 100e6
