"""What is learned: inputs, and an objective for them."""

import dataclasses
import typing

from trainers.config.data import ImageDataConfig
from trainers.config.data import TextDataConfig
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.tasks import signatures
from trainers.tasks.inputs.images import Images
from trainers.tasks.inputs.texts import Texts
from trainers.tasks.objectives.single_label import SingleLabel

_INPUTS = {ImageDataConfig: Images, TextDataConfig: Texts}


@dataclasses.dataclass(frozen=True)
class Task:
    """Inputs and an objective.

    The inputs know pixels and tokens, and no labels: from raw features to
    model inputs, in training, evaluation and serving. The objective knows
    targets and logits, and no features: loss, metrics and answers.

    >>> from trainers.config import ExperimentConfig
    >>> task = make_task(ExperimentConfig())
    >>> type(task.inputs).__name__, type(task.objective).__name__
    ('Images', 'SingleLabel')

    Attributes:
        inputs: `Images` or `Texts`.
        objective: `SingleLabel`.
    """

    inputs: typing.Any
    objective: typing.Any

    def load(self, data):
        """Loads the splits of a run.

        Args:
            data: Data part of an `ExperimentConfig`.

        Returns:
            The `Task` for this data, which knows for example its vocabulary
            and its classes, and `Splits`.

        Raises:
            DataError, ConfigError: The data cannot be used.
        """
        inputs, splits = self.inputs.load(data)
        objective = self.objective.fitted(
            splits.class_names, splits.train.targets
        )
        return Task(inputs, objective), splits

    def make_signatures(self, network):
        """Returns the serving functions, see `signatures.make`.

        Args:
            network: Function from preprocessed features to logits.
        """
        return signatures.make(self.inputs, self.objective, network)


def make_task(config):
    """Returns the task of an experiment, before its data is known.

    Args:
        config: `ExperimentConfig`.

    Returns:
        `Task`.
    """
    return Task(_INPUTS[type(config.data)](config), SingleLabel(config.task))


def restore_task(config, workdir):
    """Returns the task of a finished run.

    Args:
        config: `ExperimentConfig`.
        workdir: `Workdir` of the run.

    Returns:
        `Task`.

    Raises:
        ConfigError: A file of the work directory is missing or damaged.
    """
    task = make_task(config)
    return Task(
        task.inputs.restored(workdir.path),
        task.objective.restored(workdir.read_labels()),
    )


def load_splits(task, config, workdir):
    """Loads the splits of a run and writes `data_report.json`.

    Args:
        task: `Task` from `make_task`.
        config: `ExperimentConfig`.
        workdir: `Workdir`; `None` writes no file.

    Returns:
        The `Task` for this data, and `Splits`. Their `report` contains
        `errors: []`.

    Raises:
        DataError, ConfigError: `task.load` fails. `data_report.json` then
            contains the message in `errors`.
    """
    try:
        task, splits = task.load(config.data)
    except (DataError, ConfigError) as error:
        known = getattr(error, "report", None) or {}
        report = {"errors": str(error).splitlines()} | known
        if workdir is not None:
            workdir.write_data_report(report)
        raise
    splits.report = {"errors": []} | splits.report
    if workdir is not None:
        workdir.write_data_report(splits.report)
    return task, splits
