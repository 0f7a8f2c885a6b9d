"""Runs a `model.fit` that can stop and resume between any two steps.

Keras's own BackupAndRestore repeats the interrupted epoch from its start. It
loses the dropout seeds, the metrics so far and the state of other callbacks.
"""

import time

import keras

from trainers.errors import RunError
from trainers.runtime.signals import Stopped
from trainers.training import extending
from trainers.training import state
from trainers.training.checkpointing import Checkpoint
from trainers.training.checkpointing import Position
from trainers.training.history import History


class ResumableCallbacks(keras.callbacks.CallbackList):
    """Calls the callbacks of a run, saves checkpoints and stops on request.

    A callback that remembers something has `get_state()`, which returns it
    JSON-like, and `set_state(state)`, which is called before the first step.
    Callbacks see batch numbers that count from the start of the epoch, also in
    a resumed epoch.

    Attributes:
        epochs: int. Epochs of the whole run.
        steps_per_epoch: int.
    """

    def __init__(
        self, callbacks, *, model, steps, config, writer, request, workers
    ):
        """Makes the list.

        Args:
            callbacks: List, in the order in which they are called. It contains
                a `History`.
            model: `TrainingModel`.
            steps: `Steps`.
            config: `TrainerConfig`.
            writer: `checkpointing.Writer`.
            request: `signals.StopRequest`.
            workers: `Workers`. All must make the same calls.
        """
        # `fit` returns what Keras's own history callback collects.
        super().__init__(callbacks, add_history=True, model=model)
        self._epochs = next(c for c in callbacks if isinstance(c, History))
        self.steps_per_epoch = steps.per_epoch
        self.epochs = config.epochs
        self._config = config
        self._writer = writer
        self._request = request
        self._workers = workers
        self._first_batch = 0
        self._metrics = None  # Arrays by name, of an interrupted epoch.

    def begin(self, checkpoint):
        """Restores a checkpoint, or saves the first one of a new run.

        Args:
            checkpoint: `Checkpoint`, or `None` for a new run.

        Raises:
            RunError: The checkpoint does not fit the run.
        """
        if checkpoint is not None:
            arrays = checkpoint.arrays
            if checkpoint.best:
                own = state.read(self.model, self._workers)
                arrays = extending.moved(arrays, own)
            state.write(self.model, arrays, self._workers)
            self._check(checkpoint)
            self._set_states(checkpoint)
            if checkpoint.position.batch:
                self._first_batch = checkpoint.position.batch
                self._metrics = state.metrics_of(checkpoint.arrays)
            checkpoint.arrays.clear()  # Frees three times the weights.
        super().on_train_begin()
        self._mark_saved(checkpoint.step if checkpoint else 0)
        if checkpoint is None:
            # If saving fails, it must fail before an hour of training.
            self._save(Position())
        elif checkpoint.best:
            # In this order: without its checkpoint, a run counts as lost.
            self._save(checkpoint.position)
            best, arguments = checkpoint.best
            self._writer.save_best(best, **arguments)

    def end(self):
        """Waits for the last checkpoint and ends the callbacks."""
        self._writer.wait()
        super().on_train_end()

    def on_train_begin(self, logs=None):
        """Does nothing: a run can take several calls of `fit`."""

    def on_train_end(self, logs=None):
        """Does nothing, like `on_train_begin`."""

    def on_epoch_begin(self, epoch, logs=None):
        """Starts an epoch, or resumes an interrupted one."""
        self._epoch = epoch
        super().on_epoch_begin(epoch, {"first_batch": self._first_batch})
        if self._metrics is not None:
            state.write_metrics(self.model, self._metrics, self._workers)
            self._metrics = None

    def on_train_batch_begin(self, batch, logs=None):
        """Calls the callbacks."""
        super().on_train_batch_begin(batch + self._first_batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        """Calls the callbacks; saves if it is time, stops on a request."""
        batch += self._first_batch
        super().on_train_batch_end(batch, logs)
        self._writer.raise_errors()
        position = Position(self._epoch, batch + 1)
        # Each worker has its own signals and clock. One call sends both.
        is_stop_requested, is_due_by_time = self._workers.any(
            [self._request.signal_name is not None, self._is_due_by_time()]
        )
        if is_stop_requested:
            self._save(position)
            self._stop()
        # The end of the epoch has its own checkpoint.
        is_end = position.batch == self.steps_per_epoch
        is_due = is_due_by_time or self._is_due_by_step(self._step(position))
        if is_due and not is_end:
            self._save(position)

    def on_epoch_end(self, epoch, logs=None):
        """Calls the callbacks and saves."""
        self._first_batch = 0
        callbacks_before = self._states()
        try:
            with self.model.averaged_weights():
                super().on_epoch_end(epoch, logs)
        except Stopped:  # During the validation.
            done = Position(epoch, self.steps_per_epoch)
            self._save(done, callbacks_before)
            self._stop()
        is_last = self.model.stop_training or epoch + 1 == self.epochs
        self._save(Position(epoch + 1, 0, stopped=is_last))
        if self._request.is_made():
            self._stop()

    def _stateful(self):
        for callback in self.callbacks:
            if hasattr(callback, "get_state"):
                yield type(callback).__name__, callback

    def _check(self, checkpoint):
        """Refuses a position that this run does not have."""
        position = checkpoint.position
        if (
            checkpoint.step != self._step(position)
            or position.batch > self.steps_per_epoch
            or position.epoch + bool(position.batch) > self.epochs
        ):
            raise RunError(
                f"the checkpoint of step {checkpoint.step} says that it is at "
                f"{position}, which is not in {self.epochs} epochs of "
                f"{self.steps_per_epoch} steps."
            )

    def _set_states(self, checkpoint):
        for name, callback in self._stateful():
            if checkpoint.best and name not in checkpoint.callbacks:
                continue  # It restarts in an extension.
            try:
                callback.set_state(checkpoint.callbacks[name])
            except (LookupError, TypeError, ValueError, AttributeError) as e:
                raise RunError(
                    f"the checkpoint has no state from which {name} can "
                    f"resume: {type(e).__name__}: {e}."
                ) from None

    def _states(self):
        return {name: c.get_state() for name, c in self._stateful()}

    def _step(self, position):
        return position.epoch * self.steps_per_epoch + position.batch

    def _is_due_by_step(self, step):
        every = self._config.save_every_steps
        return every and step // every > self._saved_step // every

    def _is_due_by_time(self):
        seconds = self._config.save_every_seconds
        waited = time.monotonic() - self._saved_time
        return bool(seconds) and waited >= seconds

    def _mark_saved(self, step):
        self._saved_step = step
        self._saved_time = time.monotonic()

    def _save(self, position, callbacks=None):
        step = self._step(position)
        self._writer.save(
            Checkpoint(
                step=step,
                position=position,
                arrays=state.read(self.model, self._workers),
                callbacks=callbacks or self._states(),
                metrics=self._epochs.last(),
            )
        )
        self._mark_saved(step)

    def _stop(self):
        self._writer.wait()
        # Some schedulers kill all workers when the first one ends.
        self._workers.wait()
        command = (
            "--config.trainer.resume=auto"
            if self._config.resume == "never"
            else "the same command"
        )
        raise Stopped(
            f"Stopped by {self._request.source} after step "
            f"{self._saved_step:,}; {command} resumes from there."
        )


def fit(model, callbacks, make_dataset_fn, checkpoint=None):
    """Runs `model.fit` from the start or from a checkpoint to the end.

    Args:
        model: `TrainingModel`.
        callbacks: `ResumableCallbacks`.
        make_dataset_fn: Function from a first step to endless batches, as
            `model.fit` takes them.
        checkpoint: `Checkpoint` from which to resume; `None` for a new run.

    Raises:
        RunError: The checkpoint does not fit the run.
        Stopped: A signal stopped the run, after a checkpoint.
    """
    position = checkpoint.position if checkpoint else Position()
    per_epoch, epochs = callbacks.steps_per_epoch, callbacks.epochs
    callbacks.begin(checkpoint)

    def run(first_epoch, end_epoch, num_steps):
        model.fit(
            make_dataset_fn((first_epoch + 1) * per_epoch - num_steps),
            initial_epoch=first_epoch,
            epochs=end_epoch,
            steps_per_epoch=num_steps,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )

    epoch = position.epoch
    model.stop_training = position.stopped
    if position.batch:
        # The rest of the interrupted epoch. Whole epochs follow.
        if rest := per_epoch - position.batch:
            run(epoch, epoch + 1, rest)
        else:
            callbacks.on_epoch_begin(epoch)
            callbacks.on_epoch_end(epoch, model.get_metrics_result())
        epoch += 1
    if not model.stop_training and epoch < epochs:
        run(epoch, epochs, per_epoch)
    callbacks.end()
