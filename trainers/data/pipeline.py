"""Batches for training and evaluation from examples in memory.

Every batch has the same shape. Rows that only fill up a last batch repeat an
example and have the weight 0: one shape means one trace, equal shapes on
every replica, and a loss in which each example counts once.
"""

import math

import tensorflow as tf


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
        start_step: First step, reached without reading those before.

    Returns:
        `tf.data.Dataset` of `(features, labels, weights)`, infinite.
    """
    num_examples = len(examples)
    steps = num_steps(num_examples, global_batch_size)
    features, labels = _on_cpu(examples)

    def batch(step):
        epoch = step // steps
        positions, weights = _positions(
            step % steps, global_batch_size, num_examples
        )
        # A stateless permutation: row i of this epoch's order, in O(1).
        rows = tf.random.experimental.index_shuffle(
            positions,
            seed=tf.stack([tf.constant(seed, tf.int64), epoch]),
            max_index=tf.constant(num_examples - 1, tf.int64),
        )
        chosen = {name: tf.gather(x, rows) for name, x in features.items()}
        if augment_fn is not None:
            draws = _draws(seed, epoch, rows, num_draws)
            chosen = augment_fn(chosen, draws)
        return preprocess_fn(chosen), tf.gather(labels, rows), weights

    return _finish(tf.data.Dataset.counter(start_step), batch)


def make_eval_dataset(examples, *, batch_size, preprocess_fn):
    """Returns every example exactly once, in order.

    Args:
        examples: `Examples`.
        batch_size: Rows of a batch; the last is filled up with rows of
            weight 0.
        preprocess_fn: From batched raw features to model inputs.

    Returns:
        `tf.data.Dataset` of `(features, labels, weights)`, finite.
    """
    features, labels = _on_cpu(examples)

    def batch(step):
        rows, weights = _positions(step, batch_size, len(examples))
        chosen = {name: tf.gather(x, rows) for name, x in features.items()}
        return preprocess_fn(chosen), tf.gather(labels, rows), weights

    steps = num_steps(len(examples), batch_size)
    return _finish(tf.data.Dataset.range(steps), batch)


def _on_cpu(examples):
    with tf.device("CPU:0"):
        return (
            {n: tf.constant(x) for n, x in examples.features.items()},
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
    """Maps step numbers to batches, in order and ahead of the model."""
    options = tf.data.Options()
    options.deterministic = True
    return (
        steps.map(batch_fn, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
        .with_options(options)
    )
