"""What happens around the steps, on a network of 14 weights."""

import datetime
import json
import logging
import math
import os
import types

import keras
import numpy as np
import pytest
import scores
import single_labels
import tensorflow as tf
import tiny_runs

import tfmodels
from trainers import tasks
from trainers.config import experiment
from trainers.config.trainer import TrainerConfig
from trainers.errors import RunError
from trainers.metrics import classification
from trainers.metrics.names import PER_CLASS
from trainers.run.best_weights import BestWeights
from trainers.training import callbacks
from trainers.training import fitting
from trainers.training import history
from trainers.training import state
from trainers.training.input_wait import InputWait
from trainers.training.model import TrainingModel


def make_model():
    """Returns a `TrainingModel` on images of 2 x 3 pixels, and its network."""
    keras.utils.set_random_seed(1)
    config = experiment.ExperimentConfig()
    config.model = tfmodels.MnistMlpConfig(image_shape=(2, 3), hidden_dims=())
    network = config.model.build(2)
    model = TrainingModel.from_network(network, tasks.make_task(config))
    model.compile(optimizer=keras.optimizers.SGD(0.1), jit_compile=False)
    return model, network


def make_dataset(pixels):
    """Returns endless batches of one image, all of whose pixels are equal."""
    images = np.array(pixels, np.float32)[:, None, None, None]
    images = images * np.ones((1, 1, 2, 3), np.float32)
    ones = np.ones((len(pixels), 1))
    data = ({"image": images}, ones.astype(np.int32), ones.astype(np.float32))
    return tf.data.Dataset.from_tensor_slices(data).repeat()


def fit(model, used, epochs=1, pixels=(0.5, 1.0)):
    return model.fit(
        make_dataset(pixels),
        epochs=epochs,
        steps_per_epoch=len(pixels),
        callbacks=used,
        shuffle=False,
        verbose=0,
    ).history


OBJECTIVE = single_labels.of(["a", "b/c"])


class Scripted(callbacks.Validation):
    """Validation whose results are given: a metric's values by epoch."""

    def __init__(self, **results):
        ((name, values),) = results.items()
        left = iter(values)
        super().__init__(lambda: {name: next(left)}, OBJECTIVE, name)


def score_fn(metric, validation):
    """Returns the function of a run with this metric."""
    run = types.SimpleNamespace(
        config=experiment.ExperimentConfig(
            trainer=TrainerConfig(best_metric=metric)
        ),
        task=types.SimpleNamespace(objective=OBJECTIVE),
    )
    return fitting.make_score_fn(run, validation)


def make_best(network, kept, metric, validation, steps_per_epoch=2, **settings):
    """Returns the callback that keeps weights in `BestWeights`."""

    def save(arrays, *, step, facts):
        kept.save(arrays, step=step, facts=facts)
        kept.keep_only(step)

    return callbacks.BestCheckpoint(
        network,
        save,
        score_fn(metric, validation),
        steps_per_epoch=steps_per_epoch,
        metric=metric,
        **settings,
    )


def weights_of(network):
    return [w.numpy().tolist() for w in network.weights]


# StopOnNonFiniteLoss.


def test_nan_stops_at_its_step():
    model, _ = make_model()
    with pytest.raises(RunError) as error:
        fit(
            model,
            [callbacks.StopOnNonFiniteLoss()],
            pixels=(0.5, 1.0, math.nan, 0.5),
        )
    assert str(error.value) == (
        "`loss` became nan by step 3 of the epoch. Nothing was exported. "
        "Lower --config.optimizer.learning_rate, in a new --workdir."
    )
    assert model.optimizer.iterations == 3


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_validation_loss_that_is_not_finite_stops_before_the_weights_are_kept(
    value, tmp_path
):
    model, network = make_model()
    kept = BestWeights(tmp_path)
    used = [
        Scripted(loss=[1.0, value]),
        callbacks.StopOnNonFiniteLoss(),
        make_best(network, kept, "loss", None),
    ]
    with pytest.raises(RunError) as error:
        fit(model, used, epochs=2)
    assert str(error.value).startswith(
        f"`val_loss` became {value} in epoch 2. Nothing was exported. "
    )
    assert os.listdir(tmp_path) == ["step-00000002"]


