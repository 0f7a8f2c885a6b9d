"""The training step: what it computes, alone and on two replicas."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from trainers import tasks
from trainers.config import experiment
from trainers.config.optimizer import OptimizerConfig
from trainers.config.trainer import TrainerConfig
from trainers.data import pipeline
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.distribution import strategies
from trainers.objectives import single_label
from trainers.training import steps
from trainers.training.fitting import make_dataset
from trainers.training.fitting import make_network
from trainers.training.fitting import make_training_model
from trainers.training.model import TrainingModel


def make_config(optimizer=None, **model):
    config = experiment.ExperimentConfig()
    config.optimizer = OptimizerConfig(
        **(optimizer or {"name": "sgd", "learning_rate": 0.1})
    )
    config.model = tfmodels.MnistMlpConfig(
        image_shape=(4, 4), hidden_dims=(8,), **model
    )
    return config


def make_examples(num_examples):
    rng = np.random.default_rng(0)
    return Examples(
        {"image": rng.integers(0, 256, (num_examples, 4, 4), np.uint8)},
        rng.integers(0, 3, num_examples).astype(np.int32),
        Places.numbered("row ", range(num_examples)),
    )


def fit(strategy, config, num_examples, batch_size, epochs=3):
    task = tasks.make_task(config)
    per_epoch = pipeline.num_steps(num_examples, batch_size)
    with strategy.scope():
        network = make_network(config, 3)
        model = make_training_model(
            network, config, task, steps.Steps(batch_size, per_epoch, 1)
        )
    history = model.fit(
        make_dataset(config, task, make_examples(num_examples), batch_size),
        epochs=epochs,
        steps_per_epoch=per_epoch,
        shuffle=False,
        verbose=0,
    )
    return network, history.history


def two_replicas():
    return strategies.make_strategy(
        TrainerConfig(strategy="mirrored", num_logical_cpus=2)
    )


@pytest.mark.parametrize(
    "num_examples, batch_size",
    [(13, 8), (9, 8), (3, 8)],
    ids=["uneven", "one_row_left", "batch_larger_than_data"],
)
def test_two_replicas_compute_what_one_device_computes(
    num_examples, batch_size
):
    config = make_config(
        {"name": "momentum", "learning_rate": 0.5, "momentum": 0.9}, l2=0.1
    )
    one, one_history = fit(
        tf.distribute.get_strategy(), config, num_examples, batch_size
    )
    two, two_history = fit(two_replicas(), config, num_examples, batch_size)
    for a, b in zip(one.weights, two.weights, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-6)
    for name in ("loss", "accuracy"):
        np.testing.assert_allclose(
            one_history[name], two_history[name], atol=1e-6
        )


def test_rows_of_weight_zero_change_nothing():
    # The same 3 examples, alone in a batch of 3 and padded to 8.
    config = make_config(l2=0.01)
    results = [
        fit(tf.distribute.get_strategy(), config, 3, batch_size)
        for batch_size in (3, 8)
    ]
    for a, b in zip(results[0][0].weights, results[1][0].weights, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-6)
    np.testing.assert_allclose(
        results[0][1]["loss"], results[1][1]["loss"], rtol=1e-6
    )


def test_one_sgd_step_is_the_gradient_of_the_weighted_mean_loss():
    config = make_config(l2=0.1)
    task = tasks.make_task(config)
    keras.utils.set_random_seed(1)
    network = make_network(config, 3)
    before = [w.numpy() for w in network.trainable_weights]
    examples = make_examples(6)
    images = examples.features["image"].astype(np.float32) / 255

    with tf.GradientTape() as tape:
        logits = network({"image": images})
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            examples.targets, logits
        )
        kernels = [w for w in network.trainable_weights if w.ndim == 2]
        penalty = tf.add_n([0.1 * tf.reduce_sum(w**2) for w in kernels])
        # The sixth row has the weight 0.
        loss = tf.reduce_sum(losses[:5]) / 5 + penalty
    gradients = tape.gradient(
        loss, [w.value for w in network.trainable_weights]
    )

    model = TrainingModel.from_network(network, task)
    model.compile(optimizer=keras.optimizers.SGD(0.5), jit_compile=False)
    weights = np.array([1, 1, 1, 1, 1, 0], np.float32)
    batch = ({"image": images}, examples.targets, weights)
    model.fit(
        tf.data.Dataset.from_tensors(batch),
        steps_per_epoch=1,
        shuffle=False,
        verbose=0,
    )
    for w, old, gradient in zip(
        network.trainable_weights, before, gradients, strict=True
    ):
        np.testing.assert_allclose(
            w.numpy(), old - 0.5 * gradient.numpy(), atol=1e-6
        )


class Weighted(single_label.SingleLabel):
    """An example of class n weighs n."""

    def example_weights(self, targets):
        return tf.cast(targets, tf.float32)


def weighted_step(labels, fillers):
    """Returns loss, weights before and after a step, and the batch."""
    config = make_config()
    names = ["a", "b", "c"]
    task = tasks.Task(
        tasks.make_task(config).inputs, Weighted(config.task, names)
    )
    network = make_network(config, 3)
    before = [w.numpy() for w in network.trainable_weights]
    images = make_examples(len(labels)).features["image"].astype(np.float32)
    model = TrainingModel.from_network(network, task)
    model.compile(optimizer=keras.optimizers.SGD(0.5), jit_compile=False)
    batch = (
        {"image": images / 255},
        np.array(labels, np.int32),
        np.where(np.arange(len(labels)) < len(labels) - fillers, 1, 0).astype(
            np.float32
        ),
    )
    history = model.fit(
        tf.data.Dataset.from_tensors(batch),
        steps_per_epoch=1,
        shuffle=False,
        verbose=0,
    ).history
    return network, history["loss"][0], before, batch


def test_an_objective_says_how_much_an_example_weighs():
    """As for a mean over tokens; rows that fill a batch weigh nothing."""
    network, loss, before, (features, labels, _) = weighted_step(
        [1, 2, 0, 1, 2], fillers=1
    )
    after = [w.numpy() for w in network.trainable_weights]
    network.set_weights(before)
    with tf.GradientTape() as tape:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels, network(features)
        )
        expected = (losses[0] + 2 * losses[1] + losses[3]) / 4
    assert loss == pytest.approx(float(expected), rel=1e-6)
    gradients = tape.gradient(
        expected, [w.value for w in network.trainable_weights]
    )
    for new, old, gradient in zip(after, before, gradients, strict=True):
        np.testing.assert_allclose(new, old - 0.5 * gradient.numpy(), atol=1e-6)


def test_a_batch_in_which_nothing_weighs_changes_nothing():
    network, loss, before, _ = weighted_step([0, 0, 2], fillers=1)
    assert loss == 0
    for new, old in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(new, old)


# In a separate process: collectives of two strategies disturb each other.
PIECES = """
import tensorflow as tf

from trainers.training import model

cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def on_replica():
    replicas = tf.distribute.get_replica_context()
    number = tf.cast(replicas.replica_id_in_sync_group, tf.float32)
    gradients = [tf.fill([rows, 2], number + rows) for rows in (1, 2, 3)]
    return model._summed(replicas, gradients, {"loss": number})


for model._PIECE_BYTES in (1, 24, 1_000_000):
    summed = tf.function(lambda: strategy.run(on_replica), autograph=False)
    graph = summed.get_concrete_function().graph
    sent = [op for op in graph.get_operations() if "Collective" in op.type]
    gradients, logs = summed()
    first = [x.values[0].numpy()[0, 0].item() for x in gradients]
    print(len(sent) // 2, first, float(logs["loss"].values[1]))
"""


def test_replicas_sum_gradients_in_few_pieces(run_command):
    run = run_command("", code=PIECES)
    assert run.returncode == 0, run.stderr
    # Of 24, 16, 8 and 4 bytes; a piece is at least as large as wanted.
    assert run.stdout.splitlines() == [
        f"{count} [3.0, 5.0, 7.0] 0.5" for count in (4, 2, 1)
    ]
