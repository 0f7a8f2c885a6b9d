"""The norm of all gradients together: of their sum, whole and unscaled."""

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
from trainers.training.model import TrainingModel

STRATEGIES = ["one_device", "mirrored"]


def make_strategy(name):
    return strategies.make_strategy(
        TrainerConfig(strategy=name, num_logical_cpus=2)
    )


def make_config(global_clipnorm, policy="float32", **optimizer):
    config = experiment.ExperimentConfig()
    config.model = tfmodels.MnistMlpConfig(
        image_shape=(4, 4), hidden_dims=(8,), activation="tanh"
    )
    config.optimizer = OptimizerConfig(
        **{"name": "sgd", "learning_rate": 0.5} | optimizer,
        global_clipnorm=global_clipnorm,
    )
    config.trainer.dtype_policy = policy
    return config


def make_model(config, strategy_name):
    with make_strategy(strategy_name).scope():
        return make_training_model(
            make_network(config, 3),
            config,
            tasks.make_task(config),
            steps.Steps(8, 2, 1),
        )


def fit(model, config, num_steps=1):
    """Trains on 13 examples in batches of 8; returns the losses."""
    rng = np.random.default_rng(0)
    examples = Examples(
        {"image": rng.integers(0, 256, (13, 4, 4), np.uint8)},
        rng.integers(0, 3, 13).astype(np.int32),
        Places.numbered("row ", range(13)),
    )
    return model.fit(
        make_dataset(config, tasks.make_task(config), examples, 8),
        steps_per_epoch=num_steps,
        shuffle=False,
        verbose=0,
    ).history["loss"]


def weights_of(model):
    return [w.numpy().astype(np.float64) for w in model.trainable_weights]


def norm_of_change(before, after):
    return np.sqrt(
        sum(((b - a) ** 2).sum() for a, b in zip(before, after, strict=True))
    )


def largest_difference(a, b):
    return max(abs(x - y).max() for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    "policy, strategy_name",
    [("float32", "one_device"), ("mixed_float16", "mirrored")],
)
def test_a_long_gradient_is_shortened_to_the_norm(policy, strategy_name):
    config = make_config(0.01, policy)
    model = make_model(config, strategy_name)
    before = weights_of(model)
    fit(model, config)
    assert norm_of_change(before, weights_of(model)) == pytest.approx(
        0.5 * 0.01, rel=1e-4
    )


def test_a_short_gradient_stays_as_it_is():
    changes = []
    for global_clipnorm in (0.0, 10.0):
        config = make_config(global_clipnorm, "mixed_float16")
        model = make_model(config, "one_device")
        fit(model, config, num_steps=4)
        changes.append(weights_of(model))
    assert largest_difference(*changes) < 1e-7


def test_two_replicas_clip_as_one_device_does():
    """The sum of all parts of the batch, too."""
    config = make_config(0.1, name="momentum", accumulation_steps=2)
    one, two = (make_model(config, name) for name in STRATEGIES)
    losses = [fit(model, config, num_steps=6) for model in (one, two)]
    assert largest_difference(weights_of(one), weights_of(two)) < 1e-6
    np.testing.assert_allclose(*losses, atol=1e-6)
    free = make_model(make_config(0.0, name="momentum"), "one_device")
    fit(free, config, num_steps=6)
    assert largest_difference(weights_of(one), weights_of(free)) > 1e-2


class StockModel(TrainingModel):
    """Leaves the sum over replicas and the clipping to Keras."""

    def compile(self, optimizer, **kwargs):
        keras.Model.compile(self, optimizer=optimizer, **kwargs)

    def train_step(self, data):
        _, _, weights = data
        total_weight = tf.distribute.get_replica_context().all_reduce(
            tf.distribute.ReduceOp.SUM, tf.reduce_sum(weights)
        )
        gradients, _ = self._gradients(data, total_weight)
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )
        return {"loss": 0.0}


@pytest.mark.parametrize("global_clipnorm", [None, 0.1])
def test_keras_still_clips_the_gradients_of_each_replica(global_clipnorm):
    """When this fails, Keras's own clipping may do."""
    config = make_config(0.0)
    weights = []
    for name in STRATEGIES:
        with make_strategy(name).scope():
            model = StockModel.from_network(
                make_network(config, 3), tasks.make_task(config)
            )
            optimizer = keras.optimizers.SGD(
                0.5, global_clipnorm=global_clipnorm
            )
            model.compile(optimizer=optimizer, jit_compile=False)
        fit(model, config, num_steps=6)
        weights.append(weights_of(model))
    if global_clipnorm is None:
        assert largest_difference(*weights) < 1e-6
    else:
        assert largest_difference(*weights) > 1e-2


def test_keras_still_sums_gradients_in_the_method_that_is_replaced(monkeypatch):
    """Else `compile` would leave two sums, or none."""
    calls = []

    def all_reduce(self, grads_and_vars):
        calls.append(len(grads_and_vars))
        return grads_and_vars

    monkeypatch.setattr(
        keras.optimizers.SGD, "_all_reduce_sum_gradients", all_reduce
    )
    for kind in (StockModel, TrainingModel):
        config = make_config(0.0)
        model = kind.from_network(
            make_network(config, 3), tasks.make_task(config)
        )
        model.compile(keras.optimizers.SGD(0.5))
        variables = model.trainable_variables
        model.optimizer.apply_gradients(
            [(tf.ones_like(v), v) for v in variables]
        )
    assert calls == [len(variables)]


