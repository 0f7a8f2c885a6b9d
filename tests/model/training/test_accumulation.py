"""A batch in parts, one after the other: the step of the whole batch."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from trainers import tasks
from trainers.config import experiment
from trainers.config.optimizer import OptimizerConfig
from trainers.config.trainer import TrainerConfig
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.distribution import strategies
from trainers.training import steps
from trainers.training.fitting import make_dataset
from trainers.training.fitting import make_network
from trainers.training.fitting import make_training_model

BATCH_SIZE = 8


def make_config(accumulation_steps, *, dropout=0.0, l2=0.1, **optimizer):
    config = experiment.ExperimentConfig()
    config.model = tfmodels.MnistMlpConfig(
        image_shape=(4, 4), hidden_dims=(8,), dropout=dropout, l2=l2
    )
    config.optimizer = OptimizerConfig(
        accumulation_steps=accumulation_steps, **optimizer
    )
    config.trainer.epochs = 3
    return config


def make_strategy(name):
    return strategies.make_strategy(
        TrainerConfig(strategy=name, num_logical_cpus=2)
    )


def make_model(config, strategy_name="one_device", per_epoch=2):
    with make_strategy(strategy_name).scope():
        return make_training_model(
            make_network(config, 3),
            config,
            tasks.make_task(config),
            steps.Steps(BATCH_SIZE, per_epoch, 1),
        )


def fit(config, strategy_name, num_examples=13):
    """Trains on so many examples, in batches of 8; returns model, losses."""
    rng = np.random.default_rng(0)
    examples = Examples(
        {"image": rng.integers(0, 256, (num_examples, 4, 4), np.uint8)},
        rng.integers(0, 3, num_examples).astype(np.int32),
        Places.numbered("row ", range(num_examples)),
    )
    per_epoch = -(-num_examples // BATCH_SIZE)
    model = make_model(config, strategy_name, per_epoch)
    history = model.fit(
        make_dataset(config, tasks.make_task(config), examples, BATCH_SIZE),
        epochs=config.trainer.epochs,
        steps_per_epoch=per_epoch,
        shuffle=False,
        verbose=0,
    )
    return model, history.history


def assert_equal_weights(a, b, atol=1e-6):
    for x, y in zip(a.trainable_weights, b.trainable_weights, strict=True):
        np.testing.assert_allclose(
            x.numpy(), y.numpy(), rtol=0, atol=atol, err_msg=x.path
        )


@functools.cache
def fit_with_momentum(accumulation_steps, strategy_name, num_examples):
    config = make_config(accumulation_steps, name="momentum", learning_rate=0.5)
    return fit(config, strategy_name, num_examples)


@pytest.mark.parametrize(
    "strategy_name, accumulation_steps, num_examples",
    [
        ("one_device", 4, 9),
        ("one_device", 8, 13),
        ("mirrored", 2, 13),
        ("mirrored", 4, 3),
    ],
)
def test_parts_give_the_weights_of_the_whole_batch(
    strategy_name, accumulation_steps, num_examples
):
    whole, whole_history = fit_with_momentum(1, "one_device", num_examples)
    parts, parts_history = fit_with_momentum(
        accumulation_steps, strategy_name, num_examples
    )
    assert_equal_weights(whole, parts)
    for name in ("loss", "accuracy"):
        np.testing.assert_allclose(
            whole_history[name], parts_history[name], atol=1e-6
        )


def test_the_schedule_counts_steps_and_not_parts():
    optimizer = {
        "name": "adam",
        "learning_rate": 0.25,
        "schedule": "linear",
        "warmup_steps": 2,
        "end_fraction": 0.0,
    }
    whole, _ = fit(make_config(1, **optimizer), "one_device")
    parts, _ = fit(make_config(4, **optimizer), "mirrored")
    # Two steps in each of three epochs; the last is the end of the decay.
    assert whole.optimizer.iterations == 6
    assert parts.optimizer.iterations == 6
    assert float(parts.optimizer.learning_rate) == 0.0
    assert_equal_weights(whole, parts)


@pytest.mark.parametrize(
    "strategy_name, accumulation_steps",
    [("one_device", 4), ("mirrored", 2)],
)
def test_a_penalty_on_the_weights_counts_once(
    strategy_name, accumulation_steps
):
    config = make_config(
        accumulation_steps, l2=0.25, name="sgd", learning_rate=0.5
    )
    model = make_model(config, strategy_name)
    for variable in model.trainable_weights:
        variable.assign(tf.ones_like(variable))
    # Of black images and all weights equal, every logit is the same: apart
    # from the penalty, the only gradient is that of the last biases.
    batch = (
        {"image": np.zeros((BATCH_SIZE, 4, 4), np.float32)},
        np.zeros(BATCH_SIZE, np.int32),
        np.ones(BATCH_SIZE, np.float32),
    )
    model.get_layer("hidden_0").bias.assign(np.zeros(8))
    dataset = tf.data.Dataset.from_tensors(batch).repeat()
    model.fit(dataset, steps_per_epoch=1, shuffle=False, verbose=0)
    for name in ("hidden_0", "logits"):
        # 1 - 0.5 * (0.25 * 2 * 1).
        kernel = model.get_layer(name).kernel.numpy()
        np.testing.assert_allclose(kernel, np.full(kernel.shape, 0.75))
    np.testing.assert_allclose(
        model.get_layer("logits").bias.numpy(),
        1 - 0.5 * np.array([1 / 3 - 1, 1 / 3, 1 / 3]),
        rtol=1e-6,
    )


def test_parts_train_with_dropout():
    config = make_config(
        2, dropout=0.5, l2=0.0, name="adam", learning_rate=0.01
    )
    model, history = fit(config, "mirrored")
    assert model.optimizer.iterations == 6
    assert np.isfinite(history["loss"]).all()
    seeds = [v for v in model.non_trainable_variables if "seed" in v.path]
    assert len(seeds) == 1


class Halves(keras.metrics.Mean):
    """Mean difference of the logits of a batch's first and second half."""

    def update_state(self, labels, logits, weights=None):
        first, second = tf.split(logits, 2)
        return super().update_state(tf.reduce_mean(abs(first - second)))


def test_each_part_has_a_dropout_mask_of_its_own():
    config = make_config(2, dropout=0.5, l2=0.0)
    task = tasks.make_task(config)
    task.objective.make_train_metrics = lambda: [Halves(name="halves")]
    # Both halves, and so both parts, hold the same image.
    batch = (
        {"image": np.ones((BATCH_SIZE, 4, 4), np.float32)},
        np.zeros(BATCH_SIZE, np.int32),
        np.ones(BATCH_SIZE, np.float32),
    )
    differences = {}
    for dropout in (0.0, 0.5):
        config.model.dropout = dropout
        model = make_training_model(
            make_network(config, 3), config, task, steps.Steps(8, 1, 1)
        )
        dataset = tf.data.Dataset.from_tensors(batch).repeat()
        history = model.fit(
            dataset, steps_per_epoch=1, shuffle=False, verbose=0
        )
        differences[dropout] = history.history["halves"][0]
    assert differences[0.0] == 0.0
    assert differences[0.5] > 0.01


def test_parts_train_in_half_precision():
    config = make_config(2, name="adam", learning_rate=0.01)
    config.trainer.dtype_policy = "mixed_float16"
    model, history = fit(config, "mirrored")
    assert model.optimizer.iterations == 6
    assert history["loss"][-1] < history["loss"][0]
