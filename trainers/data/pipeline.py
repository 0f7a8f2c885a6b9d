"""Batches for training and evaluation from examples in memory.

Every batch has the same number of rows. Those that only fill up a last batch
repeat an example and have the weight 0: equal shapes on every replica, and a
loss in which each example counts once.
"""

import math

import numpy as np
import tensorflow as tf

from trainers.data import buckets


def num_steps(num_examples, batch_size):
    """Returns the batches that hold so many examples once."""
    return math.ceil(num_examples / batch_size)


def make_train_dataset(
    examples,
    *,
    global_batch_size,
    seed,
    preprocess_fn,
    augment_fn=None,
    num_draws=0,
    lengths=None,
    start_step=0,
):
    """Returns endless training batches, a pure function of (seed, step).

    Step s is batch s % steps of epoch s // steps, where
    steps = ceil(num_examples / global_batch_size). Each epoch has an order
    of its own and holds every example once.

    Args:
        examples: `Examples`.
        global_batch_size: Rows of a batch, over all replicas.
        seed: Decides order and augmentation.
        preprocess_fn: From batched raw features to model inputs.
        augment_fn: From raw features and `float32[batch, num_draws]` to raw
            features; `None` augments nothing.
        num_draws: Random numbers from 0 to 1 that `augment_fn` takes an
            example; they depend on (seed, epoch, example) alone.
        lengths: `int[num_examples]`, by which batches are grouped, see
            `buckets`; `None` groups at random.
        start_step: First step, reached without reading those before.

    Returns:
        `tf.data.Dataset` of `(features, labels, weights)`, infinite.
    """
    features, labels = _on_cpu(examples)
    order = {
        "num_examples": len(examples),
        "batch_size": global_batch_size,
        "seed": seed,
        "start_step": start_step,
    }
    if lengths is None:
        rows_of_steps = _mixed(**order)
    else:
        rows_of_steps = buckets.grouped(lengths, **order)

    def batch(epoch, rows, weights):
        chosen = {name: tf.gather(x, rows) for name, x in features.items()}
        if augment_fn is not None:
            draws = _draws(seed, epoch, rows, num_draws)
            chosen = augment_fn(chosen, draws)
        return preprocess_fn(chosen), tf.gather(labels, rows), weights

    return _finish(rows_of_steps, batch)


def _mixed(num_examples, batch_size, seed, start_step):
    """Yields `(epoch, rows, weights)` of each step, in an order of chance."""
    steps = num_steps(num_examples, batch_size)

    def rows_of(step):
        epoch = step // steps
        positions, weights = _positions(step % steps, batch_size, num_examples)
        # A stateless permutation: row i of this epoch's order, in O(1).
        rows = tf.random.experimental.index_shuffle(
            positions,
            seed=tf.stack([tf.constant(seed, tf.int64), epoch]),
            max_index=tf.constant(num_examples - 1, tf.int64),
        )
        return epoch, rows, weights

    return tf.data.Dataset.counter(start_step).map(rows_of)


def make_eval_dataset(examples, *, batch_size, preprocess_fn, lengths=None):
    """Returns every example exactly once, in order.

    Args:
        examples: `Examples`.
        batch_size: Rows of a batch; the last is filled up with rows of
            weight 0.
        preprocess_fn: From batched raw features to model inputs.
        lengths: `int[num_examples]`; the order is by length then, which
            saves padding. `None` leaves the order as it is.

    Returns:
        `tf.data.Dataset` of `(features, labels, weights)`, finite.
    """
    features, labels = _on_cpu(examples)
    order = None
    if lengths is not None:
        order = tf.constant(np.argsort(lengths, kind="stable"))

    def batch(step):
        rows, weights = _positions(step, batch_size, len(examples))
        if order is not None:
            rows = tf.gather(order, rows)
        chosen = {name: tf.gather(x, rows) for name, x in features.items()}
        return preprocess_fn(chosen), tf.gather(labels, rows), weights

    steps = num_steps(len(examples), batch_size)
    return _finish(tf.data.Dataset.range(steps), batch)


def _on_cpu(examples):
    with tf.device("CPU:0"):
        return (
            {
                name: x if isinstance(x, tf.RaggedTensor) else tf.constant(x)
                for name, x in examples.features.items()
            },
            tf.constant(examples.labels),
        )


def _positions(step, batch_size, num_examples):
    """Returns `int64[batch]` positions and `float32[batch]` weights."""
    positions = step * batch_size + tf.range(batch_size, dtype=tf.int64)
    weights = tf.cast(positions < num_examples, tf.float32)
    return tf.minimum(positions, num_examples - 1), weights


def _draws(seed, epoch, rows, num_draws):
    """Returns `float32[batch, num_draws]` from (seed, epoch, row)."""

    def one(row):
        return tf.random.stateless_uniform(
            (num_draws,), seed=tf.stack([epoch * 2**31 + seed, row])
        )

    return tf.map_fn(one, rows, fn_output_signature=tf.float32)


def _finish(steps, batch_fn):
    """Maps steps to batches, in order and ahead of the model."""
    options = tf.data.Options()
    options.deterministic = True
    return (
        steps.map(batch_fn, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
        .with_options(options)
    )
