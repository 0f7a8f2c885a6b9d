"""Begins an extension: takes over the end of a finished run."""

import dataclasses
import logging
import re

from trainers.errors import RunError
from trainers.run import best_weights
from trainers.run import extension
from trainers.run.workdir import Workdir
from trainers.runtime import atomic
from trainers.training import checkpointing
from trainers.training.checkpointing import Position

# Callbacks that start without their saved state: the trackers are those of the
# new directory, and the learning rate restarts.
_RESTARTED = ("Tracking", "ReduceLearningRate")
_LEARNING_RATE = "optimizer/learning_rate"


def start(config, identity, paths):
    """Returns the checkpoint from which an extension begins.

    The directory of the finished run is only read.

    Args:
        config: `ExperimentConfig` with `trainer.extend_from`.
        identity: dict. From `identity.identity`, of the extension.
        paths: `Workdir` of the extension.

    Returns:
        `Checkpoint` with `best` and `extends`.

    Raises:
        ConfigError: The directory contains no finished run, or one with other
            settings or data.
        RunError: Its last checkpoint or its best weights are damaged.
    """
    extension.check(config, paths)
    source = Workdir(config.trainer.extend_from)
    found = next(iter(source.checkpoints.paths().values()), None)
    if found is None:
        raise extension.not_extendable(source, "it has no checkpoints")
    facts, checkpoint = checkpointing.read(found)
    if not checkpoint.position.stopped:
        raise extension.not_extendable(source, "its run is not finished")
    extension.check_same(facts["run"], identity, source)
    epochs = checkpoint.position.epoch
    extension.check_epochs(config.trainer.epochs, epochs)
    checkpointing.compare_versions(facts["versions"])
    _log(config, source, epochs)
    return dataclasses.replace(
        checkpoint,
        position=Position(epochs),
        callbacks={
            name: state
            for name, state in checkpoint.callbacks.items()
            if name not in _RESTARTED
        },
        best=_read_best(source, checkpoint.best_step),
        extends={"step": checkpoint.step, "epoch": epochs},
    )


def _read_best(source, step):
    """Returns arrays and facts of the best weights of a finished run."""
    path = source.best.steps.directory / f"step-{step:08d}"
    facts = atomic.verify(path)
    arrays = best_weights.read_arrays(path / best_weights.WEIGHTS)
    return arrays, {
        "step": step,
        "facts": {name: facts[name] for name in ("epoch", "metrics")},
    }


def _log(config, source, epochs):
    optimizer, added = config.optimizer, config.trainer.epochs - epochs
    warmup = ""
    if optimizer.warmup_steps:
        warmup = f" after {optimizer.warmup_steps:,} steps of warm-up"
    elif optimizer.warmup_fraction:
        share = optimizer.warmup_fraction
        warmup = f" after a warm-up of {share:.0%} of the added steps"
    logging.getLogger(__name__).info(
        "extending %s by %d epochs. The learning rate restarts: %s, %s%s.",
        source.path,
        added,
        optimizer.learning_rate,
        optimizer.schedule,
        warmup,
    )


def moved(arrays, own):
    """Returns the arrays of a finished run by the names of its extension.

    The names contain numbers, and an optimizer with a schedule has no variable
    for the learning rate, so the numbers of the others differ.

    Args:
        arrays: dict. From the last checkpoint of the finished run.
        own: dict. From `state.read` of the extension. Metrics and the learning
            rate keep these values.

    Raises:
        RunError: The finished run has other variables.
    """
    queues = {}
    for name, array in arrays.items():
        queues.setdefault(_without_number(name), []).append(array)
    found = {}
    for name, array in own.items():
        place = _without_number(name)
        if place.startswith("metrics/") or place == _LEARNING_RATE:
            found[name] = array
            continue
        if not queues.get(place):
            raise RunError(
                "the run of --config.trainer.extend_from has no variable "
                f"{place}, so it cannot be extended. Start a new run without "
                "this flag."
            )
        found[name] = queues[place].pop(0)
    return found


def _without_number(name):
    return re.sub(r"^([a-z]+)/\d+/", r"\1/", name)
