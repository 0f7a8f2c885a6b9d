"""One number for each example: targets, losses, answers and words."""

import decimal
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainers.config import TextDataConfig
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.data.texts import loading
from trainers.errors import DataError
from trainers.objectives.regression import Regression
from trainers.objectives.regression import RegressionConfig

STATE = {"mean": 10.0, "deviation": 2.0, "minimum": 7.0, "maximum": 13.0}
LOGITS = np.array([[0.5], [-3.0], [2.0]], np.float32)
TARGETS = np.array([11.0, 7.0, 12.0])


def make(state=STATE, **settings):
    return Regression(RegressionConfig(**settings), state)


def make_examples(targets):
    targets = np.asarray(targets)
    return Examples({}, targets, Places.numbered("row ", range(len(targets))))


# Targets.


@pytest.mark.parametrize(
    "value, number",
    [
        ("3", 3.0),
        (" -1.5\n", -1.5),
        ("+.25", 0.25),
        ("2.", 2.0),
        ("1e-3", 0.001),
        ("6E2", 600.0),
        (4, 4.0),
        (-0.5, -0.5),
        ([7], 7.0),
        (["7.5"], 7.5),
        (decimal.Decimal("1.25"), 1.25),
    ],
)
def test_a_number_is_read(value, number):
    found = make().parse({"label": value})
    assert type(found) is float and found == number


@pytest.mark.parametrize(
    "value, words",
    [
        ("", "the number is empty"),
        (" \t", "the number is empty"),
        (None, "the number is empty"),
        ("good", "'good' is no number"),
        ("1_000", "'1_000' is no number"),
        ("０", "'０' is no number"),
        ("0x10", "'0x10' is no number"),
        ("5 stars", "'5 stars' is no number"),
        ("nan", "'nan' is no number, which has to be finite: remove the row"),
        ("-Inf", "'-Inf' is no number, which has to be finite: remove the row"),
        (
            "3,5",
            "'3,5' is no number: write numbers with a decimal point and "
            "without separators of thousands, such as 1234.5",
        ),
        (
            "1.234,5",
            "'1.234,5' is no number: write numbers with a decimal point and "
            "without separators of thousands, such as 1234.5",
        ),
        ("1e39", "'1e39' is no finite number of the type float32"),
        (float("nan"), "'nan' is no finite number of the type float32"),
        (
            10**400,
            f"'{'1' + '0' * 79}' is no finite number of the type float32",
        ),
        (True, "'True' is no number"),
        ([1, 2], "'[1, 2]' is no number"),
        ({"a": 1}, "\"{'a': 1}\" is no number"),
    ],
)
def test_what_is_no_number_is_refused_and_never_guessed(value, words):
    with pytest.raises(ValueError) as error:
        make().parse({"label": value})
    assert str(error.value) == words


