"""Shows the progress of training on stderr."""

import contextlib
import os
import sys

import keras
import tqdm

from trainers.runtime import decimals

# A closed terminal, or `| head`, must not end hours of training.
_IGNORE_CLOSED_STREAM = contextlib.suppress(OSError, ValueError)


class Progress(keras.callbacks.Callback):
    """Shows a progress bar on a terminal, otherwise a line for each epoch."""

    def __init__(
        self, epochs, steps_per_epoch, shown_metrics=("loss",), *, stream=None
    ):
        """Makes the callback.

        Args:
            epochs: int.
            steps_per_epoch: int.
            shown_metrics: Collection of str. Validation metrics to show.
            stream: Text stream; `None` means stderr.
        """
        super().__init__()
        self._shown = shown_metrics
        self._epochs = epochs
        self._steps_per_epoch = steps_per_epoch
        self._stream = stream or sys.stderr
        self._bar = None

    def on_epoch_begin(self, epoch, logs=None):
        """Opens the bar."""
        if self._stream.isatty():
            columns, lines = os.get_terminal_size(self._stream.fileno())
            self._bar = tqdm.tqdm(
                total=self._steps_per_epoch,
                initial=(logs or {}).get("first_batch", 0),
                desc=f"epoch {epoch + 1}/{self._epochs}",
                unit="step",
                file=self._stream,
                leave=False,
                # Loss and a metric fit into 80 columns.
                bar_format="{desc}: {percentage:3.0f}%|{bar:10}| "
                "{n_fmt}/{total_fmt} ETA {remaining}{postfix}",
                # Some terminals report the size 0. tqdm would show nothing.
                ncols=columns or 80,
                nrows=lines or 24,
            )

    def on_train_batch_end(self, batch, logs=None):
        """Moves the bar; `batch` is the last one of a call of the graph."""
        if self._bar is None:
            return
        self._bar.set_postfix(
            {name: decimals.short(float(v)) for name, v in logs.items()},
            refresh=False,
        )
        with _IGNORE_CLOSED_STREAM:
            self._bar.update(batch + 1 - self._bar.n)

    def on_epoch_end(self, epoch, logs=None):
        """Closes the bar and writes the line of the epoch."""
        self.close()
        shown = {
            name: value
            for name, value in logs.items()
            if name
            not in ("seconds", "examples_per_second", "input_wait_share")
            and (
                not name.startswith("val_")
                or name.removeprefix("val_") in self._shown
            )
        }
        numbers = " ".join(
            f"{k} {decimals.short(float(v))}" for k, v in shown.items()
        )
        line = (
            f"epoch {epoch + 1}/{self._epochs}: {numbers} "
            f"({logs['seconds']:.1f} s, "
            f"{logs['examples_per_second']:,.0f} examples/s)"
        )
        with _IGNORE_CLOSED_STREAM:
            print(line, file=self._stream, flush=True)

    def close(self):
        """Closes the bar if it is open."""
        if self._bar is not None:
            with _IGNORE_CLOSED_STREAM:
                self._bar.close()
            self._bar = None