def test_a_finite_loss_does_not_stop():
    model, _ = make_model()
    used = [Scripted(loss=[1e30, 0.0]), callbacks.StopOnNonFiniteLoss()]
    assert len(fit(model, used, epochs=2)["loss"]) == 2


# EpochTimer and Validation.


def test_the_timer_adds_its_numbers_to_the_logs():
    model, _ = make_model()
    timer = history.EpochTimer(7, InputWait())
    logs = fit(model, [timer], epochs=3)
    assert len(timer.epoch_seconds) == 3
    assert logs["seconds"] == timer.epoch_seconds
    for seconds, rate in zip(
        logs["seconds"], logs["examples_per_second"], strict=True
    ):
        assert seconds > 0
        assert rate == 7 / seconds


def test_the_timer_has_stopped_before_later_callbacks_work():
    model, _ = make_model()
    timer = history.EpochTimer(7, InputWait())
    seen = []
    later = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(logs["seconds"])
    )
    fit(model, [timer, later], epochs=2)
    assert seen == timer.epoch_seconds


def test_validation_adds_its_floats_to_the_logs():
    model, _ = make_model()
    validation = callbacks.Validation(
        lambda: {"loss": 0.5, "num_examples": 3, "confusion_matrix": [[3]]},
        OBJECTIVE,
    )
    assert validation.result is None
    logs = fit(model, [validation])
    assert sorted(logs) == ["accuracy", "loss", "val_loss"]
    assert logs["val_loss"] == [0.5]
    assert validation.result["confusion_matrix"] == [[3]]


def test_validation_logs_the_metric_of_a_class_that_decides():
    model, _ = make_model()
    name = "per_class/b/recall"
    validation = callbacks.Validation(
        lambda: {"loss": 0.5, "per_class": {"b": {"recall": 0.25}}},
        OBJECTIVE,
        name,
    )
    logs = fit(model, [validation])
    assert logs[f"val_{name}"] == [0.25]
    assert sorted(logs) == ["accuracy", "loss", "val_loss", f"val_{name}"]


@pytest.mark.parametrize("logs_reports", [False, True])
def test_validation_logs_the_report_of_an_epoch_if_asked(caplog, logs_reports):
    caplog.set_level(logging.INFO)
    metrics = classification.metrics_of_batches(
        [(np.array([0, 1]), np.eye(2, dtype=np.float32))], ["a", "b"]
    )
    validation = callbacks.Validation(
        lambda: metrics, OBJECTIVE, logs_reports=logs_reports
    )
    validation.on_epoch_end(2, {})
    expected = OBJECTIVE.text_report(metrics).rstrip()
    assert caplog.messages == (
        [f"validation, epoch 3:\n{expected}"] if logs_reports else []
    )


# BestCheckpoint.


def test_the_best_epoch_is_kept_with_its_numbers(tmp_path):
    model, network = make_model()
    kept = BestWeights(tmp_path)
    validation = Scripted(loss=[3.0, 1.0, 2.0])
    best = make_best(network, kept, "loss", validation)
    seen = []
    record = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(weights_of(network))
    )
    logs = fit(model, [validation, record, best], epochs=3)
    assert best.best_epoch == 1
    assert os.listdir(tmp_path) == ["step-00000004"]
    _, restored = make_model()
    facts = kept.restore(restored)
    assert facts.pop("weights_sha256") == kept.sha256()
    assert datetime.datetime.fromisoformat(facts.pop("time")).tzinfo
    assert facts == {
        "step": 4,
        "epoch": 2,
        "metrics": {name: values[1] for name, values in logs.items()},
    }
    assert logs["val_loss"][1] == 1.0
    assert weights_of(restored) == seen[1] != seen[2]