def test_a_file_with_wrong_numbers_is_refused_with_rows_and_values(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text('text,label\na,1.5\nb,"2,5"\nc,\nd,x\n')
    data = TextDataConfig(train=str(file), validation="none", test="none")
    with pytest.raises(DataError) as error:
        loading.load_raw(data, "train", make())
    message = str(error.value)
    assert f"{file}, line 3: '2,5' is no number" in message
    assert f"{file}, line 4: the number is empty" in message
    assert f"{file}, line 5: 'x' is no number" in message


def test_the_scale_is_that_of_train():
    splits = {
        "train": make_examples([2.0, 4.0, 9.0]),
        "test": make_examples([100.0]),
    }
    before = make(None)
    after, targets = before.fitted(splits)
    assert after.state() == {
        "mean": 5.0,
        "deviation": pytest.approx(np.std([2, 4, 9])),
        "minimum": 2.0,
        "maximum": 9.0,
    }
    assert targets["train"].tolist() == [2, 4, 9]
    assert targets["test"].dtype == np.float64
    # A finished run keeps its scale.
    again = before.restored(json.loads(json.dumps(after.state())))
    assert again.state() == after.state()
    assert again.fitted({"test": splits["test"]})[0].state() == after.state()


@pytest.mark.parametrize("values", [[5, 5, 5], [1.1] * 3, [0.0] * 2])
def test_equal_numbers_teach_nothing(values):
    splits = {"train": make_examples(values)}
    objective, _ = make(None).fitted(splits)
    with pytest.raises(DataError) as error:
        objective.check_splits(splits)
    assert str(error.value) == (
        "split train: must contain at least two different numbers to learn "
        f"from. Received: only {objective.describe(values[0])}, {len(values)} "
        "examples. If another column has the numbers, name it with "
        "--config.data.label_column."
    )


@pytest.mark.parametrize(
    "targets, words",
    [
        ([1.0, np.nan, np.inf], "row 1: nan"),
        ([[1.0, 2.0]], "each example must have one number to learn"),
        (["a", "b"], "each example must have one number to learn"),
    ],
    ids=["not finite", "two numbers", "words"],
)
def test_arrays_of_a_source_are_checked(targets, words):
    with pytest.raises(DataError) as error:
        make(None).fitted({"train": make_examples(targets)})
    assert words in str(error.value)


def test_numbers_of_classes_are_refused():
    with pytest.raises(DataError) as error:
        make(None).fitted({"train": make_examples([0, 1])}, ["cat", "dog"])
    assert str(error.value) == (
        "the labels are classes, which have no order and no distances. "
        "Received: 'cat', 'dog'. To learn classes, set "
        "--config.task.objective=single_label."
    )


@pytest.mark.parametrize(
    "state",
    [
        None,
        ["mean"],
        {"mean": 1.0},
        STATE | {"more": 1.0},
        STATE | {"mean": "1"},
        STATE | {"mean": float("nan")},
    ],
)
def test_another_state_is_refused(state):
    with pytest.raises(ValueError, match="not an object of the numbers"):
        make(None).restored(state)


# Learning and answers.


def test_the_loss_is_that_of_standardized_numbers():
    errors = LOGITS[:, 0] - (TARGETS - 10) / 2
    found = make().example_losses(TARGETS, LOGITS)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, errors**2)
    for delta in (0.5, 1.0, 3.0):
        huber = keras.losses.Huber(delta, reduction=None)
        expected = huber(((TARGETS - 10) / 2)[:, np.newaxis], LOGITS)
        objective = make(loss="huber", huber_delta=delta)
        found = objective.example_losses(TARGETS, LOGITS)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_half_precision_gives_a_float32_loss():
    logits = tf.cast(LOGITS, tf.bfloat16)
    found = make().example_losses(TARGETS, logits)
    assert found.dtype == tf.float32
    expected = make().example_losses(TARGETS, tf.cast(logits, tf.float32))
    np.testing.assert_array_equal(found, expected)


def test_digits_of_large_numbers_count():
    """Seconds since 1970 that differ by less than float32 can tell."""
    state = {
        "mean": 1.7e9,
        "deviation": 4.0,
        "minimum": 1.7e9,
        "maximum": 1.8e9,
    }
    targets = np.array([1.7e9 + 2, 1.7e9 + 6])
    logits = np.array([[0.5], [1.5]], np.float32)
    objective = make(state)
    np.testing.assert_array_equal(objective.example_losses(targets, logits), 0)
    batch = objective.summarize(tf.constant(targets), tf.constant(logits))
    metrics = objective.measure([{k: v.numpy() for k, v in batch.items()}])
    # Answers cannot tell them apart, and the metrics are of the answers.
    assert objective.outputs(logits)["value"].numpy().tolist() == [1.7e9] * 2
    assert (metrics["loss"], metrics["mae"], metrics["pearson"]) == (0, 4, None)


@pytest.mark.parametrize(
    "mean, deviation, words",
    [
        (
            1.7e9,
            40.0,
            "near 1.7e+09, the mean of the numbers, are 128 apart. The "
            "standard deviation of the numbers is 40. ",
        ),
        (-1.7e9, 12_799.0, "near -1.7e+09, the mean of the numbers, are 128 "),
        (1.7e9, 12_800.0, None),
        (0.0, 1e-30, None),
    ],
)
def test_numbers_that_float32_cannot_tell_apart_are_warned_of(
    mean, deviation, words
):
    objective = make(STATE | {"mean": mean, "deviation": deviation})
    facts = {"far_outside": 0, "examples": 3}
    assert list(objective.warnings("test", facts)) == []
    found = list(objective.warnings("train", facts))
    assert len(found) == (words is not None)
    if found:
        assert found[0].startswith("split train: answers are float32, which ")
        assert words in found[0]


