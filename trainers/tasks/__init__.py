"""What is learned: inputs, and an objective for them."""

import dataclasses

from trainers.config import kinds
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.objectives import objective as objective_lib
from trainers.objectives.objective import Objective
from trainers.tasks.inputs.inputs import Inputs


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
        inputs: `Inputs`.
        objective: `Objective`.
    """

    inputs: Inputs
    objective: Objective

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
        inputs, objective, splits = self.inputs.load(data, self.objective)
        objective = objective.for_training(splits.train.targets)
        return Task(inputs, objective), splits

    def resumed(self, workdir):
        """Returns a task whose `load` gives what it gave the interrupted run.

        Args:
            workdir: `Workdir` of the run, with a checkpoint.
        """
        return Task(self.inputs.resumed(workdir.path), self.objective)

    def make_signatures(self, network, *, with_doubt=False):
        """Returns the serving functions, see `Inputs.make_signatures`.

        Args:
            network: Function from preprocessed features to logits.
            with_doubt: bool. Whether answers say if rounding can change them.
        """
        return self.inputs.make_signatures(
            self.objective, network, with_doubt=with_doubt
        )

    def make_check_inputs(self, seed):
        """Returns 100 rows of inputs for each signature of `make_signatures`.

        Args:
            seed: int. Determines random values.

        Returns:
            Dict by signature of dicts by input of arrays with 100 rows.
        """
        fed = self.inputs.make_check_inputs(seed)
        examples = fed.pop("examples", None)
        if self.objective.ranks:
            fed["classify"] = examples
        if self.objective.regresses:
            fed["regress"] = examples
        return fed


def make_task(config):
    """Returns the task of an experiment, before its data is known.

    Args:
        config: `ExperimentConfig`.

    Returns:
        `Task`.
    """
    inputs = inputs_class(config.data)(config)
    return Task(inputs, objective_lib.make(config.task))


def inputs_class(data):
    """Returns the class of the inputs of a kind of data.

    Args:
        data: `DataConfig`, or its class.

    Raises:
        ConfigError: There is no such class.
    """
    data_class = data if isinstance(data, type) else type(data)
    place = f"{data_class.__name__}.inputs"
    found = kinds.load("inputs", data.inputs, place)
    if not (isinstance(found, type) and issubclass(found, Inputs)):
        raise ConfigError(
            f"`{place}` must name a class derived from {Inputs.__module__}."
            f"{Inputs.__name__}. Received: {data.inputs!r}."
        )
    return found


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
    inputs = task.inputs.restored(workdir.path)
    return Task(inputs, workdir.restored(task.objective))


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


def check_best_metric(objective, config, splits, workdir):
    """Refuses a metric that cannot compare the epochs of a run.

    Args:
        objective: `Objective` for the data.
        config: `ExperimentConfig`.
        splits: `Splits` from `load_splits`. Their `report` gets the error.
        workdir: `Workdir`; `None` writes no file.

    Raises:
        ConfigError: The objective does not have `trainer.best_metric`, or the
            split does not define it. `data_report.json` then contains the
            message in `errors`.
    """
    name = config.trainer.best_metric
    message = _wrong_best_metric(objective, name, splits.validation)
    if message is None:
        return
    splits.report["errors"] = message.splitlines()
    if workdir is not None:
        workdir.write_data_report(splits.report)
    raise ConfigError(message)


def _wrong_best_metric(objective, name, validation):
    """Returns what is wrong with a metric, in words, or `None`."""
    if problem := objective.metric_problem(name):
        return f"`--config.trainer.best_metric` must be {problem}"
    if not validation:
        return None
    if reason := objective.why_undefined(name, validation.targets):
        return (
            "`--config.trainer.best_metric` must be a metric that differs "
            f"between models on the validation split. Received: {name!r}, but "
            f"the split {reason}. Choose another metric, for example "
            "--config.trainer.best_metric=loss, or name another split with "
            "--config.data.validation."
        )
    return None