@pytest.mark.parametrize(
    "metric, values, settings, num_epochs, best_epoch",
    [
        # Less is better for a loss, more for all others; equal is not better.
        ("loss", [3.0, 2.0, 2.0, 4.0], {}, 4, 1),
        ("accuracy", [0.1, 0.3, 0.3, 0.2], {}, 4, 1),
        ("macro_f1", [0.4, 0.3, 0.5, 0.5], {}, 4, 2),
        # The first epoch counts however bad it is.
        ("accuracy", [0.0, 0.0], {}, 2, 0),
        ("loss", [1e30, 1e30], {}, 2, 0),
        # Patience counts epochs since the best one.
        ("loss", [1.0, 2.0, 2.0, 2.0], {"patience": 1}, 2, 0),
        ("loss", [1.0, 2.0, 0.5, 2.0, 2.0, 0.1], {"patience": 2}, 5, 2),
        ("loss", [4.0, 3.0, 2.0, 1.0], {"patience": 1}, 4, 3),
        ("loss", [1.0, 2.0, 2.0, 2.0], {"patience": 0}, 4, 0),
        # A smaller difference is none, and the best stays the one kept.
        ("loss", [1.0, 0.75, 0.5, 0.25], {"min_delta": 0.25}, 4, 2),
        ("accuracy", [0.0, 0.25, 0.5, 1.0], {"min_delta": 0.25}, 4, 3),
        (
            "accuracy",
            [0.0, 0.25, 0.25, 0.75],
            {"min_delta": 0.5, "patience": 2},
            3,
            0,
        ),
    ],
)
def test_the_best_epoch_is_found(
    metric, values, settings, num_epochs, best_epoch, tmp_path
):
    model, network = make_model()
    # The other metrics point the other way.
    validation = callbacks.Validation(
        lambda: {"other": -value, metric: value, "per_class": {}},
        OBJECTIVE,
        metric,
    )
    best = make_best(
        network,
        BestWeights(tmp_path),
        metric,
        validation,
        steps_per_epoch=10,
        **settings,
    )
    model.stop_training = False
    best.set_model(model)
    done = 0
    for epoch, value in enumerate(values):
        if model.stop_training:
            break
        logs = {"loss": -value}
        validation.on_epoch_end(epoch, logs)
        best.on_epoch_end(epoch, logs)
        done += 1
    assert (done, best.best_epoch) == (num_epochs, best_epoch)
    (path,) = tmp_path.iterdir()
    assert path.name == f"step-{10 * (best_epoch + 1):08d}"
    facts = json.loads((path / "manifest.json").read_text())
    assert facts["epoch"] == best_epoch + 1
    assert facts["metrics"][f"val_{metric}"] == values[best_epoch]


def results(labels, logits):
    """Returns what `Validation` has as its result, for classes `a`, `b/c`."""
    return scores.metrics_of(
        np.array(labels), np.array(logits, np.float32), ["a", "b/c"]
    )


A, B = [1.0, 0.0], [0.0, 1.0]  # Logits that say `a`, or `b/c`.


@pytest.mark.parametrize(
    "metric, values",
    [
        # Of `a` 1, 1/2, 1; of `b/c` 1/2, 1, 1/2.
        ("per_class/b/c/recall", [0.5, 1.0, 0.5]),
        ("per_class/a/recall", [1.0, 0.5, 1.0]),
        ("per_class/b/c/precision", [1.0, 2 / 3, 1.0]),
        ("roc_auc", [0.75, 0.75, 0.75]),
    ],
)
def test_a_metric_of_one_class_can_choose_the_epoch(metric, values, tmp_path):
    passes = [[A, A, A, B], [A, B, B, B], [A, A, A, B]]
    passes = [results([0, 0, 1, 1], logits) for logits in passes]
    assert [PER_CLASS.scalar(p, metric) for p in passes] == pytest.approx(
        values
    )
    model, network = make_model()
    validation = callbacks.Validation(iter(passes).__next__, OBJECTIVE, metric)
    best = make_best(network, BestWeights(tmp_path), metric, validation)
    fit(model, [validation, best], epochs=3)
    assert best.best_epoch == int(np.argmax(values))


