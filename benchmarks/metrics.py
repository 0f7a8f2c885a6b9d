"""Measures time and memory of the metrics of an evaluation.

    pip install -e .
    python benchmarks/metrics.py

The script compares `metrics_of_batches` with NumPy and scikit-learn on all
scores at once, as the project computed the metrics before. The numbers must be
equal. Each measurement is a process of its own, and the sides take turns.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
import sklearn.metrics

from trainers.metrics import classification

SIZES = [(10_000, 10), (1_000_000, 20), (50_000, 1_000)]


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(_measure(SIDES[options.side], *options.size)))
        return
    print("| examples | classes | side | seconds | peak MB |")
    print("|---:|---:|---|---:|---:|")
    for size in SIZES:
        found = {side: [] for side in SIDES}
        for _ in range(options.rounds):
            for side, results in found.items():
                results.append(_run(side, size))
        numbers = [tuple(r["numbers"]) for rs in found.values() for r in rs]
        assert len(set(numbers)) == 1, numbers
        for side, results in found.items():
            seconds, peak = (
                statistics.median(result[name] for result in results)
                for name in ("seconds", "megabytes")
            )
            print(
                f"| {size[0]:,} | {size[1]:,} | {side} "
                f"| {seconds:.2f} | {peak:.0f} |"
            )


def _run(side, size):
    words = [sys.executable, __file__, "--side", side, "--size"]
    words += map(str, size)
    run = subprocess.run(words, stdout=subprocess.PIPE, check=True)
    return json.loads(run.stdout)


def _measure(function, num_examples, num_classes):
    function(_batches(100, num_classes), num_classes)  # Lazy imports.
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    batches = _batches(num_examples, num_classes)
    start = time.perf_counter()
    numbers = function(batches, num_classes)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": seconds,
        "megabytes": (after - before) * 1024 / 1e6,
        "numbers": numbers,
    }


def _batches(num_examples, num_classes):
    """Yields labels and logits; to make them counts for both sides."""
    rng = np.random.default_rng(0)
    for start in range(0, num_examples, 256):
        rows = min(256, num_examples - start)
        labels = rng.integers(0, num_classes, rows).astype(np.int32)
        logits = rng.random((rows, num_classes), np.float32)
        logits[np.arange(rows), labels] += 0.5
        yield labels, logits


def _project(batches, num_classes):
    names = [str(i) for i in range(num_classes)]
    metrics = classification.metrics_of_batches(batches, names)
    return [metrics[name] for name in ("loss", "roc_auc", "pr_auc")]


def _all_at_once(batches, num_classes):
    labels, logits = map(np.concatenate, zip(*batches, strict=True))
    logits = logits.astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    exps = np.exp(logits)
    sums = exps.sum(axis=1, keepdims=True)
    losses = np.log(sums[:, 0]) - logits[np.arange(len(labels)), labels]
    truth = labels[:, None] == np.arange(num_classes)
    # Not `truth[:, defined]`: scikit-learn would copy it for each column.
    defined = truth.any(axis=0)
    truth = truth.compress(defined, axis=1)
    scores = (exps / sums).compress(defined, axis=1)
    return [
        losses.mean(),
        sklearn.metrics.roc_auc_score(truth, scores, average=None).mean(),
        sklearn.metrics.average_precision_score(
            truth, scores, average=None
        ).mean(),
    ]


SIDES = {"this project": _project, "all at once": _all_at_once}


if __name__ == "__main__":
    main()
