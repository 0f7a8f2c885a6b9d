"""What happens around the steps of `model.fit`."""

import math
import time

import keras

from trainers import metric_names
from trainers.errors import RunError
from trainers.evaluation import metrics


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Ends the run with `RunError` at a NaN or infinite loss."""

    def on_train_batch_end(self, batch, logs=None):
        """Looks at the running mean of the loss, which stays NaN once it is."""
        self._check("loss", logs, f"by step {batch + 1} of the epoch")

    def on_epoch_end(self, epoch, logs=None):
        """Looks at the validation loss, before weights are saved."""
        self._check("val_loss", logs, f"in epoch {epoch + 1}")

    def _check(self, name, logs, when):
        loss = float(logs.get(name, 0.0))
        if not math.isfinite(loss):
            raise RunError(
                f"`{name}` became {loss} {when}. Nothing was exported. Lower "
                "--config.optimizer.learning_rate, or warm up with "
                "--config.optimizer.warmup_steps."
            )


class EpochTimer(keras.callbacks.Callback):
    """Adds `seconds` and `examples_per_second` of training to the logs.

    Attributes:
        epoch_seconds: List of floats, without validation.
    """

    def __init__(self, num_examples):
        super().__init__()
        self._num_examples = num_examples
        self.epoch_seconds = []

    @property
    def examples_per_second(self):
        """Examples trained on per second of training, over all epochs."""
        num_examples = self._num_examples * len(self.epoch_seconds)
        return num_examples / sum(self.epoch_seconds)

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clock."""
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Stops it; has to come before callbacks that do work here."""
        seconds = time.perf_counter() - self._start
        self.epoch_seconds.append(seconds)
        logs["seconds"] = seconds
        logs["examples_per_second"] = self._num_examples / seconds


class Validation(keras.callbacks.Callback):
    """Adds the validation metrics of an epoch to its logs as `val_<name>`.

    Attributes:
        result: The last result of `evaluate_fn`, or `None`.
    """

    def __init__(self, evaluate_fn, best_metric="loss"):
        super().__init__()
        self._evaluate_fn = evaluate_fn
        self._best_metric = best_metric
        self.result = None

    def on_epoch_end(self, epoch, logs=None):
        """Runs the evaluation."""
        self.result = self._evaluate_fn()
        for name, value in self.result.items():
            if isinstance(value, float):
                logs[f"val_{name}"] = value
        # Of the classes only the one that decides: there may be many.
        if metric_names.of_class(self._best_metric):
            value = metrics.scalar(self.result, self._best_metric)
            if value is not None:
                logs[f"val_{self._best_metric}"] = value


class BestCheckpoint(keras.callbacks.Callback):
    """Saves the weights of the best epoch; stops when none is better.

    Attributes:
        best_epoch: Number of the best epoch, counted from 0.
    """

    def __init__(
        self,
        network,
        checkpoints,
        metric,
        validation,
        *,
        patience=0,
        min_delta=0.0,
    ):
        """Makes the callback.

        Args:
            network: Keras model whose weights are saved.
            checkpoints: `Checkpoints` to save to.
            metric: Name for `metrics.scalar`; less is better for the loss,
                more for all others.
            validation: `Validation` callback that ran before; `None` keeps
                the last epoch.
            patience: Epochs without a better one before it stops; 0 never.
            min_delta: Smallest difference that counts as better.
        """
        super().__init__()
        self._network = network
        self._checkpoints = checkpoints
        self._metric = metric
        self._validation = validation
        self._patience = patience
        self._min_delta = min_delta
        self._best = -math.inf
        self.best_epoch = None

    def on_epoch_end(self, epoch, logs=None):
        """Compares, saves and perhaps stops."""
        value = self._value()
        always = self._validation is None or self.best_epoch is None
        if always or value > self._best + self._min_delta:
            self._best, self.best_epoch = value, epoch
            self._checkpoints.save(
                self._network,
                step=self.model.steps_done,
                facts={"epoch": epoch + 1, "metrics": _numbers(logs)},
            )
        elif self._patience and epoch - self.best_epoch >= self._patience:
            self.model.stop_training = True

    def _value(self):
        if self._validation is None:
            return 0.0
        value = metrics.scalar(self._validation.result, self._metric)
        if value is None:  # Such as the ROC-AUC of a class that is not there.
            return -math.inf
        return -value if self._metric == "loss" else value


def _numbers(logs):
    return {name: float(value) for name, value in logs.items()}