@pytest.mark.parametrize("metric", ["roc_auc", "per_class/b/c/pr_auc"])
@pytest.mark.parametrize(
    "defined, best_epoch, num_epochs",
    [
        ([False, True, False], 1, 3),
        ([True, False, False], 0, 3),
        ([False, False, False], 0, 3),
        ([False, False, True, False], 2, 4),
        ([True, False, False, True], 0, 3),
    ],
)
def test_an_undefined_metric_is_never_better(
    metric, defined, best_epoch, num_epochs, tmp_path
):
    # With one class alone there is no ranking.
    worst = results([0, 1], [B, A])
    nothing = results([0, 0], [A, A])
    assert PER_CLASS.scalar(worst, "roc_auc") == 0.0
    assert PER_CLASS.scalar(nothing, metric) is None
    passes = iter([worst if is_defined else nothing for is_defined in defined])
    model, network = make_model()
    validation = callbacks.Validation(passes.__next__, OBJECTIVE, metric)
    best = make_best(
        network, BestWeights(tmp_path), metric, validation, patience=2
    )
    logs = fit(model, [validation, best], epochs=len(defined))
    assert best.best_epoch == best_epoch
    assert len(logs["loss"]) == num_epochs


def after(values, interrupted=None):
    """Returns the callback after epochs with these values of `roc_auc`."""
    model, network = make_model()
    validation = Scripted(roc_auc=values)
    state = None
    for epoch in range(len(values)):
        if epoch in (0, interrupted):
            best = callbacks.BestCheckpoint(
                network,
                lambda arrays, step, facts: None,
                score_fn("roc_auc", validation),
                steps_per_epoch=2,
                metric="roc_auc",
            )
            best.set_model(model)
            if state is not None:
                best.set_state(through_json(state))
        logs = {}
        validation.on_epoch_end(epoch, logs)
        best.on_epoch_end(epoch, logs)
        state = best.get_state()
    return best


FLAG = "`--config.trainer.best_metric=roc_auc` was"
KEPT = (
    "so the epochs could not be compared. The weights of epoch 1 are kept. "
    "Choose another metric."
)


@pytest.mark.parametrize("interrupted", [None, 1, 2])
@pytest.mark.parametrize(
    "values, best_epoch, problem",
    [
        ([None, None, None], 0, f"{FLAG} undefined in each epoch, {KEPT}"),
        ([math.nan, math.nan], 0, f"{FLAG} undefined in each epoch, {KEPT}"),
        (
            [None, 0.25, math.nan, 0.5],
            3,
            f"{FLAG} undefined in 2 epochs (1, 3), which cannot be the best. "
            "The weights of epoch 4 are kept.",
        ),
        ([1.0, 1.0, 1.0], 0, f"{FLAG} equal in each epoch, {KEPT}"),
        ([0.0, 0.0, 0.0], 0, f"{FLAG} equal in each epoch, {KEPT}"),
        ([0.5, 0.5, 0.75], 2, None),
        ([0.5, 0.25, 0.5], 0, None),
        ([0.5], 0, None),
    ],
)
def test_a_metric_that_cannot_compare_the_epochs_is_said_at_the_end(
    values, best_epoch, problem, interrupted, caplog
):
    best = after(values, interrupted)
    assert (best.best_epoch, best.problem()) == (best_epoch, problem)
    first = next(
        (i for i, x in enumerate(values) if x is None or math.isnan(x)), None
    )
    expected = []
    if first is not None:
        expected = [
            "`--config.trainer.best_metric=roc_auc` is undefined in epoch "
            f"{first + 1}, which cannot be better than another epoch"
        ]
    assert caplog.messages == expected


def test_a_run_of_an_earlier_version_does_not_say_that_epochs_were_equal():
    best = after([0.5])
    best.set_state({"best": 0.5, "best_epoch": 0})
    assert best.problem() is None
    best._count(1, -math.inf)
    assert best.problem() == (
        f"{FLAG} undefined in 1 epochs (2), which cannot be the best. The "
        "weights of epoch 1 are kept."
    )


