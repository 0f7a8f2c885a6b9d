"""Makes a model that is ready to train, for the benchmarks of steps."""

from trainers import tasks
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
    model = fitting.make_training_model(network, config, task, steps)
    model.make_train_function()
    return model, task, splits, steps
