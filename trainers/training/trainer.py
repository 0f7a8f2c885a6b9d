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
from trainers.errors import ConfigError
from trainers.evaluation import evaluator
from trainers.objectives import objective as objective_lib
from trainers.run import contents
from trainers.run import failed_starts
from trainers.run import identity as identity_lib
from trainers.run.workdir import Workdir
from trainers.training import checkpointing
from trainers.training import extending
from trainers.training import fitting
from trainers.training import precision
from trainers.training import run_length
from trainers.training import steps as steps_lib
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
        identity, checkpoint, steps = _begin(process, task, splits)
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
        config: `ExperimentConfig`, with the dtype policy of the run.
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
        strategy = strategies.make_strategy(config.trainer, cluster)
        workers = Workers(strategy, cluster)
        config = precision.resolve(config, workdir, workers)
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
    task, splits = tasks.load_splits(
        task,
        config,
        None if process.is_resumed else process.paths,
    )
    for line in splits.report["warnings"]:
        logging.getLogger(__name__).warning(line)
    _check_best_metric(task.objective, config, splits.validation)
    return task, splits


def _check_best_metric(objective, config, validation):
    """Refuses a metric that cannot compare the epochs of a run."""
    name = config.trainer.best_metric
    if problem := objective.metric_problem(name):
        raise ConfigError(f"`--config.trainer.best_metric` must be {problem}")
    if not validation:
        return
    if reason := objective.why_undefined(name, validation.targets):
        raise ConfigError(
            "`--config.trainer.best_metric` must be a metric that differs "
            f"between models on the validation split. Received: {name!r}, but "
            f"the split {reason}. Choose another metric, for example "
            "--config.trainer.best_metric=loss, or name another split with "
            "--config.data.validation."
        )


def _begin(process, task, splits):
    """Begins or resumes the run; writes the files that describe it.

    Returns:
        `(identity, checkpoint, steps)`: the identity of the run, the
        `Checkpoint` from which it resumes, or `None`, and its `Steps`.

    Raises:
        ConfigError: The work directory contains another run, or the settings
            do not fit the number of examples.
    """
    config, workers, paths = process.config, process.workers, process.paths
    num_replicas = process.strategy.num_replicas_in_sync
    state = objective_lib.json_state(task.objective)
    saved = paths.saved_config()
    if saved is None and config.trainer.extend_from:
        saved = Workdir(config.trainer.extend_from).saved_config()
    saved = saved or config
    assets = contents.with_texts_of(task.inputs.assets(), config, saved)
    identity = identity_lib.identity(
        config, splits, state, assets, num_replicas
    )
    checkpoint = checkpointing.restore_latest(paths, identity)
    is_new = checkpoint is None
    if is_new and config.trainer.extend_from:
        checkpoint = extending.start(config, identity, paths)
    if checkpoint is None and config.trainer.resume == "must":
        raise ConfigError(
            "`--workdir` must contain a checkpoint of this run for "
            f"--config.trainer.resume=must. Received: {str(paths.path)!r}, "
            "with the start of another run. Start with "
            "--config.trainer.resume=auto."
        )
    extends = checkpoint and checkpoint.extends
    if extends:
        identity["extends"] = extends
    step = checkpoint.step if checkpoint else None
    # After this call all workers have read the checkpoints, so that the chief
    # can change them.
    workers.check_same([identity, step], "settings, data and checkpoints")
    if workers.is_chief and not is_new:
        checkpointing.set_aside_newer(paths, step)
    first_batch = checkpoint.position.batch if checkpoint else 0
    steps = steps_lib.plan(
        config,
        len(splits.train),
        num_replicas,
        first_batch,
        first_epoch=extends["epoch"] if extends else 0,
    )
    if workers.is_chief:
        has_validation = bool(splits.validation)
        for line in run_length.warnings(config, steps, has_validation):
            logging.getLogger(__name__).warning(line)
    if checkpoint:
        _log_position(checkpoint, steps, config.trainer.epochs)
    if workers.is_chief:
        if is_new:
            failed_starts.clear(paths, config)
        paths.create(contents.with_paths_of(config, saved), state, assets)
    return identity, checkpoint, steps


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
    """Returns the metrics of the best weights by split, on one device."""
    network, _ = evaluator.load_best(run.task, run.paths)
    return {
        name: evaluator.evaluate_examples(
            network, run.task, examples, name=name
        )
        for name in ("validation", "test")
        if (examples := getattr(run.splits, name))
    }


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


def _log_position(checkpoint, steps, epochs):
    """Logs the position from which the run resumes."""
    position = checkpoint.position
    total = steps.per_epoch * epochs
    where = (
        "the end of training"
        if position.stopped
        else f"epoch {position.epoch + 1} of {epochs}, "
        f"step {position.batch} of {steps.per_epoch}"
    )
    logging.getLogger(__name__).info(
        "continuing from step %s of %s: %s",
        f"{checkpoint.step:,}",
        f"{total:,}",
        where,
    )