@pytest.mark.parametrize("metric", ["loss", "roc_auc"])
def test_an_undefined_metric_is_not_in_the_logs(metric):
    model, _ = make_model()
    validation = callbacks.Validation(
        lambda: results([0, 0], [A, A]), OBJECTIVE, metric
    )
    logs = fit(model, [validation])
    assert "val_accuracy" in logs and "val_roc_auc" not in logs


def test_without_validation_the_last_epoch_is_kept(tmp_path):
    model, network = make_model()
    best = make_best(
        network,
        BestWeights(tmp_path),
        "loss",
        None,
        patience=1,
        min_delta=100.0,
    )
    fit(model, [best], epochs=3)
    assert best.best_epoch == 2
    assert os.listdir(tmp_path) == ["step-00000006"]


def test_patience_ends_a_real_fit(tmp_path):
    model, network = make_model()
    validation = Scripted(accuracy=[0.5, 0.25, 0.5, 0.75])
    best = make_best(
        network, BestWeights(tmp_path), "accuracy", validation, patience=2
    )
    logs = fit(model, [validation, best], epochs=4)
    assert logs["val_accuracy"] == [0.5, 0.25, 0.5]
    assert best.best_epoch == 0
    assert os.listdir(tmp_path) == ["step-00000002"]


# What they remember over an interruption.


def through_json(state):
    return json.loads(json.dumps(state))


SCORES = {
    "loss": [3.0, 2.0, 2.5, 1.0, 1.0, 1.5, 1.25, 0.5],
    "accuracy": [0.1, 0.1, 0.4, 0.2, 0.2, 0.2, 0.2, 0.9],
    "roc_auc": [None, None, 0.5, None, 0.4, 0.6, None, 0.6],
}


def run_best(metric, first, end, before=None):
    """Returns what `BestCheckpoint` did in epochs, and its state."""
    model, network = make_model()
    values = iter(SCORES[metric][first:end])
    validation = Scripted(**{metric: values})
    saved = []
    best = callbacks.BestCheckpoint(
        network,
        lambda arrays, step, facts: saved.append((step, facts["epoch"])),
        score_fn(metric, validation),
        steps_per_epoch=2,
        patience=3,
        min_delta=0.125,
    )
    if before is not None:
        best.set_state(through_json(before))
    best.set_model(model)
    model.stop_training = False
    for epoch in range(first, end):
        logs = {}
        validation.on_epoch_end(epoch, logs)
        best.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    return saved, best.get_state(), model.stop_training


@pytest.mark.parametrize("metric", SCORES)
@pytest.mark.parametrize("interrupted", range(9))
def test_the_best_epoch_is_the_same_after_an_interruption(metric, interrupted):
    whole = run_best(metric, 0, 8)
    saved, kept, stopped = run_best(metric, 0, interrupted)
    if not stopped:
        more, kept, stopped = run_best(metric, interrupted, 8, kept)
        saved += more
    assert (saved, kept, stopped) == whole
    assert len(set(saved)) == len(saved) > 0


def test_a_worse_epoch_does_not_replace_the_best_after_an_interruption(
    tmp_path,
):
    kept = BestWeights(tmp_path)
    before = None
    for accuracy, step in ((0.5, 2), (0.25, 2), (0.5, 2), (0.75, 8)):
        model, network = make_model()
        validation = Scripted(accuracy=[])
        best = make_best(network, kept, "accuracy", validation)
        if before:
            best.set_state(through_json(before))
        validation.result = {"accuracy": accuracy}
        best.on_epoch_end(3 if before else 0, {})
        before = best.get_state()
        assert list(kept.steps.paths()) == [step]
    assert before == {
        "best": 0.75,
        "best_epoch": 3,
        "undefined": [],
        "num_defined": 4,
        "differ": True,
    }


