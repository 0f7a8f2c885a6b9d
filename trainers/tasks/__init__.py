"""What is learned. A task owns preprocessing, loss, metrics and signatures."""

from trainers import config as config_lib
from trainers.tasks.image_classification import ImageClassification

_TASKS = {config_lib.ImageClassificationConfig: ImageClassification}


def make_task(config):
    """Returns the task of an `ExperimentConfig`."""
    return _TASKS[type(config.task)](config.task, config.model.image_shape)
