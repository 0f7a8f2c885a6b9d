"""A GPU or TPU computes more examples at once than a CPU."""

import pytest
import tensorflow as tf

from trainers import config as c
from trainers import tasks
from trainers.config import files
from trainers.evaluation import batch_size

GPU = tf.config.LogicalDevice("/device:GPU:0", "GPU")


@pytest.fixture
def gpu(monkeypatch):
    """A GPU in the list of devices."""
    monkeypatch.setattr(
        tf.config, "list_logical_devices", lambda kind: [GPU] * (kind == "GPU")
    )


class Inputs:
    eval_batch_size = 32
    accelerator_batch_size = 512


class OwnInputs:
    """Inputs that say nothing about accelerators."""

    eval_batch_size = 32
    accelerator_batch_size = None


def test_a_cpu_gets_its_number_of_rows():
    assert not batch_size.is_accelerated()
    assert batch_size.rows_of_replica(Inputs, 10) == 32
    assert batch_size.rows_of_replica(OwnInputs, 10) == 32


def test_a_gpu_gets_its_own(gpu):
    assert batch_size.is_accelerated()
    assert batch_size.rows_of_replica(Inputs, 10) == 512
    assert batch_size.rows_of_replica(OwnInputs, 10) == 32


def test_a_tpu_counts_where_the_strategy_uses_it():
    # The end of a run on TPUs evaluates on the CPU.
    assert not batch_size.is_accelerated(tf.distribute.get_strategy())
    tpu = object.__new__(tf.distribute.TPUStrategy)
    assert batch_size.is_accelerated(tpu)
    assert batch_size.rows_of_replica(Inputs, 10, tpu) == 512


@pytest.mark.parametrize(
    "num_outputs, rows", [(2048, 512), (4096, 256), (2**20, 1), (2**21, 1)]
)
def test_a_batch_has_at_most_a_million_logits(num_outputs, rows, gpu):
    assert batch_size.rows_of_replica(Inputs, num_outputs) == rows


@pytest.mark.parametrize(
    "length, on_cpu, on_gpu", [(32, 512, 2048), (128, 128, 512), (512, 32, 128)]
)
def test_texts_have_rows_for_their_length(length, on_cpu, on_gpu):
    config = files.load("configs/bert_classifier.py:smoke")
    config.data.sequence_length = length
    inputs = tasks.make_task(config).inputs
    assert inputs.eval_batch_size == on_cpu
    assert inputs.accelerator_batch_size == on_gpu


@pytest.mark.parametrize(
    "shape, on_gpu",
    [((28, 28), 1337), ((32, 32, 3), 341), ((224, 224, 3), 256)],
)
def test_images_have_rows_for_their_size(shape, on_gpu):
    config = c.ExperimentConfig()
    config.model.image_shape = shape
    inputs = tasks.make_task(config).inputs
    assert inputs.eval_batch_size == 256
    assert inputs.accelerator_batch_size == on_gpu
