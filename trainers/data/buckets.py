"""Batches of similar length, padded to one of few lengths.

An epoch's examples are permuted, the permutation is cut into windows of up to
64 batches, each window is sorted by length and cut into batches, and the
batches of the epoch are permuted again. All of it is a function of (seed,
epoch): chance decides which examples meet, their lengths differ little, and a
run can start at any step.
"""

import math

import numpy as np
import tensorflow as tf

_MOST_BATCHES_A_WINDOW = 64
# Lengths are multiples of 8, which suits matrix units, and grow by an eighth:
# 23 of them up to 512, and 6 % of padding at most from rounding alone.
_MULTIPLE = 8
_GROWTH = 1.125


def padded_lengths(longest):
    """Returns the lengths that batches are padded to, rising, to `longest`.

    Args:
        longest: int, at least 1; the last length, whatever it is.
    """
    lengths = [_MULTIPLE]
    while lengths[-1] < longest:
        grown = math.ceil(lengths[-1] * _GROWTH / _MULTIPLE) * _MULTIPLE
        lengths.append(grown)
    return [*lengths[:-1], longest]


def grouped(lengths, *, num_examples, batch_size, seed, start_step):
    """Yields `(epoch, rows, weights)` of each step, similar lengths together.

    Args:
        lengths: `int[num_examples]`.
        num_examples: int.
        batch_size: Rows of a batch.
        seed: Decides the order, with the epoch.
        start_step: First step.

    Returns:
        Infinite `tf.data.Dataset` of `int64[]`, `int64[batch_size]` and
        `float32[batch_size]`.
    """
    steps = math.ceil(num_examples / batch_size)
    # At least four windows, that batches are not the same in each epoch.
    window = max(1, min(_MOST_BATCHES_A_WINDOW, steps // 4)) * batch_size
    lengths = np.asarray(lengths, np.int64)
    positions = np.arange(steps * batch_size)
    windows = positions // window
    weights = (positions < num_examples).astype(np.float32)
    # Rows that fill up repeat the last example, and so stay beside it.
    positions = np.minimum(positions, num_examples - 1)
    # Windows first, lengths inside them.
    window_keys = tf.constant(windows * (int(lengths.max()) + 1))
    positions, lengths, weights = map(
        tf.constant, (positions, lengths, weights)
    )

    def shuffled(values, count, epoch, purpose):
        return tf.random.experimental.index_shuffle(
            values,
            seed=tf.stack([tf.constant(seed, tf.int64), epoch * 2 + purpose]),
            max_index=tf.constant(count - 1, tf.int64),
        )

    def epoch_of(epoch, start):
        rows = shuffled(positions, num_examples, epoch, 0)
        keys = window_keys + tf.gather(lengths, rows)
        order = tf.argsort(keys, stable=True)
        batches = shuffled(tf.range(steps, dtype=tf.int64), steps, epoch, 1)

        def in_batches(values):
            values = tf.reshape(tf.gather(values, order), (steps, batch_size))
            return tf.gather(values, batches)[start:]

        parts = (in_batches(rows), in_batches(weights))
        return tf.data.Dataset.from_tensor_slices(parts).map(
            lambda rows, weights: (epoch, rows, weights)
        )

    first = start_step // steps
    rest = epoch_of(tf.constant(first, tf.int64), start_step % steps)
    later = tf.data.Dataset.counter(first + 1).flat_map(
        lambda epoch: epoch_of(epoch, 0)
    )
    return rest.concatenate(later)


def padding_share(lengths, *, batch_size, seed, longest):
    """Returns the share of padding among the ids of the first epoch.

    Args:
        lengths: `int[num_examples]`.
        batch_size: Rows of a batch.
        seed: As for `grouped`.
        longest: As for `padded_lengths`.
    """
    lengths = np.asarray(lengths)
    sizes = np.asarray(padded_lengths(longest))
    steps = math.ceil(len(lengths) / batch_size)
    order = grouped(
        lengths,
        num_examples=len(lengths),
        batch_size=batch_size,
        seed=seed,
        start_step=0,
    )
    # As one element: a step at a time takes 20 s for a million examples.
    _, rows, weights = order.take(steps).batch(steps).get_single_element()
    of_steps = lengths[rows.numpy()]
    used = of_steps[weights.numpy() > 0].sum()
    padded = sizes[np.searchsorted(sizes, of_steps.max(axis=1))].sum()
    return float(1 - used / (padded * batch_size))
