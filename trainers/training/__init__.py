"""Training: from a configuration to weights and numbers."""

import logging

from trainers import config as config_lib
from trainers import evaluation
from trainers import metric_names
from trainers import run_identity
from trainers import tasks
from trainers.evaluation import metrics as metrics_lib
from trainers.training import checkpoints
from trainers.training import fitting
from trainers.training import steps as steps_lib
from trainers.training import strategies
from trainers.workdir import Workdir


def train_and_evaluate(config, workdir):
    """Trains, keeps the best epoch, and measures it on validation and test.

    A run that was interrupted, however, goes on from its last checkpoint and
    ends with the bits that it would have had. SIGTERM and Ctrl-C save one.

    Args:
        config: `ExperimentConfig`; read, not changed.
        workdir: Directory of the run: new, empty, or of the same run.

    Returns:
        The dict in `metrics.json`: `validation`, `test` and `train`, for texts
        with `tokens_per_second` (without padding) and `padding_share`.

    Raises:
        ConfigError: A setting, a path or the work directory is wrong; the
            data has no class of the name in `best_metric`; the work directory
            is in use, or its run began with other settings or data.
        DataError: The examples break a rule.
        RunError: The loss became NaN or infinite; no checkpoint is whole.
        Stopped: On request, with a checkpoint.
    """
    config_lib.validate(config)
    strategy = strategies.make_strategy(config.trainer)
    parts = (config.model, getattr(config.model, "encoder", None))
    dropout = any(getattr(part, "dropout", 0) for part in parts)
    if strategy.num_replicas_in_sync > 1 and dropout:
        logging.getLogger(__name__).warning(
            "dropout draws the same masks on all replicas in this version."
        )
    paths = Workdir(workdir)
    goes_on = paths.check(config)
    with paths.lock():
        return _train_and_evaluate(config, strategy, paths, goes_on)


def _train_and_evaluate(config, strategy, paths, goes_on):
    task = tasks.make_task(config)
    # Where the data turns out to be other, the report of the run stays.
    splits = tasks.load_splits(task, config, None if goes_on else paths)
    for line in splits.report["warnings"]:
        logging.getLogger(__name__).warning(line)
    _check_best_metric(config.trainer.best_metric, splits.class_names)
    num_replicas = strategy.num_replicas_in_sync
    identity = run_identity.identity(
        config, splits, task.assets(), num_replicas
    )
    checkpoint = checkpoints.restore_latest(paths, identity)
    steps = steps_lib.plan(
        config,
        len(splits.train),
        num_replicas,
        checkpoint.position.batch if checkpoint else 0,
    )
    if checkpoint:
        _log_position(checkpoint, steps, config.trainer.epochs)
    paths.create(config, splits.class_names, task.assets())
    padding_share = _padding_share(config, task, splits.train, steps)
    keep = config.trainer.keep_checkpoints
    run = fitting.Run(config, task, splits, steps, strategy, paths)
    best_step = checkpoint.best_step if checkpoint else None
    with checkpoints.Writer(paths, identity, keep, best_step) as writer:
        train = fitting.fit(run, writer, checkpoint)
    if padding_share is not None:
        mean_length = task.lengths(splits.train).mean()
        train["tokens_per_second"] = mean_length * train["examples_per_second"]
        train["padding_share"] = padding_share
    metrics = {"train": train}
    network, _ = evaluation.load_best(task, paths)
    for name in ("validation", "test"):
        if examples := getattr(splits, name):
            metrics[name] = evaluation.evaluate_examples(
                network, task, examples, splits.class_names, name=name
            )
    paths.write_metrics(metrics)
    return metrics


def _check_best_metric(name, class_names):
    """Refuses a class that the data does not have, before any training."""
    of_class = dict.fromkeys(metric_names.PER_CLASS_METRICS)
    metrics = dict.fromkeys(metric_names.METRICS)
    metrics["per_class"] = dict.fromkeys(class_names, of_class)
    metrics_lib.scalar(metrics, name)


def _padding_share(config, task, examples, steps):
    """Logs and returns the share of padding in an epoch; `None` for images."""
    share = task.padding_share(
        examples, batch_size=steps.batch_size, seed=config.seed
    )
    if share is not None:
        logging.getLogger(__name__).info(
            "padding: %.1f %% of the ids of an epoch", 100 * share
        )
    return share


def _log_position(checkpoint, steps, epochs):
    """Says in one line where the run goes on."""
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
