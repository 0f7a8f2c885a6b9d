"""Checks that training on a GPU is right; it measures no time.

    python benchmarks/gpu_checks.py --device=gpu --jobs=6

Each run is a small one, in its own process. The script checks that:

    equal_*      runs with deterministic_ops=always end with equal bits: twice,
                 and after SIGTERM or SIGKILL and resume
    replicas_*   a GPU that is split into two trains under strategy=mirrored
                 as one device does, with and without XLA
    evaluate_*   an evaluation on the GPU gives what the CPU gives

It exits with code 1 if a check fails. `--only` chooses checks by the beginnings
of their names. With --device=cpu, it tries the checks themselves: two logical
CPUs replace the split GPU.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import signal
import tempfile

# Beside this file.
import devices
import gpu_check_runs as runs_lib
import numpy as np

IMAGES, TEXTS = "configs/mnist_mlp.py:smoke", "configs/bert_classifier.py:smoke"
DETERMINISTIC = ("trainer.deterministic_ops=always",)
# 16 batches of images, 226 of texts in an epoch.
SAVES = (
    *DETERMINISTIC,
    "trainer.epochs=2",
    "trainer.save_every_steps=20",
    "trainer.save_every_seconds=0",
)
# Dropout differs by replica. Adam makes a whole step from a rounding error.
COMPARABLE = (
    "trainer.deterministic_ops=never",
    "trainer.epochs=1",
    "optimizer.name=momentum",
    "optimizer.learning_rate=0.1",
    "optimizer.weight_decay=0",
)
NO_DROPOUT = ("model.dropout=0", "model.encoder.dropout=0")


def _replicas(config, *settings):
    settings = (*COMPARABLE, *settings)
    return (
        runs_lib.Job(config, settings, compiles=False),
        runs_lib.Job(config, settings, is_split=True, compiles=False),
        runs_lib.Job(config, settings, is_split=True, compiles=True),
    )


_BFLOAT16 = (*DETERMINISTIC, "trainer.dtype_policy=mixed_bfloat16")
_ONE, _TWO, _TWO_COMPILED = _replicas(IMAGES)
_ONE_TEXT, _TWO_TEXTS, _TWO_TEXTS_COMPILED = _replicas(TEXTS, *NO_DROPOUT)
# Two jobs that end alike, by the name of the check. Equal jobs run once, unless
# they are compared with each other.
EQUAL = {
    "equal_images": (runs_lib.Job(IMAGES, DETERMINISTIC),) * 2,
    "equal_texts": (runs_lib.Job(TEXTS, SAVES),) * 2,
    "equal_texts_in_bfloat16": (runs_lib.Job(TEXTS, _BFLOAT16),) * 2,
    "equal_texts_after_sigterm": (
        runs_lib.Job(TEXTS, SAVES),
        runs_lib.Job(TEXTS, SAVES, stop=signal.SIGTERM),
    ),
    "equal_texts_after_sigkill": (
        runs_lib.Job(TEXTS, SAVES),
        runs_lib.Job(TEXTS, SAVES, stop=signal.SIGKILL),
    ),
}
REPLICAS = {
    "replicas_images": (_ONE, _TWO),
    "replicas_images_compiled": (_ONE, _TWO_COMPILED),
    "replicas_texts": (_ONE_TEXT, _TWO_TEXTS),
    "replicas_texts_compiled": (_ONE_TEXT, _TWO_TEXTS_COMPILED),
}
EVALUATE = {
    "evaluate_images": runs_lib.Job(IMAGES, DETERMINISTIC),
    "evaluate_texts": runs_lib.Job(TEXTS, SAVES),
}
# Largest difference of a weight of two replicas: rounding, in TF32 on a GPU.
WEIGHTS_TOLERANCE = 1e-4
# The same for the loss of an evaluation.
LOSS_TOLERANCE = 2e-3


def main():
    """Runs the checks; prints a line for each."""
    names = [*EQUAL, *REPLICAS, *EVALUATE]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    devices.add_flag(parser)
    parser.add_argument("--jobs", type=int, default=1, help="at a time")
    parser.add_argument("--only", nargs="+", default=[""])
    options = parser.parse_args()
    chosen = [name for name in names if name.startswith(tuple(options.only))]
    for start_of_name in options.only:
        if not any(name.startswith(start_of_name) for name in names):
            parser.error(
                f"--only: no check begins with {start_of_name!r}. The checks "
                f"are {', '.join(names)}"
            )
    print(devices.choose(options.device), flush=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        concurrent.futures.ThreadPoolExecutor(options.jobs) as executor,
    ):
        runs = runs_lib.Runs(options.device, pathlib.Path(scratch), executor)
        # All jobs are queued before the first check waits for its own.
        checks = [(name, start(name, runs)) for name in chosen]
        failed = [name for name, check in checks if not report(name, check)]
    if failed:
        raise SystemExit(f"error: failed: {', '.join(failed)}")


def start(name, runs):
    """Queues the jobs of a check; returns the function that compares them."""
    if name in EVALUATE:
        workdir = runs.start(EVALUATE[name])
        return lambda: compare_evaluations(runs, workdir.result())
    one, other = (EQUAL | REPLICAS)[name]
    first, second = runs.start(one), runs.start(other, number=one == other)
    tolerance = 0 if name in EQUAL else WEIGHTS_TOLERANCE
    return lambda: compare_runs(first.result(), second.result(), tolerance)


def report(name, check):
    """Runs a check and prints its result; returns whether it passed."""
    try:
        print(f"ok      {name}: {check()}", flush=True)
    except runs_lib.CheckError as error:
        print(f"FAILED  {name}: {error}", flush=True)
        return False
    return True


def compare_runs(one, other, tolerance):
    """Compares best weights, and with tolerance 0 also the last checkpoint.

    Args:
        one: `pathlib.Path`. Work directory.
        other: `pathlib.Path`. Work directory.
        tolerance: float. Largest difference; 0 means equal bits.

    Returns:
        str. What was found.

    Raises:
        CheckError: They differ.
    """
    kinds = ("best",) if tolerance else ("best", "checkpoints")
    num_arrays, largest, unequal = 0, 0.0, []
    for kind in kinds:
        (step, expected), (other_step, found) = (
            _newest_arrays(workdir / kind) for workdir in (one, other)
        )
        if (step, expected.keys()) != (other_step, found.keys()):
            raise runs_lib.CheckError(f"{kind}: {step} and {other_step}")
        num_arrays += len(expected)
        for name, array in expected.items():
            if array.tobytes() == found[name].tobytes():
                continue
            unequal.append(name)
            difference = np.abs(np.float64(array) - np.float64(found[name]))
            # Not `max`, which drops what is not a number.
            largest = float(np.max([largest, difference.max()]))
    text = (
        f"{num_arrays - len(unequal)} of {num_arrays} arrays have equal bits, "
        f"largest difference {largest:.1e}"
    )
    # The largest can be no number, or 0 between zeros of other signs.
    if not largest <= tolerance or (unequal and not tolerance):
        raise runs_lib.CheckError(f"{text}, such as {unequal[:2]}")
    return text


def _newest_arrays(directory):
    """Returns the name and the arrays of the newest step in a directory."""
    newest = max(p for p in directory.glob("step-*") if p.suffix == "")
    (file,) = newest.glob("*.npz")
    with np.load(file) as archive:
        return newest.name, dict(archive)


def compare_evaluations(runs, workdir):
    """Evaluates on the chosen device and on the CPU.

    Returns:
        str. What was found.

    Raises:
        CheckError: The loss differs, or the class of two examples does.
    """
    command = ["-m", "trainers.evaluate", f"--workdir={workdir}"]
    cpu_only = os.environ | {"CUDA_VISIBLE_DEVICES": "-1"}
    here = json.loads(runs.command(command))
    there = json.loads(runs.command(command, cpu_only))
    loss = abs(here["loss"] - there["loss"])
    accuracy = abs(here["accuracy"] - there["accuracy"])
    text = f"loss differs by {loss:.1e}, accuracy by {accuracy:.1e}"
    # An example near the border can change sides.
    if not (loss < LOSS_TOLERANCE and accuracy < 1.5 / here["num_examples"]):
        raise runs_lib.CheckError(text)
    return text


if __name__ == "__main__":
    main()
