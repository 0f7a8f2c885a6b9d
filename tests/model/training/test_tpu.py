"""Whole runs under strategy=tpu, on CPUs in place of a TPU."""

import json

import pytest
import stand_in_tpu
import tensorflow as tf

from trainers import tasks
from trainers.config import files as files_lib
from trainers.distribution import strategies
from trainers.run.workdir import Workdir
from trainers.training import automatic
from trainers.training import fitting
from trainers.training import trainer as trainer_lib
from trainers.training.model import TrainingModel


def config_of(**trainer):
    """Four steps."""
    config = files_lib.load("configs/mnist_mlp.py:smoke")
    config.data.train = "train[:100]"
    config.data.validation = config.data.test = "none"
    config.trainer.trackers = ()
    for name, value in trainer.items():
        setattr(config.trainer, name, value)
    return config


def test_a_run_on_a_tpu_is_that_of_as_many_other_replicas(
    monkeypatch, tmp_path
):
    mirrored = config_of(
        strategy="mirrored", num_logical_cpus=2, dtype_policy="mixed_bfloat16"
    )
    trainer_lib.train_and_evaluate(mirrored, tmp_path / "mirrored")
    strategy = strategies.make_strategy(mirrored.trainer)
    calls = stand_in_tpu.install(monkeypatch, strategy)
    # `auto` must not depend on the CPU beside the TPU.
    config = config_of(strategy="tpu", tpu_address="a", dtype_policy="auto")
    trainer_lib.train_and_evaluate(config, tmp_path / "tpu")
    assert [name for name, _ in calls] == [
        "TPUClusterResolver",
        "experimental_connect_to_cluster",
        "initialize_tpu_system",
        "TPUStrategy",
    ]
    saved = json.loads((tmp_path / "tpu/config.json").read_text())
    assert saved["trainer"]["dtype_policy"] == "mixed_bfloat16"
    expected, found = (
        Workdir(tmp_path / name).best.sha256() for name in ("mirrored", "tpu")
    )
    assert found == expected is not None


def test_the_only_core_of_a_tpu_computes_the_steps(monkeypatch, tmp_path):
    """What does not go through `strategy.run` computes on the host."""
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    stand_in_tpu.install(monkeypatch, strategy)
    places = []
    original = TrainingModel.train_step

    def train_step(model, data):
        context = tf.distribute.get_replica_context()
        places.append(context is not None and context.strategy is strategy)
        return original(model, data)

    monkeypatch.setattr(TrainingModel, "train_step", train_step)
    trainer_lib.train_and_evaluate(config_of(strategy="tpu"), tmp_path)
    assert places and all(places)


@pytest.mark.parametrize(
    ("name", "targets"),
    [("bert_classifier", [16]), ("bert_tagger", [16, 24, 4])],
)
def test_texts_have_one_static_shape_on_a_tpu(name, targets, tmp_path):
    """A TPU compiles each shape, and cannot compile unknown sizes."""
    config = files_lib.load(f"configs/{name}.py:smoke")
    config.trainer.strategy = "tpu"
    config.data.sequence_length = 24
    config = automatic.resolve(config, tmp_path / "run")
    task, splits = tasks.load_splits(tasks.make_task(config), config, None)
    batches = fitting.make_dataset(config, task, splits.train, 16)
    shapes = tf.nest.map_structure(
        lambda spec: spec.shape.as_list(), batches.element_spec
    )
    ids = {"token_ids": [16, 24], "padding_mask": [16, 24]}
    assert shapes == (ids, targets, [16])


def test_a_tpu_does_not_ask_for_deterministic_kernels(monkeypatch):
    asked = []
    monkeypatch.setattr(
        tf.config.experimental,
        "enable_op_determinism",
        lambda: asked.append(True),
    )
    stand_in_tpu.install(monkeypatch)
    for wanted in ("auto", "always"):
        strategies.make_strategy(
            config_of(strategy="tpu", deterministic_ops=wanted).trainer
        )
    assert asked == [True]
