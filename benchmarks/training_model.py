"""Makes a model that is ready to train, for the benchmarks of steps."""

import dataclasses

import tensorflow as tf

from trainers import tasks
from trainers.training import compiling
from trainers.training import fitting
from trainers.training import steps as steps_lib


def make(config):
    """Returns a compiled model on one replica, with its task and data.

    Args:
        config: `ExperimentConfig`.

    Returns:
        Tuple of a `TrainingModel` with its `train_function`, the task,
        `Splits`, and `Steps`.
    """
    task = tasks.make_task(config)
    task, splits = task.load(config.data)
    steps = steps_lib.plan(config, len(splits.train), 1)
    network = fitting.make_network(
        config, task.objective.num_outputs, task.inputs.model_config
    )
    return _ready(network, config, task, steps), task, splits, steps


def make_without_data(config, num_classes):
    """Returns a compiled model on one replica with random weights.

    No text is read and no vocabulary is learned.

    Args:
        config: `ExperimentConfig` of a text classifier without preset.
        num_classes: int.

    Returns:
        `TrainingModel` with its `train_function`.
    """
    task = tasks.make_task(config)
    names = [f"class {number}" for number in range(num_classes)]
    objective = type(task.objective)(config.task, names)
    task = dataclasses.replace(task, objective=objective)
    network = fitting.make_network(config, num_classes)
    # The length of a run decides only the learning rate of each step.
    steps = steps_lib.Steps(
        config.data.global_batch_size, per_epoch=1_000, per_execution=1
    )
    return _ready(network, config, task, steps)


def _ready(network, config, task, steps):
    """Returns a `TrainingModel` with its `train_function`."""
    compiler = compiling.make(
        config.trainer, tf.distribute.get_strategy(), lengths=()
    )
    model = fitting.make_training_model(network, config, task, steps, compiler)
    model.make_train_function()
    return model