@pytest.mark.parametrize("kind", ["best", "rate"])
def test_a_best_of_nothing_survives_json(kind):
    model, network = make_model()
    validation = Scripted(roc_auc=[])
    validation.result = {"roc_auc": None}

    def make():
        if kind == "rate":
            return callbacks.ReduceLearningRate(
                score_fn("roc_auc", validation), patience=9, factor=0.5
            )
        return make_best(network, BestWeights(None), "roc_auc", validation)

    first, second = make(), make()
    first._save_fn = lambda *args, **kwargs: None
    first.set_model(model)
    first.on_epoch_end(0, {})
    assert first.get_state()["best"] == -math.inf
    second.set_state(through_json(first.get_state()))
    assert second.get_state() == first.get_state()
    # Minus infinity again is no better.
    before = first.get_state()["best"]
    first.on_epoch_end(1, {})
    assert first.get_state()["best"] == before


# ReduceLearningRate.


def run_rates(metric, first, end, *, before=None, rate=0.5, patience=2):
    """Returns the learning rate after each epoch, and the state."""
    model, _ = make_model()
    model.optimizer.learning_rate = rate
    validation = Scripted(**{metric: iter(SCORES[metric][first:end])})
    reduce = callbacks.ReduceLearningRate(
        score_fn(metric, validation), patience=patience, factor=0.25
    )
    if before is not None:
        reduce.set_state(through_json(before))
    reduce.set_model(model)
    rates = []
    for epoch in range(first, end):
        validation.on_epoch_end(epoch, {})
        reduce.on_epoch_end(epoch, {})
        rates.append(float(model.optimizer.learning_rate.numpy()))
    return rates, reduce.get_state()


@pytest.mark.parametrize(
    "metric, patience, factors",
    [
        # Better in epochs 1, 2, 4 and 8.
        ("loss", 1, [1, 1, 4, 4, 16, 64, 256, 256]),
        ("loss", 2, [1, 1, 1, 1, 1, 4, 4, 4]),
        ("loss", 4, [1, 1, 1, 1, 1, 1, 1, 1]),
        # Better in epochs 1, 3 and 8.
        ("accuracy", 2, [1, 1, 1, 1, 4, 4, 16, 16]),
        # Better in epochs 3 and 6; nothing is not better than nothing.
        ("roc_auc", 2, [1, 4, 4, 4, 16, 16, 16, 64]),
    ],
)
def test_the_learning_rate_is_lowered_where_nothing_gets_better(
    metric, patience, factors
):
    rates, _ = run_rates(metric, 0, 8, patience=patience)
    assert rates == [0.5 / factor for factor in factors]


@pytest.mark.parametrize("metric", SCORES)
@pytest.mark.parametrize("interrupted", range(9))
def test_the_learning_rate_is_the_same_after_an_interruption(
    metric, interrupted
):
    whole = run_rates(metric, 0, 8)
    rates, kept = run_rates(metric, 0, interrupted)
    rate = rates[-1] if rates else 0.5  # A variable of the optimizer.
    more, kept = run_rates(metric, interrupted, 8, before=kept, rate=rate)
    assert (rates + more, kept) == whole


def test_the_log_says_when_the_learning_rate_is_lowered(caplog):
    with caplog.at_level(logging.INFO, "trainers.training.callbacks"):
        run_rates("accuracy", 0, 6)
    assert caplog.messages == [
        "learning rate lowered from 0.5 to 0.125 after epoch 5"
    ]


@pytest.mark.parametrize("name", ["one_device", "mirrored"])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_lowered_learning_rate_is_that_of_the_steps(name, policy):
    config = tiny_runs.make_config(
        trainer__strategy=name,
        trainer__dtype_policy=policy,
        optimizer__name="sgd",
        optimizer__learning_rate=0.5,
    )
    model = tiny_runs.make_model(config)
    validation = Scripted(loss=[])
    reduce = callbacks.ReduceLearningRate(
        score_fn("loss", validation), patience=1, factor=0.5
    )
    reduce.set_model(model)
    for loss in (1.0, 1.0, 2.0):
        validation.result = {"loss": loss}
        reduce.on_epoch_end(0, {})
    arrays = [a for n, a in state.read(model).items() if "learning_rate" in n]
    assert arrays[-1].item() == 0.125
    assert float(model.optimizer.learning_rate.numpy()) == 0.125