@pytest.mark.parametrize("global_clipnorm", [0.0, 0.1])
def test_a_gradient_without_end_on_one_replica_is_skipped_on_all(
    global_clipnorm,
):
    config = make_config(global_clipnorm, "mixed_float16")
    model = make_model(config, "mirrored")
    before = weights_of(model)
    images = np.ones((8, 4, 4), np.float32)
    images[-1] = np.inf  # Of the second replica.
    batch = (
        {"image": images},
        np.zeros(8, np.int32),
        np.ones(8, np.float32),
    )
    dataset = tf.data.Dataset.from_tensors(batch).repeat()
    model.fit(dataset, steps_per_epoch=1, shuffle=False, verbose=0)
    for variable, old in zip(model.trainable_weights, before, strict=True):
        for value in make_values(variable):
            np.testing.assert_array_equal(value, old)
    assert model.optimizer.iterations == 0
    assert model.optimizer.dynamic_scale.numpy() == 2**14


def make_values(variable):
    """Returns a variable's value on each replica."""
    return [part.numpy() for part in variable.value.values]


# Embeddings, whose gradients have a row for each token, repeated or not.

TOKENS = np.array([[1, 1, 1, 2], [2, 2, 0, 3]], np.int32)


def embed(name):
    """Returns a network on 4 tokens of 5, and the features it takes."""
    if name == "embedding":
        features = TOKENS
        inputs = keras.Input((4,), dtype="int32", name="x")
        x = keras.layers.Embedding(5, 3, name="table")(inputs)
    else:
        features = np.eye(5, dtype=np.float32)[TOKENS]
        inputs = keras.Input((4, 5), name="x")
        x = keras.layers.Dense(3, use_bias=False, name="table")(inputs)
    x = keras.layers.GlobalAveragePooling1D()(x)
    logits = keras.layers.Dense(2, name="logits")(x)
    return keras.Model({"x": inputs}, logits), {"x": features}


def fit_embedding(table, strategy_name, num_steps, **optimizer):
    """Returns the weights before and after."""
    config = make_config(**optimizer)
    rng = np.random.default_rng(0)
    with make_strategy(strategy_name).scope():
        network, features = embed(table)
        for variable in network.trainable_variables:
            variable.assign(rng.normal(size=variable.shape))
        before = weights_of(network)
        model = make_training_model(
            network, config, tasks.make_task(config), steps.Steps(2, 1, 1)
        )
    batch = (features, np.array([0, 1], np.int32), np.ones(2, np.float32))
    dataset = tf.data.Dataset.from_tensors(batch).repeat()
    model.fit(dataset, steps_per_epoch=num_steps, shuffle=False, verbose=0)
    return before, weights_of(network)


@pytest.mark.parametrize("strategy_name", STRATEGIES)
def test_repeated_tokens_are_added_up_before_the_norm(strategy_name):
    before, after = fit_embedding(
        "embedding", strategy_name, 1, global_clipnorm=0.01
    )
    assert norm_of_change(before, after) == pytest.approx(5e-3, rel=1e-4)
    # The table's part is not lost in that of the other weights.
    assert norm_of_change(before[:1], after[:1]) > 1e-3


@pytest.mark.parametrize(
    "strategy_name, optimizer, global_clipnorm",
    [
        ("one_device", "adam", 0.0),
        ("one_device", "sgd", 0.1),
        ("mirrored", "sgd", 0.0),
        ("mirrored", "adamw", 0.1),
    ],
)
def test_an_embedding_learns_as_the_matrix_that_it_is(
    strategy_name, optimizer, global_clipnorm
):
    settings = {"name": optimizer, "global_clipnorm": global_clipnorm}
    _, expected = fit_embedding("matrix", "one_device", 4, **settings)
    before, after = fit_embedding("embedding", strategy_name, 4, **settings)
    assert largest_difference(after, expected) < 2e-6
    assert norm_of_change(before[:1], after[:1]) > 1e-2


def test_keras_still_squares_the_rows_of_repeated_tokens_one_by_one():
    """When this fails, `TrainingModel` need not make gradients dense."""
    gradient = tf.IndexedSlices(
        tf.constant([[3.0], [3.0]]), tf.constant([1, 1]), tf.constant([2, 1])
    )
    tables = []
    for kind in (gradient, tf.convert_to_tensor(gradient)):
        optimizer = keras.optimizers.Adam(0.5)
        table = keras.Variable([[0.0], [0.0]])
        optimizer.build([table])
        optimizer.apply_gradients([(kind, table)])
        tables.append(table.numpy()[:, 0])
    # Adam's first step is the learning rate; 6 / sqrt(9 + 9) is sqrt(2).
    np.testing.assert_allclose(tables[1], [0, -0.5], rtol=1e-5)
    np.testing.assert_allclose(tables[0], [0, -0.5 * 2**0.5], rtol=1e-5)
