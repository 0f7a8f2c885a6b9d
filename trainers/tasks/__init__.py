"""Tasks. A task owns preprocessing, loss, metrics and signatures."""

from trainers.config.task import ImageClassificationConfig
from trainers.config.task import TextClassificationConfig
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.tasks.image_classification import ImageClassification
from trainers.tasks.text_classification import TextClassification

_TASKS = {
    ImageClassificationConfig: ImageClassification,
    TextClassificationConfig: TextClassification,
}


def make_task(config):
    """Returns the task of an experiment, before `load`.

    Args:
        config: `ExperimentConfig`.

    Returns:
        `ImageClassification` or `TextClassification`.
    """
    return _TASKS[type(config.task)](config)


def restore_task(config, workdir):
    """Returns the task of a run in its state after `load`.

    Args:
        config: `ExperimentConfig`.
        workdir: `Workdir` of the run.

    Returns:
        `ImageClassification` or `TextClassification`.

    Raises:
        ConfigError: A file of the work directory is missing or damaged.
    """
    task = make_task(config)
    task.read_assets(workdir.path)
    return task


def load_splits(task, config, workdir):
    """Loads the splits of a run and writes `data_report.json`.

    Args:
        task: Task from `make_task`.
        config: `ExperimentConfig`.
        workdir: `Workdir`; `None` writes no file.

    Returns:
        `Splits`. Its `report` contains `errors: []`.

    Raises:
        DataError, ConfigError: `task.load` fails. `data_report.json` then
            contains the message in `errors`.
    """
    try:
        splits = task.load(config.data)
    except (DataError, ConfigError) as error:
        known = getattr(error, "report", None) or {}
        report = {"errors": str(error).splitlines()} | known
        if workdir is not None:
            workdir.write_data_report(report)
        raise
    splits.report = {"errors": []} | splits.report
    if workdir is not None:
        workdir.write_data_report(splits.report)
    return splits