def test_answers_are_in_the_unit_of_the_data():
    outputs = make().outputs(LOGITS)
    assert outputs["value"].dtype == tf.float32
    assert outputs["value"].numpy().tolist() == [11, 4, 14]
    regressed = make().regression(LOGITS)["outputs"]
    assert regressed.numpy().tolist() == [11, 4, 14]
    clipped = make(clip_to_training_range=True).outputs(LOGITS)["value"]
    assert clipped.numpy().tolist() == [11, 7, 13]
    answers = make().answers({"value": np.array([0.1, 3], np.float32)})
    assert list(answers) == [{"value": 0.1}, {"value": 3.0}]


def test_metrics_are_of_the_answers_and_the_loss_is_not_clipped():
    for is_clipped, mae in ((False, 5 / 3), (True, 1 / 3)):
        objective = make(clip_to_training_range=is_clipped)
        kept = objective.summarize(tf.constant(TARGETS), tf.constant(LOGITS))
        batch = {name: value.numpy() for name, value in kept.items()}
        metrics = objective.measure([batch])
        assert metrics["mae"] == pytest.approx(mae)
        assert metrics["loss"] == pytest.approx((0 + 1.5**2 + 1) / 3)
        assert metrics["num_examples"] == 3


def test_a_diverged_run_has_a_loss_and_no_metrics():
    kept = make().summarize(
        tf.constant(TARGETS), tf.constant(LOGITS * np.float32(np.nan))
    )
    metrics = make().measure([{k: v.numpy() for k, v in kept.items()}])
    assert np.isnan(metrics["loss"])
    assert metrics["mae"] is None
    assert make().pictures(metrics) == {}
    assert "MAE  undefined" in make().text_report(metrics)


def test_the_best_epoch_is_low_for_errors_and_high_for_correlations():
    objective = make()
    low = {name for name in objective.metrics if objective.is_better_low(name)}
    assert low == {"loss", "mse", "mae"}
    assert set(objective.metrics) - low == {"r2", "pearson", "spearman"}
    assert "must" not in objective.metric_words()
    assert objective.metric_problem("accuracy").startswith("one of loss, mse")


# Words.


@pytest.mark.parametrize(
    "number, words",
    [(4.0, "4"), (-0.5, "-0.5"), (0.1, "0.1"), (1e300, "1e+300")],
)
def test_a_number_in_words_has_all_its_digits(number, words):
    assert make().describe(np.float64(number)) == words


def test_numbers_far_outside_of_train_are_warned_of():
    objective = make()
    facts = objective.counts(np.array([4.9, 5.0, 10.0, 15.0, 15.1]))
    assert facts["far_outside"] == 2
    (warning,) = objective.warnings("test", facts | {"examples": 5})
    assert warning == (
        "split test: 2 of 5 numbers are far outside of those of train, by more "
        "than their standard deviation. train: from 7 to 13. test: from 4.9 to "
        "15.1."
    )
    near = objective.counts(np.array([5.0, 15.0])) | {"examples": 2}
    assert list(objective.warnings("test", near)) == []


def test_a_small_error_is_no_zero_in_the_log():
    metrics = dict.fromkeys(Regression.metrics, 0.0) | {"mae": 3e-7, "r2": 1.0}
    lines = [line.split() for line in make().text_report(metrics).splitlines()]
    assert lines[:3] == [["MAE", "3e-07"], ["MSE", "0.0000"], ["R²", "1.0000"]]


def test_the_card_has_range_and_error():
    objective = make()
    assert objective.purpose("texts") == (
        "Predicts a number for texts, like those of train, from 7 to 13"
    )
    kept = objective.summarize(tf.constant(TARGETS), tf.constant(LOGITS))
    metrics = objective.measure([{k: v.numpy() for k, v in kept.items()}])
    ((header, (row,)),) = objective.quality(metrics)
    assert header[:3] == ["MAE", "MSE", "R²"]
    assert row[0] == pytest.approx(5 / 3)
    lines = objective.limits("test", metrics)
    assert lines[0].startswith("The numbers of train are from 7 to 13")
    assert lines[-1] == (
        "On the split test, answers are off by 1.667 on average."
    )
