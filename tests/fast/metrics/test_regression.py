"""Metrics of numbers: those of scikit-learn and SciPy."""

import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from trainers.metrics import number_pictures
from trainers.metrics import regression

TARGETS = np.array([1.0, 2.0, 2.0, 4.0])
PREDICTED = np.array([1.5, 2.0, 1.0, 5.0])


def expected(targets, predicted):
    """Returns the metrics of the libraries; NaN where they are undefined."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {
            "mse": sklearn_metrics.mean_squared_error(targets, predicted),
            "mae": sklearn_metrics.mean_absolute_error(targets, predicted),
            "r2": sklearn_metrics.r2_score(targets, predicted),
            "pearson": stats.pearsonr(targets, predicted).statistic,
            "spearman": stats.spearmanr(targets, predicted).statistic,
        }
    if (targets == targets[0]).all():
        found["r2"] = np.nan  # The mean of equal numbers can be another one.
    return {k: float(v) if np.isfinite(v) else None for k, v in found.items()}


def test_all_metrics_are_those_of_scikit_learn_and_scipy():
    rng = np.random.default_rng(0)
    num_undefined = 0
    for case in range(200):
        size = rng.integers(2, 60)
        scale = 10.0 ** rng.integers(-3, 6)
        targets = rng.normal(3, 1, size) * scale
        predicted = targets + rng.normal(0, 1, size) * scale
        if case % 3 == 0:  # Ties.
            targets, predicted = (
                np.round(x / scale) * scale for x in (targets, predicted)
            )
        if case % 10 == 0:
            predicted[:] = scale
        if case % 15 == 0:
            targets[:] = scale
        found = regression.metrics_of(targets, predicted)
        for name, value in expected(targets, predicted).items():
            num_undefined += value is None
            assert found[name] == (
                value and pytest.approx(value, rel=1e-12, abs=1e-12)
            ), (case, name)
        assert found["num_examples"] == size
    assert num_undefined > 50


def test_equal_values_share_the_mean_of_their_ranks():
    rng = np.random.default_rng(1)
    for _ in range(20):
        values = rng.integers(0, 8, 30).astype(float)
        np.testing.assert_array_equal(
            regression.mean_ranks(values), stats.rankdata(values)
        )


def test_metrics_without_two_different_values_are_undefined():
    same = regression.metrics_of(np.ones(3), PREDICTED[:3])
    assert [same[name] for name in ("r2", "pearson", "spearman")] == [None] * 3
    assert same["mae"] == pytest.approx(0.5)
    flat = regression.metrics_of(TARGETS, np.ones(4))
    assert flat["pearson"] is flat["spearman"] is None
    assert flat["r2"] < 0
    for name in regression.METRICS:
        why = regression.why_undefined(name, np.ones(3))
        is_defined = name in ("loss", "mse", "mae")
        assert why == (None if is_defined else "has only targets of 1.0")
        assert regression.why_undefined(name, TARGETS) is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_prediction_that_is_not_finite_leaves_all_undefined(value):
    found = regression.metrics_of(TARGETS, np.array([1, 2, 3, value]))
    assert {found[name] for name in regression.METRICS[1:]} == {None}
    assert found["num_examples"] == 4


def test_large_numbers_do_not_overflow():
    found = regression.metrics_of(TARGETS * 1e38, PREDICTED * 1e38)
    exact = regression.metrics_of(TARGETS, PREDICTED)
    for name in ("r2", "pearson", "spearman"):
        assert found[name] == pytest.approx(exact[name], rel=1e-9)
    assert found["mse"] == pytest.approx(exact["mse"] * 1e76)


def test_each_example_is_in_one_cell_and_one_bar():
    rng = np.random.default_rng(2)
    targets, predicted = rng.normal(size=(2, 500))
    found = regression.metrics_of(targets, predicted)
    counts = np.array(found["predicted_by_true"]["counts"])
    edges = np.array(found["predicted_by_true"]["edges"])
    assert counts.sum() == 500 and counts.shape == (32, 32)
    (row,) = np.flatnonzero(counts[:, -1] > 0)[:1]
    assert predicted.max() == edges[-1] or targets.max() == edges[-1]
    # Rows are targets.
    inside = (targets >= edges[row]) & (targets < edges[row + 1])
    assert counts[row].sum() == inside.sum()
    bars = found["residuals"]
    assert sum(bars["counts"]) == 500
    assert bars["edges"][0] == -bars["edges"][-1]


@pytest.mark.parametrize(
    "targets, predicted",
    [
        (TARGETS, PREDICTED),
        (np.zeros(2), np.zeros(2)),
        (np.full(2, 1e9), np.full(2, 1e9)),
        (np.ones(3), PREDICTED[:3]),
    ],
    ids=["usual", "all zero", "all large", "one target"],
)
def test_pictures_show_any_numbers(targets, predicted):
    metrics = regression.metrics_of(targets, predicted)
    for draw in (number_pictures.predicted_by_true, number_pictures.residuals):
        picture = draw(metrics)
        assert picture.dtype == np.uint8 and picture.shape[2] == 3
        assert 0 < (picture < 255).mean() < 0.9
