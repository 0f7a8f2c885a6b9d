"""Callbacks of `model.fit`.

A callback that remembers something over epochs has `get_state`, which returns
it JSON-like, and `set_state`, which takes it back. `resumable` stores that
state in checkpoints.
"""

import logging
import math

import keras

from trainers.errors import RunError
from trainers.run import best_weights
from trainers.training.history import numbers

_SHOWN = 10


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Raises `RunError` at a NaN or infinite loss."""

    def on_train_batch_end(self, batch, logs=None):
        """Checks the running mean of the loss; it stays NaN after one NaN."""
        self._check("loss", logs, f"by step {batch + 1} of the epoch")

    def on_epoch_end(self, epoch, logs=None):
        """Checks the validation loss before weights are saved."""
        self._check("val_loss", logs, f"in epoch {epoch + 1}")

    def _check(self, name, logs, when):
        loss = float(logs.get(name, 0.0))
        if not math.isfinite(loss):
            raise RunError(
                f"`{name}` became {loss} {when}. Nothing was exported. Lower "
                "--config.optimizer.learning_rate, in a new --workdir."
            )


class Validation(keras.callbacks.Callback):
    """Adds the validation metrics of an epoch to its logs as `val_<name>`.

    Attributes:
        result: dict. Last result of `evaluate_fn`; `None` before the first.
    """

    def __init__(
        self, evaluate_fn, objective, best_metric="loss", logs_reports=False
    ):
        """Makes the callback.

        Args:
            evaluate_fn: Function without arguments. Returns a dict from
                `objective.measure`.
            objective: `Objective`.
            best_metric: str. Metric to add to the logs, even if it is not
                among the floats of the dict.
            logs_reports: bool. Whether the log gets the report of each epoch.
        """
        super().__init__()
        self._evaluate_fn = evaluate_fn
        self._objective = objective
        self._best_metric = best_metric
        self._logs_reports = logs_reports
        self.result = None

    def on_epoch_end(self, epoch, logs=None):
        """Runs the evaluation."""
        self.result = self._evaluate_fn()
        for name, value in self.result.items():
            if isinstance(value, float):
                logs[f"val_{name}"] = value
        # Log only the class that decides, because there can be many classes.
        value = self._objective.scalar(self.result, self._best_metric)
        if value is not None:
            logs[f"val_{self._best_metric}"] = value
        if self._logs_reports:
            logging.getLogger(__name__).info(
                "validation, epoch %d:\n%s",
                epoch + 1,
                self._objective.text_report(self.result).rstrip(),
            )


class BestCheckpoint(keras.callbacks.Callback):
    """Saves the weights of the best epoch; stops the run without progress.

    Attributes:
        best_epoch: int. The best epoch, from 0; `None` before the first.
    """

    def __init__(
        self,
        network,
        save_fn,
        score_fn,
        *,
        steps_per_epoch,
        metric="loss",
        patience=0,
        min_delta=0.0,
        first_epoch=0,
    ):
        """Makes the callback.

        Args:
            network: `keras.Model`. Its weights are saved.
            save_fn: Called with the arrays of `arrays_of(network)`, and with
                `step` and `facts` as for `BestWeights.save`.
            score_fn: Function without arguments to a float that is higher for
                a better epoch, or -infinity if the metric is undefined; `None`
                keeps the last epoch.
            steps_per_epoch: int.
            metric: str. Name of the metric, for messages.
            patience: int. Stops after this number of epochs without a better
                one; 0 means never.
            min_delta: float. Smallest difference that counts as better.
            first_epoch: int. Epoch, from 0, from which the patience counts.
        """
        super().__init__()
        self._network = network
        self._save_fn = save_fn
        self._score_fn = score_fn
        self._steps_per_epoch = steps_per_epoch
        self._metric = metric
        self._patience = patience
        self._min_delta = min_delta
        self._first_epoch = first_epoch
        self._best = -math.inf
        self.best_epoch = None
        # Epochs from 1 without a value, number of epochs with one, and whether
        # two of these values differ.
        self._undefined = []
        self._num_defined = 0
        self._differ = False

    def get_state(self):
        """Returns the best value, its epoch, and what `problem` needs."""
        return {
            "best": self._best,
            "best_epoch": self.best_epoch,
            "undefined": list(self._undefined),
            "num_defined": self._num_defined,
            "differ": self._differ,
        }

    def set_state(self, state):
        """Restores the state."""
        self._best, self.best_epoch = state["best"], state["best_epoch"]
        # Runs of earlier versions do not know them.
        self._undefined = list(state.get("undefined", ()))
        self._num_defined = state.get("num_defined", 0)
        self._differ = state.get("differ", True)

    def problem(self):
        """Returns why the metric could not compare all epochs, or `None`."""
        metric = f"`--config.trainer.best_metric={self._metric}`"
        other = (
            "so the epochs could not be compared. The weights of epoch "
            f"{(self.best_epoch or 0) + 1} are kept. Choose another metric."
        )
        if self._undefined and self._best == -math.inf:
            return f"{metric} was undefined in each epoch, {other}"
        if self._undefined:
            epochs = ", ".join(map(str, self._undefined[:_SHOWN]))
            epochs += ", ..." if len(self._undefined) > _SHOWN else ""
            return (
                f"{metric} was undefined in {len(self._undefined)} epochs "
                f"({epochs}), which cannot be the best. The weights of epoch "
                f"{self.best_epoch + 1} are kept."
            )
        if self._num_defined > 1 and not self._differ:
            return f"{metric} was equal in each epoch, {other}"
        return None

    def on_epoch_end(self, epoch, logs=None):
        """Compares the epoch, saves its weights or stops the run."""
        value = self._score_fn() if self._score_fn else 0.0
        if self._score_fn:
            self._count(epoch, value)
        always = self._score_fn is None or self.best_epoch is None
        if always or value > self._best + self._min_delta:
            self._best, self.best_epoch = value, epoch
            self._save_fn(
                best_weights.arrays_of(self._network),
                step=(epoch + 1) * self._steps_per_epoch,
                facts={"epoch": epoch + 1, "metrics": numbers(logs)},
            )
            return
        waited_from = max(self.best_epoch, self._first_epoch - 1)
        if self._patience and epoch - waited_from >= self._patience:
            self.model.stop_training = True

    def _count(self, epoch, value):
        if value == -math.inf:
            self._undefined.append(epoch + 1)
            if len(self._undefined) == 1:
                logging.getLogger(__name__).warning(
                    "`--config.trainer.best_metric=%s` is undefined in epoch "
                    "%d, which cannot be better than another epoch",
                    self._metric,
                    epoch + 1,
                )
            return
        self._differ |= self._num_defined > 0 and value != self._best
        self._num_defined += 1


class ReduceLearningRate(keras.callbacks.Callback):
    """Lowers the learning rate when the metric stops improving.

    Keras's ReduceLROnPlateau does the same. This callback compares the same
    metric as `BestCheckpoint`, in the same way, and its state can be resumed.
    """

    def __init__(self, score_fn, *, patience, factor):
        """Makes the callback.

        Args:
            score_fn: As for `BestCheckpoint`.
            patience: int. Epochs without a better one before it acts.
            factor: float. The learning rate is multiplied by it.
        """
        super().__init__()
        self._score_fn = score_fn
        self._patience = patience
        self._factor = factor
        self._best = -math.inf
        self._wait = 0

    def get_state(self):
        """Returns the best value and the number of epochs since.

        The learning rate itself is a variable of the optimizer.
        """
        return {"best": self._best, "wait": self._wait}

    def set_state(self, state):
        """Restores the best value and the number of epochs since."""
        self._best, self._wait = state["best"], state["wait"]

    def on_epoch_end(self, epoch, logs=None):
        """Compares the epoch and lowers the learning rate if it is time."""
        score = self._score_fn()
        self._wait += 1
        if score > self._best:
            self._best, self._wait = score, 0
        if self._wait < self._patience:
            return
        self._wait = 0
        optimizer = self.model.optimizer
        before = float(optimizer.learning_rate.numpy())
        optimizer.learning_rate = before * self._factor
        logging.getLogger(__name__).info(
            "learning rate lowered from %.3g to %.3g after epoch %d",
            before,
            float(optimizer.learning_rate.numpy()),
            epoch + 1,
        )
