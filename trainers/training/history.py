"""Records times and numbers of the epochs of a run."""

import time

import keras


class EpochTimer(keras.callbacks.Callback):
    """Adds times of training to the logs, and the share of waiting for input.

    Attributes:
        epoch_seconds: List of float. Seconds of each epoch without validation.
    """

    def __init__(self, num_examples, input_wait):
        """Makes the callback.

        Args:
            num_examples: int. Examples of the training split.
            input_wait: `InputWait` of the model.
        """
        super().__init__()
        self._num_examples = num_examples
        self._input_wait = input_wait
        self._run = _Stopwatch()
        self._epoch = _Stopwatch()
        self.epoch_seconds = []

    def get_state(self):
        """Returns the times so far, including the current epoch."""
        return {
            "run": self._run.seconds,
            "epoch": self._epoch.seconds,
            "epochs": list(self.epoch_seconds),
        }

    def set_state(self, state):
        """Continues from the times of a checkpoint."""
        self._run = _Stopwatch(state["run"])
        self._epoch = _Stopwatch(state["epoch"])
        self.epoch_seconds = list(state["epochs"])

    def summary(self):
        """Returns times for `metrics.json`.

        Returns:
            dict. `seconds` contains validation and everything else in the run.
            `epoch_seconds` and `examples_per_second` are of training alone.
        """
        num_examples = self._num_examples * len(self.epoch_seconds)
        return {
            "epochs": len(self.epoch_seconds),
            "seconds": self._run.seconds,
            "epoch_seconds": self.epoch_seconds,
            "examples_per_second": num_examples / sum(self.epoch_seconds),
        }

    def on_train_begin(self, logs=None):
        """Starts the clock of the run."""
        self._run.start()

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clocks of the epoch."""
        self._epoch.start()
        self._input_wait.start()

    def on_epoch_end(self, epoch, logs=None):
        """Adds the times of the epoch; must run before slow callbacks."""
        seconds = self._epoch.seconds
        self._epoch = _Stopwatch()
        self.epoch_seconds.append(seconds)
        logs["seconds"] = seconds
        logs["examples_per_second"] = self._num_examples / seconds
        logs["input_wait_share"] = self._input_wait.take_share()


class _Stopwatch:
    """Seconds since `start`, plus earlier seconds."""

    def __init__(self, before=0.0):
        self._before = before
        self._started = None

    def start(self):
        self._started = time.perf_counter()

    @property
    def seconds(self):
        if self._started is None:
            return self._before
        return self._before + time.perf_counter() - self._started


class History(keras.callbacks.Callback):
    """Stores the numbers of all epochs and writes them after each epoch.

    Attributes:
        epochs: List of dict. Numbers of each epoch.
    """

    def __init__(self, write_fn, steps_per_epoch):
        """Makes the callback.

        Args:
            write_fn: Called with the list after each epoch.
            steps_per_epoch: int.
        """
        super().__init__()
        self._write_fn = write_fn
        self._steps_per_epoch = steps_per_epoch
        self.epochs = []

    def last(self):
        """Returns the numbers of the last epoch; `{}` before the first."""
        return self.epochs[-1] if self.epochs else {}

    def get_state(self):
        """Returns the list."""
        return list(self.epochs)

    def set_state(self, state):
        """Restores the list and writes it, as the file can be ahead of it."""
        self.epochs = list(state)
        self._write_fn(self.epochs)

    def on_epoch_end(self, epoch, logs=None):
        """Adds an epoch to the list and writes it."""
        step = (epoch + 1) * self._steps_per_epoch
        self.epochs.append({"epoch": epoch + 1, "step": step, **numbers(logs)})
        self._write_fn(self.epochs)


def numbers(logs):
    """Returns logs as floats, which JSON can represent.

    Args:
        logs: dict. Numbers by name.
    """
    return {name: float(value) for name, value in logs.items()}
