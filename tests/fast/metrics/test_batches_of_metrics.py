"""Metrics from batches: to the last bit those from all scores at once."""

import functools
import itertools
import math
import tempfile
import warnings

import numpy as np
import pytest
import scores
from sklearn import metrics as sklearn_metrics

from trainers.metrics import classification
from trainers.metrics import transposed
from trainers.metrics.names import PER_CLASS


def of_all_scores(labels, logits, num_classes):
    """Metrics as plain NumPy and scikit-learn compute them, in float64."""
    logits = logits.astype(np.float64)
    predicted = logits.argmax(axis=1)
    largest = logits.max(axis=1, keepdims=True)
    exps = np.exp(logits - largest)
    sums = exps.sum(axis=1, keepdims=True)
    answers = logits[np.arange(len(labels)), labels]
    losses = np.log(sums[:, 0]) - (answers - largest[:, 0])
    probabilities = exps / sums
    truth = labels[:, None] == np.arange(num_classes)
    defined = truth.any(axis=0) & ~truth.all(axis=0)
    defined &= np.isfinite(probabilities).all()
    found = {"loss": losses.mean()}
    for name, function in (
        ("roc_auc", sklearn_metrics.roc_auc_score),
        ("pr_auc", sklearn_metrics.average_precision_score),
    ):
        values, found[name] = np.full(num_classes, None), None
        if defined.any():
            of_defined = function(
                truth[:, defined], probabilities[:, defined], average=None
            )
            values[defined], found[name] = of_defined, of_defined.mean()
        found[f"{name} of each"] = values.tolist()
    precision, recall, f1, support = (
        sklearn_metrics.precision_recall_fscore_support(
            labels, predicted, labels=range(num_classes), zero_division=0
        )
    )
    seen = (support + np.bincount(predicted, minlength=num_classes)) > 0
    for name, values in {
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }.items():
        found[f"{name} of each"] = values.tolist()
        found[f"macro_{name}"] = values[seen].mean()
        found[f"weighted_{name}"] = np.average(values, weights=support)
        found[f"micro_{name}"] = (labels == predicted).mean()
    found["accuracy"] = (labels == predicted).mean()
    found["support of each"] = support.tolist()
    found["num_examples"] = len(labels)
    with warnings.catch_warnings():
        # scikit-learn warns about many classes.
        warnings.simplefilter("ignore")
        found["confusion_matrix"] = scores.named_cells(
            sklearn_metrics.confusion_matrix(
                labels, predicted, labels=range(num_classes)
            ),
            [f"c{i}" for i in range(num_classes)],
        )
    return found


def flat(metrics):
    """Returns metrics with the names of `of_all_scores`."""
    found = {k: v for k, v in metrics.items() if k != "per_class"}
    for name in (*PER_CLASS.metrics, "support"):
        found[f"{name} of each"] = [
            numbers[name] for numbers in metrics["per_class"].values()
        ]
    return found


def case(num_examples, num_classes, absent=(), ties=False, wide=False):
    rng = np.random.default_rng(num_examples)
    labels = rng.integers(0, num_classes, num_examples).astype(np.int32)
    labels[np.isin(labels, absent)] = num_classes - 1
    logits = rng.normal(size=(num_examples, num_classes))
    logits[np.arange(num_examples), labels] += 1
    if ties:
        logits = logits.round()
    if wide:  # Many probabilities are 0 or 1.
        logits *= 200
    return labels, logits.astype(np.float32)


CASES = {
    "two_classes": functools.partial(case, 1_000, 2),
    "ten_classes": functools.partial(case, 3_000, 10),
    "absent_classes": functools.partial(case, 500, 5, absent=(0, 3)),
    "ties": functools.partial(case, 2_000, 4, ties=True),
    "wide": functools.partial(case, 2_000, 4, wide=True),
    "many_classes": functools.partial(case, 300, 130),
    "one_example": functools.partial(case, 1, 3),
}


def measure(labels, logits, sizes, **settings):
    """Returns the metrics of batches of the sizes, which repeat."""
    stops = itertools.accumulate(itertools.cycle(sizes), initial=0)
    pairs = itertools.takewhile(
        lambda pair: pair[0] < len(labels), itertools.pairwise(stops)
    )
    names = [f"c{i}" for i in range(logits.shape[1])]
    return classification.metrics_of_batches(
        ((labels[i:k].copy(), logits[i:k].copy()) for i, k in pairs),
        names,
        **settings,
    )


@pytest.mark.parametrize("name", CASES)
def test_bits_are_those_of_all_scores_at_once(name):
    labels, logits = CASES[name]()
    metrics = measure(labels, logits, [256])
    assert flat(metrics) == of_all_scores(labels, logits, logits.shape[1])
    names = list(metrics["per_class"])
    arrays = scores.metrics_of(labels, logits, names)
    assert arrays == metrics


@pytest.mark.parametrize("max_bytes", [0, 20_000, 2**30])
@pytest.mark.parametrize("part", [1, 700, 2**20])
@pytest.mark.parametrize("sizes", [[1], [7, 64, 1], [256], [10_000]])
def test_neither_batches_nor_parts_nor_a_file_change_bits(
    sizes, part, max_bytes, monkeypatch
):
    labels, logits = case(600, 10)
    expected = measure(labels, logits, [600])
    monkeypatch.setattr(transposed, "_PART", part)
    assert measure(labels, logits, sizes, max_bytes=max_bytes) == expected


@pytest.mark.parametrize("max_bytes", [0, 2**30])
def test_a_nan_leaves_rankings_undefined(max_bytes):
    labels, logits = case(600, 4)
    logits[300, 2] = math.nan
    metrics = measure(labels, logits, [100], max_bytes=max_bytes)
    assert math.isnan(metrics["loss"])
    found = flat(metrics)
    expected = of_all_scores(labels, logits, 4)
    assert found.keys() == expected.keys()
    for name in expected.keys() - {"loss"}:
        assert found[name] == expected[name], name
    assert found["pr_auc of each"] == [None] * 4


def test_logits_of_minus_infinity_are_probabilities_of_zero():
    labels, logits = case(600, 4)
    logits[labels != 2, 2] = -math.inf
    found = flat(measure(labels, logits, [100]))
    assert found == of_all_scores(labels, logits, 4)
    assert found["roc_auc of each"][2] == 1.0


def test_a_file_is_closed_after_an_error(monkeypatch):
    files = []
    original = tempfile.TemporaryFile

    def open_file():
        files.append(original())
        return files[-1]

    def batches():
        yield CASES["two_classes"]()
        yield CASES["two_classes"]()
        raise InterruptedError

    monkeypatch.setattr(transposed, "_PART", 1)
    monkeypatch.setattr(tempfile, "TemporaryFile", open_file)
    with pytest.raises(InterruptedError):
        classification.metrics_of_batches(batches(), ["a", "b"], max_bytes=1)
    assert [file.closed for file in files] == [True]
