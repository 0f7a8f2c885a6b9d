"""Strategies in whole processes: devices and kernels."""

import concurrent.futures
import os

import commands
import pytest

from trainers.distribution import rendezvous
from trainers.distribution import worker_process
from trainers.distribution.tf_config import Cluster

ONE_DEVICE = """
from trainers.config.trainer import TrainerConfig
from trainers.distribution import strategies
strategies.make_strategy(TrainerConfig(strategy="mirrored"))
"""


def test_mirrored_on_one_device_is_warned_of():
    run = commands.run(
        "", env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1"}, code=ONE_DEVICE
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
from trainers.config.trainer import TrainerConfig
from trainers.distribution import strategies
for setting in sys.argv[1:]:
    if setting == "auto_with_gpu":
        strategies._choose_kernels(TrainerConfig(), ["GPU:0"])
    else:
        strategies.make_strategy(TrainerConfig(deterministic_ops=setting))
    print(setting, is_op_determinism_enabled())
"""


@pytest.mark.parametrize("last", ["auto", "always"])
def test_kernels_are_deterministic_where_that_is_wanted(last):
    run = commands.run(
        *("", "never", "auto_with_gpu", last, "never"),
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1"},
        code=DETERMINISTIC_OPS,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        "never False",
        "auto_with_gpu False",
        f"{last} True",
        "never True",
    ]


USED_BEFORE = """
import tensorflow as tf
from trainers.distribution import tf_config
from trainers.distribution import worker_process
from trainers.config.trainer import TrainerConfig
from trainers.distribution import strategies
tf.constant(0)
try:
    strategies.make_strategy(TrainerConfig(), tf_config.read())
except ValueError as error:
    print(error)
"""


def test_workers_are_connected_before_tensorflow_runs():
    ports = worker_process.free_ports(2)
    other = Cluster(tuple(f"127.0.0.1:{port}" for port in ports), index=1)
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        meeting = threads.submit(rendezvous.meet, other, 60)
        run = commands.run(
            "",
            env=os.environ | {"TF_CONFIG": worker_process.tf_config(ports, 0)},
            code=USED_BEFORE,
        )
        assert meeting.result(60) is None
    assert run.stdout == (
        "`TF_CONFIG` names several workers, which have to be connected before "
        "TensorFlow does anything else in a process. Received: a process that "
        "has used TensorFlow.\n"
    ), run.stderr
