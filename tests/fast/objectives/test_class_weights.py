"""Factors of the training loss by class."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from trainers.errors import ConfigError
from trainers.objectives import class_weights

NAMES = ["ham", "spam", "a=b"]
LABELS = np.array([0, 0, 0, 0, 1, 2, 2], np.int32)


def parse(text, labels=LABELS):
    return class_weights.parse(text, NAMES, labels)


def test_none_are_no_weights():
    assert parse("none") is None


@pytest.mark.parametrize(
    "text, expected",
    [
        ("spam=2", [1, 2, 1]),
        ("spam=2.5,ham=0.1", [0.1, 2.5, 1]),
        ("a=b=3", [1, 1, 3]),
        ("ham=1e-2,a=b=4,spam=0.5", [0.01, 0.5, 4]),
    ],
)
def test_factors_are_given_by_name(text, expected):
    weights = parse(text)
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights, np.array(expected, np.float32))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_balanced_is_that_of_scikit_learn(seed):
    labels = np.random.default_rng(seed).integers(0, 3, 50).astype(np.int32)
    weights = parse("balanced", labels)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    # Every class weighs the same in sum, and an example 1 in the mean.
    sums = weights * np.bincount(labels)
    np.testing.assert_allclose(sums, [50 / 3] * 3, rtol=1e-5)
    assert weights[labels].mean() == pytest.approx(1)


def test_balanced_leaves_a_class_without_examples_out():
    labels = LABELS[LABELS != 1]
    weights = parse("balanced", labels)
    expected = compute_class_weight(
        "balanced", classes=np.array([0, 2]), y=labels
    )
    np.testing.assert_allclose(weights[[0, 2]], expected, rtol=1e-6)
    assert np.isfinite(weights).all()


@pytest.mark.parametrize(
    "text, part",
    [
        ("", ""),
        ("Balanced", "Balanced"),
        ("spam", "spam"),
        ("spam=", "spam="),
        ("spam=x", "spam=x"),
        ("spam=-1", "spam=-1"),
        ("spam=0", "spam=0"),
        ("spam=2,spam=3", "spam=3"),
        ("spam=nan", "spam=nan"),
        ("spam=inf", "spam=inf"),
        ("eggs=1", "eggs=1"),
        ("spam=1,eggs=1", "eggs=1"),
        ("spam=1,", ""),
        ("spam=1, ham=1", " ham=1"),
        ("=1", "=1"),
    ],
)
def test_other_names_and_factors_are_refused(text, part):
    hint = ""
    if part == " ham=1":
        hint = " (looks like 'ham', and is written ' ham')"
    with pytest.raises(ConfigError) as error:
        parse(text)
    assert str(error.value) == (
        "`--config.task.class_weights` must be none, balanced, or "
        "NAME=FACTOR,NAME=FACTOR with factors above 0. Received: "
        f"{text!r}, where {part!r} is wrong{hint}. Names: ham, spam, a=b."
    )


def test_a_name_can_contain_commas():
    weights = class_weights.parse("a,b=2,b=3", ["a", "a,b", "b"], LABELS)
    assert weights.tolist() == [1, 2, 3]
