"""Writes and reads checkpoints: all that a run needs to resume.

A checkpoint is a directory, `checkpoints/step-00002500/`, that contains:

    arrays.npz       every variable, see `state`
    run.json         position and state of the callbacks
    manifest.json    sizes, SHA-256 sums, identity of the run, versions

It is renamed into place when it is complete.
"""

import concurrent.futures
import contextlib
import dataclasses
import json
import logging
import re

import numpy as np

from trainers.errors import RunError
from trainers.run import best_weights
from trainers.run import failed_starts
from trainers.run import identity as identity_lib
from trainers.runtime import atomic
from trainers.runtime import libraries
from trainers.training import state
from trainers.training.trackers import tensorboard

_SCHEMA = 1
_ARRAYS = "arrays.npz"
_RUN = "run.json"


@dataclasses.dataclass(frozen=True)
class Position:
    """A position in a run, between two training steps.

    Attributes:
        epoch: int. Current epoch, counted from 0.
        batch: int. Finished steps of that epoch. If it is the number of steps
            of an epoch, the validation of the epoch is not done yet.
        stopped: bool. Whether the run ended here, at its last epoch or by early
            stopping.
    """

    epoch: int = 0
    batch: int = 0
    stopped: bool = False


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint.

    Attributes:
        step: int. Training steps done.
        position: `Position`.
        arrays: dict. From `state.read`.
        callbacks: dict. JSON-like state by name of the callback.
        metrics: dict. Numbers of the last finished epoch, shown to the user.
        best_step: int. Step of the best weights at that time; `None` before
            the first. `Writer` sets it.
        best: The best weights of the finished run, at the beginning of its
            extension: a pair of the arrays and the other arguments of
            `Writer.save_best`. Otherwise `None`.
        extends: dict. The `step` and the `epoch` at which an extension began;
            otherwise `None`.
    """

    step: int
    position: Position
    arrays: dict
    callbacks: dict
    metrics: dict
    best_step: int | None = None
    best: tuple | None = None
    extends: dict | None = None


class Writer:
    """Publishes best weights and checkpoints in the background, in order.

    Arrays are copied before, so that training continues meanwhile. The next
    call raises an error of the background. A kill loses only what is not yet
    published.
    """

    def __init__(self, paths, identity, keep, best_step=None):
        """Makes the writer.

        Args:
            paths: `Workdir`.
            identity: dict. From `identity.identity`, for the manifest.
            keep: int. Number of checkpoints to keep.
            best_step: int. Step of the best weights so far, or `None`.
        """
        self._paths = paths
        self._facts = {
            "schema": _SCHEMA,
            "run": identity,
            "versions": libraries.installed(),
        }
        self._keep = keep
        self._best_step = best_step
        self._thread = concurrent.futures.ThreadPoolExecutor(
            1, thread_name_prefix="checkpoints"
        )
        self._pending = []

    def save_best(self, arrays, *, step, facts):
        """Starts to publish the weights of the best epoch.

        Args:
            arrays, step, facts: As for `BestWeights.save`.
        """
        self._submit(self._publish_best, arrays, step, facts)
        self._best_step = step

    def save(self, checkpoint):
        """Waits for the previous writes, then starts to publish a checkpoint.

        Args:
            checkpoint: `Checkpoint`.
        """
        # Memory holds at most one copy of all variables.
        self.wait()
        self._submit(self._publish, checkpoint, self._best_step)

    def raise_errors(self):
        """Raises an error of the background, if any; does not wait."""
        done = [future for future in self._pending if future.done()]
        self._pending = [f for f in self._pending if f not in done]
        for future in done:
            future.result()

    def wait(self):
        """Waits until all is on disk; raises an error of the background."""
        pending, self._pending = self._pending, []
        for future in pending:
            future.result()

    def __enter__(self):
        """Returns the writer; removes what a killed process left."""
        self._paths.best.steps.tidy()
        self._paths.checkpoints.tidy()
        self._remove_older()
        return self

    def __exit__(self, *error):
        """Waits until all is on disk and ends the thread."""
        self._thread.shutdown()

    def _submit(self, function, *args):
        self._pending.append(self._thread.submit(function, *args))

    def _publish_best(self, arrays, step, facts):
        _check_finite(arrays, step)
        run = self._facts["run"]
        run_facts = {name: run[name] for name in ("classes", "assets")}
        self._paths.best.save(arrays, step=step, facts=facts | run_facts)

    def _publish(self, checkpoint, best_step):
        _check_finite(checkpoint.arrays, checkpoint.step)

        def fill(path):
            np.savez(path / _ARRAYS, **checkpoint.arrays)
            run = {
                "position": dataclasses.asdict(checkpoint.position),
                "callbacks": checkpoint.callbacks,
            }
            (path / _RUN).write_text(json.dumps(run), encoding="utf-8")

        facts = self._facts | {
            "epochs": checkpoint.position.epoch,
            "best_step": best_step,
            "metrics": checkpoint.metrics,
        }
        # A checkpoint contains the sizes of these files.
        for file in tensorboard.event_files(self._paths.tensorboard):
            atomic.sync(file)
            atomic.sync(file.parent)
        steps = self._paths.checkpoints
        steps.publish(checkpoint.step, fill, facts)
        self._remove_older()

    def _remove_older(self):
        """Keeps the newest checkpoints, and the best weights of the newest."""
        steps = self._paths.checkpoints
        steps.remove_older(keep=self._keep)
        for path in steps.paths().values():
            facts, _ = atomic.read_manifest(path)
            self._paths.best.keep_only(facts["best_step"])
            break


class NoWriter(contextlib.nullcontext):
    """The writer of the other workers: the chief writes all files."""

    def save(self, *args, **kwargs):
        """Does nothing, like all other methods."""

    save_best = raise_errors = wait = save


def _check_finite(arrays, step):
    if name := state.not_finite(arrays):
        path = re.sub(r"^[a-z]+/\d{3}/", "", name)
        raise RunError(
            f"`{path}` has a value that is NaN or infinite at step {step}; "
            "the checkpoint before was kept. Nothing was exported. Lower "
            "--config.optimizer.learning_rate, in a new --workdir."
        )


def restore_latest(paths, identity):
    """Reads the newest checkpoint that is whole.

    It logs each damaged checkpoint and reads the one before it.

    Args:
        paths: `Workdir`.
        identity: dict. From `identity.identity`, of the current command.

    Returns:
        `Checkpoint`, or `None` if there are no checkpoints, or only that of
        step 0 of another start.

    Raises:
        ConfigError: The checkpoint belongs to another run; the message names
            the differences.
        RunError: No checkpoint is whole, or the best weights are lost.
    """
    found = paths.checkpoints.paths()
    if failed_starts.is_extension_start(paths):
        return None  # It begins again from the run that it extends.
    damaged = []
    for path in found.values():
        try:
            facts, checkpoint = read(path)
            differences = identity_lib.differences(facts["run"], identity)
            compare_versions(facts["versions"])
        # Damaged JSON and archives raise many kinds of errors.
        except Exception as error:
            if not atomic.is_of_damage(error):
                raise
            logging.getLogger(__name__).warning(
                "checkpoint %s is damaged and not used: %s", path.name, error
            )
            damaged.append(path)
            continue
        if differences and not failed_starts.is_begun(paths):
            break
        identity_lib.refuse(differences, paths.path)
        if not damaged:  # Otherwise the run repeats the later epochs.
            _check_best(paths.best.steps, checkpoint.best_step)
        return checkpoint
    if found and failed_starts.is_begun(paths):
        raise RunError(
            f"none of the {len(found)} checkpoints in "
            f"{paths.checkpoints.directory} is whole, and the command never "
            "restarts a run by itself. Restore one from a backup, or choose "
            "another --workdir."
        )
    if found:
        logging.getLogger(__name__).info(
            "%s contains another start, which ended before it saved anything: "
            "this run starts in its place.",
            paths.path,
        )
    return None


def set_aside_newer(paths, step):
    """Renames the damaged checkpoints that `restore_latest` skipped.

    Args:
        paths: `Workdir`.
        step: int. Step of the checkpoint that `restore_latest` returned.
    """
    for found, path in paths.checkpoints.paths().items():
        if found > step:
            paths.checkpoints.set_aside(path)


def _check_best(best, step):
    """Raises `RunError` if the best weights so far are lost.

    Best weights of a later step belong to a lost checkpoint. The run will
    repeat their epoch.
    """
    if step is None or any(found > step for found in best.paths()):
        return
    try:
        atomic.verify(best.directory / f"step-{step:08d}")
    except RunError as error:
        raise RunError(
            f"the best weights so far, of step {step}, are missing or damaged: "
            f"{error} Restore them from a backup, or choose another --workdir."
        ) from None


def read(path):
    """Reads a checkpoint and verifies its sums.

    Args:
        path: pathlib.Path. Its directory.

    Returns:
        `(facts, checkpoint)`: the facts of its manifest, and a `Checkpoint`.

    Raises:
        RunError: It is damaged, or of another version. Damaged JSON and
            archives raise other errors, too, see `atomic.is_of_damage`.
    """
    facts = atomic.verify(path)
    if facts["schema"] != _SCHEMA:
        raise RunError(
            f"its schema is {facts['schema']}, this version reads {_SCHEMA}."
        )
    run = json.loads((path / _RUN).read_text(encoding="utf-8"))
    position = Position(**run["position"])
    if not all(
        type(x) is int and x >= 0 for x in (position.epoch, position.batch)
    ):
        raise RunError(f"{_RUN} contains an impossible position: {position}.")
    return facts, Checkpoint(
        step=facts["step"],
        position=position,
        arrays=best_weights.read_arrays(path / _ARRAYS),
        callbacks=_upgraded(run["callbacks"]),
        metrics=facts["metrics"],
        best_step=facts["best_step"],
        extends=facts["run"].get("extends"),
    )


def _upgraded(callbacks):
    """Returns the states of callbacks; older versions had one tracker."""
    callbacks = dict(callbacks)
    if "TensorBoard" in callbacks:
        callbacks["Tracking"] = {"tensorboard": callbacks.pop("TensorBoard")}
    return callbacks


def compare_versions(then):
    """Warns if a checkpoint was written with other versions of libraries.

    Args:
        then: dict. Versions by name, from its manifest.
    """
    changed = [
        f"{name} {then.get(name)}, now {version}"
        for name, version in libraries.installed().items()
        if then.get(name) != version
    ]
    if changed:
        logging.getLogger(__name__).warning(
            "the checkpoint was written with %s: the last bits of the result "
            "may differ from those of an uninterrupted run.",
            "; ".join(changed),
        )
