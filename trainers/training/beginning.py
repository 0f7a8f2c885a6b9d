"""Begins or resumes a run: its identity, its checkpoint and its steps."""

import logging

from trainers.errors import ConfigError
from trainers.objectives import objective as objective_lib
from trainers.run import contents
from trainers.run import failed_starts
from trainers.run import identity as identity_lib
from trainers.run.workdir import Workdir
from trainers.training import checkpointing
from trainers.training import extending
from trainers.training import run_length
from trainers.training import steps as steps_lib


def begin(task, splits, *, config, strategy, workers, paths):
    """Begins or resumes a run; writes the files that describe it.

    Each worker calls it. Only the chief writes.

    Args:
        task: `Task` for this data.
        splits: `Splits`.
        config: `ExperimentConfig`, with choices in place of `auto`.
        strategy: `tf.distribute.Strategy`.
        workers: `Workers`.
        paths: `Workdir`. The chief holds its lock.

    Returns:
        `(identity, checkpoint, steps)`: the identity of the run, the
        `Checkpoint` from which it resumes, or `None`, and its `Steps`.

    Raises:
        ConfigError: The work directory contains another run, or the settings
            do not fit the number of examples.
    """
    num_replicas = strategy.num_replicas_in_sync
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
