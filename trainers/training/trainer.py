"""Trains from a configuration to best weights and metrics."""

import contextlib
import dataclasses
import logging

import tensorflow as tf

from trainers import tasks
from trainers.config import experiment
from trainers.config import overrides
from trainers.distribution import strategies
from trainers.distribution import tf_config
from trainers.distribution import workers as workers_lib
from trainers.distribution.workers import Workers
from trainers.evaluation import evaluator
from trainers.objectives import objective as objective_lib
from trainers.run import failed_starts
from trainers.run.workdir import Workdir
from trainers.training import automatic
from trainers.training import beginning
from trainers.training import checkpointing
from trainers.training import fitting
from trainers.training import tracking
from trainers.training.trackers import loading


def train_and_evaluate(config, workdir, export_fn=None):
    """Trains, saves the best weights, and evaluates them.

    An interrupted run resumes from its last checkpoint and finishes
    bit-identical to an uninterrupted run. SIGTERM and Ctrl-C save a checkpoint.

    With several workers in `TF_CONFIG`, each worker calls this function. The
    first one, the chief, writes all files.

    Args:
        config: `ExperimentConfig`; read, not changed.
        workdir: Path of the work directory. It is new, empty, or contains the
            same run.
        export_fn: Called on the chief at the end, before any worker returns.
            Returns the path of the exported version, for the trackers. `None`
            exports nothing.

    Returns:
        dict, the content of `metrics.json`: `validation`, `test` and `train`.
        For texts, `train` contains `tokens_per_second` (without padding) and
        `padding_share`. `None` on workers other than the chief.

    Raises:
        ConfigError: A setting, a path, `TF_CONFIG` or the work directory is
            wrong; a tracker cannot be imported; the class in `best_metric`
            does not exist, or the validation split does not define the metric;
            the work directory is in use, or contains a run with other settings
            or data.
        DataError: The examples break a rule.
        RunError: The loss became NaN or infinite; no checkpoint is whole; a
            worker was lost.
        Stopped: A signal stopped the run, after a checkpoint.
    """
    experiment.validate(config)
    config = overrides.with_home(config)
    with _opened(config, workdir) as process:
        task, splits = _load_data(process)
        identity, checkpoint, steps = beginning.begin(
            task,
            splits,
            config=process.config,
            strategy=process.strategy,
            workers=process.workers,
            paths=process.paths,
        )
        run = fitting.Run(
            config=process.config,
            task=task,
            splits=splits,
            steps=steps,
            strategy=process.strategy,
            workers=process.workers,
            paths=process.paths,
        )
        network, model = fitting.make_models(run)
        train = _fit(run, network, model, identity, checkpoint, process)
        metrics = None
        if process.workers.is_chief:
            metrics = {"train": train} | _evaluate(run)
            process.paths.write_metrics(metrics)
            export = export_fn() if export_fn is not None else None
            best_step = train["best_epoch"] * steps.per_epoch
            process.trackers.end(best_step, metrics, export)
        process.workers.leave()
    return metrics


@dataclasses.dataclass(frozen=True)
class _Process:
    """What this process has before any data is read.

    Attributes:
        config: `ExperimentConfig`, with choices in place of `auto`.
        strategy: `tf.distribute.Strategy`.
        workers: `Workers`.
        paths: `Workdir`. The chief holds its lock.
        trackers: `Trackers`, on the chief.
        is_resumed: bool. Whether there are checkpoints; true on workers other
            than the chief, which write nothing.
    """

    config: experiment.ExperimentConfig
    strategy: tf.distribute.Strategy
    workers: Workers
    paths: Workdir
    trackers: tracking.Trackers
    is_resumed: bool


@contextlib.contextmanager
def _opened(config, workdir):
    """Joins the other workers and locks the work directory in a `with` block.

    Yields:
        `_Process`.
    """
    cluster = tf_config.read()
    paths = Workdir(workdir)
    names = config.trainer.trackers if cluster.is_chief else ()
    trackers = tracking.Trackers(loading.load(names), paths.path)
    with (
        workers_lib.worker_loss_as_run_error(cluster),
        contextlib.ExitStack() as stack,
    ):
        saved = paths.with_saved_choices(config)
        strategy = strategies.make_strategy(saved.trainer, cluster)
        workers = Workers(strategy, cluster)
        # Not of `saved`: all workers must take part, also if one of them sees
        # another work directory, which is refused later.
        config = automatic.resolve(config, workdir, workers)
        is_resumed = True
        if workers.is_chief:
            is_resumed = paths.check(config)
            stack.enter_context(paths.lock())
        stack.enter_context(trackers)
        yield _Process(config, strategy, workers, paths, trackers, is_resumed)


def _load_data(process):
    """Returns the task and the checked splits, and logs their warnings."""
    config = process.config
    task = tasks.make_task(config)
    if failed_starts.is_begun(process.paths):
        task = task.resumed(process.paths)
    elif config.trainer.extend_from:
        task = task.resumed(Workdir(config.trainer.extend_from))
    # A resumed run keeps its report. Its data can turn out to be different.
    paths = None if process.is_resumed else process.paths
    task, splits = tasks.load_splits(task, config, paths)
    for line in splits.report["warnings"]:
        logging.getLogger(__name__).warning(line)
    tasks.check_best_metric(task.objective, config, splits, paths)
    return task, splits


def _fit(run, network, model, identity, checkpoint, process):
    """Returns the result of `fitting.fit`, for texts with token numbers."""
    examples = run.splits.train
    padding_share = _padding_share(run.config, run.task, examples, run.steps)
    writer = checkpointing.NoWriter()
    if run.workers.is_chief:
        writer = checkpointing.Writer(
            run.paths,
            identity,
            run.config.trainer.keep_checkpoints,
            checkpoint.best_step if checkpoint else None,
        )
    with writer:
        train = fitting.fit(
            run,
            network,
            model,
            writer,
            checkpoint,
            trackers=process.trackers,
        )
    if padding_share is not None:
        mean_length = run.task.inputs.lengths(examples).mean()
        train["tokens_per_second"] = mean_length * train["examples_per_second"]
        train["padding_share"] = padding_share
    return train


def _evaluate(run):
    """Returns the metrics of the best weights by split, on one device.

    Before `test`, it writes what the objective decides on `validation`.
    """
    task, metrics = run.task, {}
    network, _ = evaluator.load_best(task, run.paths)

    def measure(name):
        if examples := getattr(run.splits, name):
            metrics[name] = evaluator.evaluate_examples(
                network, task, examples, name=name
            )

    measure("validation")
    if task.objective.decides:
        decisions = objective_lib.json_decisions(
            task.objective, metrics.get("validation")
        )
        run.paths.write_decisions(decisions)
        decided = task.objective.decided(decisions)
        task = dataclasses.replace(task, objective=decided)
    measure("test")
    return metrics


def _padding_share(config, task, examples, steps):
    """Logs and returns the share of padding in an epoch; `None` for images."""
    share = task.inputs.padding_share(
        examples, batch_size=steps.batch_size, seed=config.seed
    )
    if share is not None:
        logging.getLogger(__name__).info(
            "padding: %.1f %% of the ids of an epoch", 100 * share
        )
    return share
