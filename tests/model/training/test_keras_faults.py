"""Faults of Keras that `TrainingModel` works around, and that it does.

Where a test of the first half fails, Keras has changed, and the method that
its docstring names may go.
"""

import os

import commands
import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from trainers import tasks
from trainers.config import experiment
from trainers.config.trainer import TrainerConfig
from trainers.data import pipeline
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.distribution import strategies
from trainers.distribution import worker_process
from trainers.training import model as model_lib
from trainers.training import state
from trainers.training import steps
from trainers.training.fitting import make_dataset
from trainers.training.fitting import make_network
from trainers.training.fitting import make_training_model
from trainers.training.model import TrainingModel

# Stock `fit` with two workers; the second time without its first obstacle.
STOCK_FIT = """
import keras, tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()

class Unbuilt(keras.Model):
    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        pass

def batches(context):
    batch = tf.ones((2, 2)), tf.ones((2, 1))
    return tf.data.Dataset.from_tensors(batch).repeat()

for kind in (keras.Model, Unbuilt):
    with strategy.scope():
        inputs = keras.Input((2,))
        model = kind(inputs, keras.layers.Dense(1)(inputs))
        model.compile("sgd", "mse", jit_compile=False)
    data = strategy.distribute_datasets_from_function(batches)
    try:
        model.fit(data, steps_per_epoch=1, shuffle=False, verbose=0)
    except Exception as error:
        first = str(error).splitlines()[0].partition(" for '")[0]
        print(f"{type(error).__name__}: {first}", flush=True)
    else:
        print("no error", flush=True)
import os; os._exit(0)  # Without a goodbye to the other.
"""


def test_keras_still_fails_in_fit_with_several_workers():
    """`_maybe_symbolic_build` and `make_train_function`, keras issue 20585."""
    ports = worker_process.free_ports(2)
    processes = [
        commands.start(
            "",
            code=STOCK_FIT,
            env=os.environ
            | {"TF_CONFIG": worker_process.tf_config(ports, index)},
        )
        for index in (0, 1)
    ]
    try:
        for process in processes:
            stdout, stderr = process.communicate(timeout=120)
            assert stdout.splitlines() == [
                "ValueError: Attempt to convert a value (PerReplica:{",
                "ValueError: Invalid reduction dimension 0 for input with 0 "
                "dimensions.",
            ], stderr
    finally:
        for process in processes:
            process.kill()
            process.communicate()


MANY_STEPS = """
import keras, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", steps_per_execution=2, jit_compile=False)
data = tf.data.Dataset.from_tensors((tf.ones((4, 2)), tf.ones((4, 1))))
model.fit(data.repeat(4), shuffle=False, verbose=0)
"""


def test_keras_still_fails_with_several_steps_on_several_replicas():
    """`make_train_function`."""
    # In a separate process: it leaves unfinished collectives behind.
    run = commands.run("", code=MANY_STEPS, env=os.environ, timeout=120)
    assert run.returncode == 1
    assert "You must feed a value for placeholder tensor" in run.stderr


def two_replicas():
    return strategies.make_strategy(
        TrainerConfig(strategy="mirrored", num_logical_cpus=2)
    )


def on_replicas(strategy, function):
    """Returns what a function without arguments gives on each replica."""
    results = tf.function(lambda: strategy.run(function))()
    return [x.numpy() for x in strategy.experimental_local_results(results)]


def test_keras_still_drops_out_the_same_on_all_replicas():
    """`_next_seed`."""
    strategy = two_replicas()
    with strategy.scope():
        layer = keras.layers.Dropout(0.5, seed=1)
    first, second = on_replicas(
        strategy, lambda: layer(tf.ones((4, 64)), training=True)
    )
    np.testing.assert_array_equal(first, second)
    assert set(first.flat) == {0, 2}


# What `TrainingModel` does.


def dropout(x):
    return keras.layers.Dropout(0.5)(x)


def attention(x):
    return keras.layers.MultiHeadAttention(2, 4, dropout=0.5)(x, x)


def make_model(strategy, layer_fn, seed=42):
    """Returns a model of one layer from ones to what it leaves of them."""
    config = experiment.ExperimentConfig()
    with strategy.scope():
        keras.utils.set_random_seed(seed)
        inputs = keras.Input((8, 8), name="x")
        outputs = keras.layers.Flatten()(layer_fn(inputs))
        network = keras.Model({"x": inputs}, outputs)
        return TrainingModel.from_network(network, tasks.make_task(config))


def outputs_of(strategy, model, training=True):
    return on_replicas(
        strategy, lambda: model({"x": tf.ones((4, 8, 8))}, training=training)
    )


