"""Strategies by name, and what is refused."""

import os
import subprocess
import sys

import pytest
import tensorflow as tf

from trainers.config import TrainerConfig
from trainers.errors import ConfigError
from trainers.training import strategies


@pytest.mark.parametrize("name", ["auto", "one_device"])
def test_without_gpus_the_default_strategy_is_used(name):
    strategy = strategies.make_strategy(TrainerConfig(strategy=name))
    assert strategy is tf.distribute.get_strategy()


def test_mirrored_takes_all_logical_cpus_where_there_is_no_gpu():
    strategy = strategies.make_strategy(
        TrainerConfig(strategy="mirrored", num_logical_cpus=2)
    )
    assert isinstance(strategy, tf.distribute.MirroredStrategy)
    assert strategy.num_replicas_in_sync == 2


def test_strategies_of_one_process_do_not_disturb_each_other():
    # The collective ops of the default fail here with "Shape mismatch in the
    # collective instance", at times.
    for size in (3, 70, 5):
        strategy = strategies.make_strategy(
            TrainerConfig(strategy="mirrored", num_logical_cpus=2)
        )

        @tf.function
        def total(strategy=strategy, size=size):
            def on_replica():
                replicas = tf.distribute.get_replica_context()
                return replicas.all_reduce("SUM", tf.ones(size))

            return strategy.experimental_local_results(strategy.run(on_replica))

        for result in total():
            assert result.numpy().tolist() == [2.0] * size


def test_logical_cpus_cannot_change_once_tensorflow_runs():
    tf.constant(0)
    with pytest.raises(ConfigError) as error:
        strategies.make_strategy(TrainerConfig(num_logical_cpus=3))
    assert str(error.value) == (
        "`--config.trainer.num_logical_cpus` must be set before TensorFlow "
        "first runs. Received: 3; this process has 2."
    )


def test_tpu_says_that_it_is_untested_and_found_none():
    with pytest.raises(ConfigError) as error:
        strategies.make_strategy(TrainerConfig(strategy="tpu"))
    assert str(error.value).startswith(
        "`--config.trainer.strategy=tpu` (untested in this version) found no "
        "TPU at --config.trainer.tpu_address='': "
    )


def test_xla_on_several_cpus_is_refused():
    with pytest.raises(ConfigError) as error:
        strategies.make_strategy(
            TrainerConfig(
                strategy="mirrored", num_logical_cpus=2, jit_compile=True
            )
        )
    assert str(error.value) == (
        "`--config.trainer.jit_compile` must be false for `mirrored` on CPUs: "
        "XLA cannot reach the other device's weights. Received: true."
    )


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
    """When this fails, `steps.plan` needs no exception."""
    # In a process of its own: it leaves unfinished collectives behind.
    run = subprocess.run(
        [sys.executable, "-c", MANY_STEPS],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 1
    assert "You must feed a value for placeholder tensor" in run.stderr


ONE_DEVICE = """
from trainers.config import TrainerConfig
from trainers.training import strategies
strategies.make_strategy(TrainerConfig(strategy="mirrored"))
"""


def test_mirrored_on_one_device_is_warned_of():
    run = subprocess.run(
        [sys.executable, "-c", ONE_DEVICE],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert (
        "`--config.trainer.strategy=mirrored` has one device here, the CPU. "
        "Split it with --config.trainer.num_logical_cpus=2.\n"
    ) in run.stderr


# There is no way back from deterministic ops: they need a process of their own.
DETERMINISTIC_OPS = """
import sys
from tensorflow.python.framework.config import is_op_determinism_enabled
from trainers.config import TrainerConfig
from trainers.training import strategies
for setting in sys.argv[1:]:
    if setting == "auto_with_gpu":
        strategies._choose_kernels(TrainerConfig(), ["GPU:0"])
    else:
        strategies.make_strategy(TrainerConfig(deterministic_ops=setting))
    print(setting, is_op_determinism_enabled())
"""


@pytest.mark.parametrize("last", ["auto", "always"])
def test_kernels_are_deterministic_where_that_is_wanted(last):
    run = subprocess.run(
        [sys.executable, "-c", DETERMINISTIC_OPS]
        + ["never", "auto_with_gpu", last, "never"],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        "never False",
        "auto_with_gpu False",
        f"{last} True",
        "never True",
    ]
