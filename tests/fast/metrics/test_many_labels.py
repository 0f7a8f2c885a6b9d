"""Metrics of any number of labels an example, and their thresholds."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from trainers.metrics import label_names
from trainers.metrics import many_labels
from trainers.metrics import thresholds as thresholds_lib

SCORES = ("precision", "recall", "f1", "support")
AVERAGES = ("micro", "macro", "weighted", "samples")


def measure(targets, logits, thresholds=None, size=7, **options):
    """Returns all metrics of rows that come in small batches."""
    targets = np.asarray(targets, np.uint8)
    logits = np.asarray(logits, np.float32)
    names = [f"label {i}" for i in range(targets.shape[1])]
    starts = range(0, len(targets), size)
    batches = [(targets[i : i + size], logits[i : i + size]) for i in starts]
    return many_labels.metrics_of_batches(batches, names, thresholds, **options)


def answers_of(logits, metrics):
    chosen = [x["threshold"] for x in metrics["per_label"].values()]
    return np.asarray(logits, np.float32) >= thresholds_lib.logits_of(chosen)


def of_sklearn(targets, logits, answers):
    """Returns each metric of scikit-learn, by the name that we give it."""
    is_there = targets.any(axis=0)
    scores = logits.astype(np.float64)
    found = {
        "hamming_loss": sklearn_metrics.hamming_loss(targets, answers),
        "subset_accuracy": sklearn_metrics.accuracy_score(targets, answers),
        "lrap": sklearn_metrics.label_ranking_average_precision_score(
            targets, scores
        ),
    }
    for average in AVERAGES:
        truth, given = targets, answers
        if average in ("macro", "weighted"):
            if not is_there.any():
                continue
            # Twice, because scikit-learn reads one column as two classes.
            truth, given = (np.tile(x[:, is_there], 2) for x in (truth, given))
        numbers = sklearn_metrics.precision_recall_fscore_support(
            truth, given, average=average, zero_division=0
        )
        for score, value in zip(SCORES[:3], numbers[:3], strict=True):
            found[f"{average}_{score}"] = value
    if is_there.any():
        found["map"] = sklearn_metrics.average_precision_score(
            targets[:, is_there], scores[:, is_there]
        )
    p = 1 / (1 + np.exp(-scores))
    loss = sklearn_metrics.log_loss(targets.ravel(), p.ravel(), labels=[0, 1])
    return found | {"loss": loss}


def random_case(rng):
    """Returns targets with empty rows and absent labels, and logits."""
    shape = rng.integers(2, 40), rng.integers(2, 12)
    targets = (rng.random(shape) < rng.random(shape[1]) * 0.7).astype(np.uint8)
    targets[rng.random(shape[0]) < 0.2] = 0
    targets[:, rng.random(shape[1]) < 0.2] = 0
    logits = (3 * rng.normal(size=shape)).astype(np.float32)
    # Every third case has many equal scores.
    return targets, np.round(logits) if rng.random() < 1 / 3 else logits


def test_200_random_cases_have_the_numbers_of_scikit_learn():
    rng = np.random.default_rng(0)
    for case in range(200):
        targets, logits = random_case(rng)
        given = rng.uniform(0.1, 0.9, targets.shape[1]).tolist()
        metrics = measure(targets, logits, given if case % 2 else None)
        answers = answers_of(logits, metrics)
        expected = of_sklearn(targets, logits, answers)
        for name in label_names.METRICS:
            if name in expected:
                assert metrics[name] == pytest.approx(expected[name], abs=1e-12)
            else:
                assert metrics[name] is None, name
        of_label = sklearn_metrics.precision_recall_fscore_support(
            targets.repeat(2, axis=1),
            answers.repeat(2, axis=1),
            zero_division=0,
        )
        is_there = targets.any(axis=0)
        found = metrics["per_label"].values()
        for name, values in zip(SCORES, of_label, strict=True):
            for numbers, value in zip(found, values[::2], strict=True):
                if numbers["support"] or name == "support":
                    assert numbers[name] == pytest.approx(value, abs=1e-12)
                else:
                    assert numbers[name] is None
        precisions = [x["average_precision"] for x in found if x["support"]]
        if is_there.any():
            values = sklearn_metrics.average_precision_score(
                targets[:, is_there], logits[:, is_there], average=None
            )
            np.testing.assert_allclose(precisions, values, atol=1e-12)
        predicted = [numbers["predicted"] for numbers in found]
        assert predicted == answers.sum(axis=0).tolist()


def test_no_threshold_of_a_label_has_a_larger_f1():
    rng = np.random.default_rng(1)
    for _ in range(100):
        targets, logits = random_case(rng)
        metrics = measure(targets, logits)
        for i, numbers in enumerate(metrics["per_label"].values()):
            if numbers["support"] >= 5:
                truth, scores = targets[:, i], logits[:, i]
                answers = scores >= scores[:, np.newaxis]
                hits = (answers & (truth == 1)).sum(axis=1)
                f1 = 2 * hits / (answers.sum(axis=1) + truth.sum())
                assert numbers["f1"] == pytest.approx(f1.max(), abs=1e-12)


def test_the_numbers_depend_neither_on_batches_nor_on_memory():
    targets, logits = random_case(np.random.default_rng(2))
    expected = measure(targets, logits)
    assert measure(targets, logits, size=1000) == expected
    assert measure(targets, logits, size=1, max_bytes=1) == expected


def test_scores_that_are_nan_have_a_loss_and_no_ranking():
    metrics = measure([[1, 0], [0, 1]], [[np.nan, 0.0], [1.0, 2.0]])
    assert np.isnan(metrics["loss"])
    assert metrics["lrap"] is metrics["map"] is None
    assert metrics["per_label"]["label 0"]["threshold"] == 0.5


def threshold_of(probabilities, num_positive, **options):
    """Returns the best threshold, if the first scores are the right ones."""
    p = np.array(probabilities)
    truth = np.arange(len(p)) < num_positive
    logits = np.log(p / (1 - p)).astype(np.float32)
    return thresholds_lib.curve(truth, logits).best


@pytest.mark.parametrize(
    "probabilities, expected",
    [
        ([0.9, 0.8, 0.7, 0.2, 0.1], 0.5),
        # As near to 0.5 as possible, but a quarter of the gap from both.
        ([0.9, 0.8, 0.4, 0.2, 0.1], 0.35),
        ([0.9, 0.85, 0.8, 0.6, 0.1], 0.65),
    ],
    ids=["0.5 is between", "below", "above"],
)
def test_a_threshold_is_between_two_scores(probabilities, expected):
    found = threshold_of(probabilities, 3)
    assert found == pytest.approx(expected, abs=1e-6)


def test_of_cuts_with_equal_f1_the_nearest_to_a_half_is_taken():
    # The cuts after the first and after the fourth score have an F1 of 2 / 3.
    truth = np.array([True, False, False, True])
    p = np.array([0.95, 0.9, 0.7, 0.2])
    found = thresholds_lib.curve(truth, np.log(p / (1 - p)).astype(np.float32))
    assert found.best == pytest.approx(0.15, abs=1e-6)
    p = np.array([0.9, 0.1, 0.07, 0.02])
    found = thresholds_lib.curve(truth, np.log(p / (1 - p)).astype(np.float32))
    assert found.best == 0.5


def test_a_label_with_fewer_than_five_examples_has_the_shared_threshold():
    rng = np.random.default_rng(3)
    targets = np.zeros((100, 3), np.uint8)
    targets[:50, 0] = targets[:4, 1] = 1
    logits = rng.normal(size=(100, 3)) + 2 * targets - 2
    found = [
        x["threshold"] for x in measure(targets, logits)["per_label"].values()
    ]
    p = 1 / (1 + np.exp(-logits.astype(np.float32).astype(np.float64)))
    scores = {
        t: sklearn_metrics.f1_score(targets, p >= t, average="micro")
        for t in thresholds_lib.GRID
    }
    best = [t for t, score in scores.items() if score == max(scores.values())]
    shared = min(best, key=lambda t: abs(t - 0.5))
    assert found[1] == found[2] == shared
    assert found[0] not in (shared, 0.5)


def test_a_split_without_labels_has_no_means_over_labels():
    metrics = measure(np.zeros((3, 2)), [[-1.0, -2.0]] * 3)
    undefined = {name for name, x in metrics.items() if x is None}
    assert undefined == set(label_names.OF_LABELS_THERE)
    assert metrics["subset_accuracy"] == metrics["lrap"] == 1.0
    # As in scikit-learn: no label is found where there is none.
    assert metrics["samples_f1"] == 0.0


@pytest.mark.parametrize("p", [1e-12, 0.5, 1 - 1e-12])
def test_scores_near_0_and_1_have_a_finite_threshold(p):
    z = np.float32(np.log(p) - np.log1p(-p))
    metrics = measure([[1]] * 6 + [[0]] * 6, [[z + 1]] * 6 + [[z - 1]] * 6)
    threshold = metrics["per_label"]["label 0"]["threshold"]
    assert 0 < threshold < 1
    assert np.isfinite(thresholds_lib.logits_of([threshold])).all()