@pytest.mark.parametrize("layer_fn", [dropout, attention])
def test_each_replica_drops_out_in_its_own_way(layer_fn):
    strategy = two_replicas()
    model = make_model(strategy, layer_fn)
    steps_found = [outputs_of(strategy, model) for _ in range(3)]
    found = {x.tobytes() for replicas in steps_found for x in replicas}
    assert len(found) == 6

    again = make_model(strategy, layer_fn)
    for replicas in steps_found:
        for x, y in zip(replicas, outputs_of(strategy, again), strict=True):
            np.testing.assert_array_equal(x, y)
    other = outputs_of(strategy, make_model(strategy, layer_fn, seed=43))
    assert found.isdisjoint(x.tobytes() for x in other)


@pytest.mark.parametrize("layer_fn", [dropout, attention])
def test_without_training_nothing_is_dropped_out(layer_fn):
    strategy = two_replicas()
    model = make_model(strategy, layer_fn)
    first, second = outputs_of(strategy, model, training=False)
    np.testing.assert_array_equal(first, second)
    assert np.all(first != 0)


def test_one_device_drops_out_as_keras_does():
    """Runs of one process keep the bits that they always had."""
    model = make_model(tf.distribute.get_strategy(), dropout)
    found = model({"x": tf.ones((4, 8, 8))}, training=True)
    keras.utils.set_random_seed(42)
    stock = keras.layers.Dropout(0.5)(tf.ones((4, 8, 8)), training=True)
    np.testing.assert_array_equal(
        found.numpy(), stock.numpy().reshape(found.shape)
    )


def make_bert(strategy):
    """Returns a `TrainingModel` of two layers, and its number of dropouts."""
    config = experiment.ExperimentConfig()
    config.model = tfmodels.BertClassifierConfig(
        encoder=tfmodels.EncoderConfig(
            preset="",
            num_layers=2,
            hidden_dim=16,
            intermediate_dim=32,
            vocabulary_size=50,
        ),
        pooling="mean",
        dropout=0.1,
    )
    with strategy.scope():
        network = make_network(config, 3)
        config.model = tfmodels.MnistMlpConfig()  # For a task without texts.
        model = TrainingModel.from_network(network, tasks.make_task(config))
    # In each layer those of the attention, behind it and behind the dense
    # ones; one of the embeddings, and one of the classifier.
    return model, 2 * 3 + 2


def test_each_dropout_inside_of_layers_has_seeds_of_its_own():
    strategy = two_replicas()
    model, count = make_bert(strategy)
    generators = model_lib._seed_generators(model)
    states = [v for v in model.variables if v.name == "seed_generator_state"]
    assert {id(generator.state) for generator in generators} == {
        id(state) for state in states
    }
    assert len(generators) == len(states) == count
    drawn = set()
    for generator in generators:
        for x in on_replicas(
            strategy, lambda g=generator: keras.random.uniform((4,), seed=g)
        ):
            drawn.add(x.tobytes())
    assert len(drawn) == 2 * count


def test_each_layer_that_draws_has_a_generator_that_is_found():
    """Tests the layers of Keras that models use."""
    layers = keras.layers
    inputs = keras.Input((8, 8))
    x = layers.GaussianNoise(0.1)(inputs)
    x = layers.GaussianDropout(0.1)(x)
    x = layers.AlphaDropout(0.1)(x)
    x = layers.SpatialDropout1D(0.1)(x)
    x = layers.TimeDistributed(layers.Dropout(0.1))(x)
    x = layers.Bidirectional(layers.LSTM(4, dropout=0.1))(x)
    x = keras.Sequential([layers.Dense(4), layers.Dropout(0.1)])(x)
    model = keras.Model(inputs, x)
    states = [v for v in model.variables if v.name == "seed_generator_state"]
    assert {id(g.state) for g in model_lib._seed_generators(model)} == {
        id(state) for state in states
    }
    assert len(states) >= 7


def test_four_steps_in_one_call_have_the_bits_of_four_calls():
    """Metrics too, whose updates a loop must not do at the same time."""
    config = experiment.ExperimentConfig()
    sizes = {"image_shape": (4, 4), "hidden_dims": (8,)}
    config.model = tfmodels.MnistMlpConfig(**sizes, dropout=0.5)
    rng = np.random.default_rng(0)
    examples = Examples(
        {"image": rng.integers(0, 256, (61, 4, 4), np.uint8)},
        rng.integers(0, 3, 61).astype(np.int32),
        Places.numbered("row ", range(61)),
    )
    task = tasks.make_task(config)
    strategy = two_replicas()
    ends = []
    for per_execution in (1, 4):
        with strategy.scope():
            model = make_training_model(
                make_network(config, 3),
                config,
                task,
                steps.Steps(8, 8, per_execution),
            )
        dataset = pipeline.distribute(
            strategy,
            lambda shard: make_dataset(config, task, examples, 8, shard=shard),
        )
        fitted = model.fit(
            dataset, epochs=2, steps_per_epoch=8, shuffle=False, verbose=0
        )
        assert int(model.optimizer.iterations.numpy()) == 16
        ends.append((state.read(model), fitted.history))
    (one, one_history), (four, four_history) = ends
    assert one.keys() == four.keys()
    for name, array in one.items():
        assert array.tobytes() == four[name].tobytes(), name
    assert one_history == four_history
