"""Measures what a dtype policy changes in the answers of a network."""

import collections
import dataclasses

import numpy as np
import tensorflow as tf

from trainers.data import pipeline
from trainers.evaluation import batch_size

# To compute more in both types would take as long as an evaluation in float32.
_MOST_EXAMPLES = 1024


@dataclasses.dataclass(frozen=True)
class Difference:
    """How the answers of two networks differ, by output of the objective.

    >>> str(Difference(1024, 9000, {"label": 2}, {"logits": 0.0123456}))
    '1,024 of 9,000 examples: label differs in 2, logits by up to 0.01235'

    Attributes:
        num_measured: int. Number of compared examples.
        num_examples: int. Number of examples of the split. If it is larger,
            the compared ones are spread evenly over the split.
        num_changed: Dict from the name of an output that is not of floats to
            the number of examples for which it differs.
        largest: Dict from the name of an output of floats to the largest
            absolute difference of two values; NaN if one of them is NaN.
    """

    num_measured: int
    num_examples: int
    num_changed: dict[str, int]
    largest: dict[str, float]

    def __str__(self):
        """Returns the difference in words."""
        count = "all"
        if self.num_measured < self.num_examples:
            count = f"{self.num_measured:,} of"
        words = [f"{n} differs in {x:,}" for n, x in self.num_changed.items()]
        words += [f"{n} by up to {x:.4g}" for n, x in self.largest.items()]
        return f"{count} {self.num_examples:,} examples: {', '.join(words)}"


def measure(networks, task, examples):
    """Compares the answers of two networks.

    It compares what the objective makes of the logits, which is what users of
    an export get.

    Args:
        networks: Pair of `keras.Model`s from preprocessed features to logits.
        task: `Task` for this data.
        examples: `Examples`. Of more than 1,024, it compares 1,024.

    Returns:
        `Difference`.
    """
    count = min(len(examples), _MOST_EXAMPLES)
    sample = examples
    if count < len(examples):
        sample = examples.take(np.arange(count) * len(examples) // count)
    rows = batch_size.rows_of_replica(task.inputs, task.objective.num_outputs)
    dataset = pipeline.make_eval_dataset(
        sample,
        batch_size=min(rows, count),
        preprocess_fn=task.inputs.preprocess,
        pad_targets_fn=task.inputs.pad_targets,
        lengths=task.inputs.lengths(sample),
    )

    # A function for each network: one for both would keep the tensors of both
    # in memory at the same time.
    steps = [
        _make_step(network, task.objective, dataset.element_spec)
        for network in networks
    ]
    num_changed, largest = collections.Counter(), {}
    for batch in dataset:
        first, second = (step(batch) for step in steps)
        (chosen,) = np.nonzero(batch[-1].numpy() >= 0)
        for name in first:
            a, b = first[name].numpy()[chosen], second[name].numpy()[chosen]
            if a.shape == b.shape and first[name].dtype.is_floating:
                found = _largest(a.astype(np.float64), b.astype(np.float64))
                largest[name] = np.maximum(largest.get(name, 0.0), found)
            else:
                num_changed[name] += _num_changed(a, b)
    return Difference(
        count,
        len(examples),
        dict(num_changed),
        {name: float(value) for name, value in largest.items()},
    )


def _make_step(network, objective, spec):
    """Returns a function from a batch to the outputs of the objective."""

    def answer(batch):
        features, targets, _ = batch
        logits = tf.cast(network(features, training=False), tf.float32)
        return objective.compared(targets, logits)

    # Traced once: the dataset gives the shapes.
    return tf.function(answer, autograph=False).get_concrete_function(spec)


def _largest(a, b):
    """Returns the largest difference of two arrays; equal infinities have 0."""
    with np.errstate(invalid="ignore"):  # Infinity minus infinity.
        return np.where(a == b, 0.0, np.abs(a - b)).max(initial=0.0)


def _num_changed(a, b):
    """Returns the number of rows that differ, all if their shapes do."""
    if a.shape != b.shape:
        return len(a)
    return int((a != b).reshape(len(a), -1).any(axis=1).sum())
