"""Steps of training and evaluation have all large arrays on a GPU."""

import attending
import gpu_kernels
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from trainers import config as c
from trainers import tasks
from trainers.training import fitting
from trainers.training import steps as steps_lib

BATCH_SIZE = 16
LENGTH = 32
# More than the tokens of a batch, which come from the CPU as int32.
LARGE = BATCH_SIZE * LENGTH + 1

TEXTS = {
    "token_ids": np.ones((BATCH_SIZE, LENGTH), np.int32),
    "padding_mask": np.ones((BATCH_SIZE, LENGTH), np.int32),
}
IMAGES = {"image": np.ones((BATCH_SIZE, LENGTH, LENGTH), np.float32)}


def make_bert(implementation, pooling):
    return tfmodels.BertClassifierConfig(
        encoder=tfmodels.EncoderConfig(
            vocabulary_size=120,
            num_layers=1,
            num_heads=2,
            hidden_dim=32,
            intermediate_dim=64,
            max_sequence_length=LENGTH,
            dropout=0.1,
            implementation=implementation,
        ),
        pooling=pooling,
        dropout=0.1,
    )


def trace(config, inputs):
    """Returns the graphs of a training step and of predictions."""
    network = fitting.make_network(config, num_outputs=2)
    model = fitting.make_training_model(
        network, config, tasks.make_task(config), steps_lib.Steps(16, 8, 1)
    )
    features = {k: tf.constant(v) for k, v in inputs.items()}
    targets = tf.zeros([BATCH_SIZE], tf.int32), tf.ones([BATCH_SIZE])
    step = tf.function(model.train_step, autograph=False)
    predict = tf.function(lambda x: network(x, training=False), autograph=False)
    return (
        step.get_concrete_function((features, *targets)),
        predict.get_concrete_function(features),
    )


@pytest.mark.parametrize(
    ("implementation", "pooling", "dtype_policy"),
    [
        ("fast", "pooled", "mixed_bfloat16"),
        ("fast", "mean", "float32"),
        ("keras_nlp", "mean", "mixed_float16"),
    ],
)
def test_nothing_large_of_an_encoder_is_in_the_memory_of_the_cpu(
    implementation, pooling, dtype_policy, monkeypatch
):
    # The layers have other ops on a machine with a GPU.
    kinds = [tf.config.LogicalDevice("", kind) for kind in ("CPU", "GPU")]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda: kinds)
    config = c.ExperimentConfig(
        data=c.TextDataConfig(
            sequence_length=LENGTH, global_batch_size=BATCH_SIZE
        ),
        model=make_bert(implementation, pooling),
        optimizer=c.OptimizerConfig(
            name="adamw",
            schedule="linear",
            warmup_steps=2,
            global_clipnorm=1.0,
        ),
        trainer=c.TrainerConfig(dtype_policy=dtype_policy),
    )
    step, predict = trace(config, TEXTS)
    assert gpu_kernels.misplaced(step, LARGE) == []
    assert gpu_kernels.misplaced(predict, LARGE) == []


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adamw"])
def test_nothing_large_of_images_is_in_the_memory_of_the_cpu(optimizer):
    config = c.ExperimentConfig(
        model=tfmodels.MnistMlpConfig(
            image_shape=(LENGTH, LENGTH), hidden_dims=(64,), dropout=0.1
        ),
        optimizer=c.OptimizerConfig(name=optimizer),
    )
    for function in trace(config, IMAGES):
        assert gpu_kernels.misplaced(function, LARGE) == []


def test_weights_that_are_computed_again_wait_for_nothing_on_the_cpu():
    """Their query and seed depend on a gradient, which is on the GPU."""

    def misplaced(keep_weights):
        array = tf.TensorSpec([2, 3, 40, 8], tf.bfloat16)
        seed = tf.TensorSpec([2], tf.int32)
        function = attending.function(keep_weights)
        traced = tf.function(function, autograph=False)
        traced = traced.get_concrete_function(array, array, array, seed)
        return set(gpu_kernels.misplaced(traced, large=1))

    kept = misplaced(keep_weights=True)
    assert "Prod reduction_indices int32(1,)" in kept  # A constant.
    again = misplaced(keep_weights=False)
    assert again - kept == {"Max reduction_indices int32(1,)"}


def test_what_is_in_the_memory_of_the_cpu_is_found():
    """int32 is compared there, and a string is nowhere else."""

    def function(x):
        return tf.cond(
            x[0, 0] > 0, lambda: x >= 3, lambda: tf.strings.length("a") > x
        )

    traced = tf.function(function, autograph=False).get_concrete_function(
        tf.TensorSpec([30, 20], tf.int32)
    )
    assert gpu_kernels.misplaced(traced, 601) == []
    found = gpu_kernels.misplaced(traced, 600)
    assert "GreaterEqual x int32(30, 20)" in found
    assert "GreaterEqual z bool(30, 20)" in found
