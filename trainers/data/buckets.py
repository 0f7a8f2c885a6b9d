"""Batches of similar length, padded to one of few lengths.

Each epoch permutes its examples and cuts the permutation into windows of up to
64 batches. It sorts each window by length, cuts it into batches, and permutes
all batches of the epoch. The order is a function of (seed, epoch). Batches are
therefore random, their lengths differ little, and a run can start at any step.
"""

import math

import numpy as np
import tensorflow as tf

_MAX_BATCHES_PER_WINDOW = 64
# Lengths are multiples of 8, which suits matrix units, and grow by an eighth.
# There are 23 lengths up to 512, and rounding adds at most 6 % of padding.
_MULTIPLE = 8
_GROWTH = 1.125
# XLA compiles a step for each length.
_SHORTEST_OF_FEW = 32


def padded_lengths(longest, how_many="many"):
    """Returns the lengths to which batches are padded, in rising order.

    >>> padded_lengths(100)
    [8, 16, 24, 32, 40, 48, 56, 64, 72, 88, 100]
    >>> padded_lengths(100, "few")
    [32, 64, 100]

    Args:
        longest: int, at least 1. The last length; it need not be a multiple
            of 8.
        how_many: str. `many`; `few`, powers of 2 from 32; or `one`.

    Returns:
        List of int.
    """
    if how_many == "one":
        return [longest]
    if how_many == "few":
        lengths = [_SHORTEST_OF_FEW]
        while lengths[-1] < longest:
            lengths.append(2 * lengths[-1])
        return [*lengths[:-1], longest]
    lengths = [_MULTIPLE]
    while lengths[-1] < longest:
        grown = math.ceil(lengths[-1] * _GROWTH / _MULTIPLE) * _MULTIPLE
        lengths.append(grown)
    return [*lengths[:-1], longest]


def grouped(lengths, *, num_examples, batch_size, seed, start_step):
    """Returns the rows of each step, with similar lengths in a batch.

    Args:
        lengths: int[num_examples]. Length of each example.
        num_examples: int. Number of examples.
        batch_size: int. Number of rows in a batch.
        seed: int. The seed and the epoch determine the order.
        start_step: int. First step of the dataset.

    Returns:
        Infinite `tf.data.Dataset` of `(epoch, rows, weights)`: `int64[]`,
        `int64[batch_size]` and `float32[batch_size]`.
    """
    steps = math.ceil(num_examples / batch_size)
    # At least four windows, so that the batches differ between epochs.
    window = max(1, min(_MAX_BATCHES_PER_WINDOW, steps // 4)) * batch_size
    lengths = np.asarray(lengths, np.int64)
    positions = np.arange(steps * batch_size)
    windows = positions // window
    weights = (positions < num_examples).astype(np.float32)
    # Rows that fill the last batch repeat the last example. They have its
    # length and stay next to it.
    positions = np.minimum(positions, num_examples - 1)
    # Sorts by window, then by length.
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

        @tf.autograph.experimental.do_not_convert
        def with_epoch(rows, weights):
            return epoch, rows, weights

        return tf.data.Dataset.from_tensor_slices(parts).map(with_epoch)

    @tf.autograph.experimental.do_not_convert
    def whole_epoch(epoch):
        return epoch_of(epoch, 0)

    first = start_step // steps
    rest = epoch_of(tf.constant(first, tf.int64), start_step % steps)
    later = tf.data.Dataset.counter(first + 1).flat_map(whole_epoch)
    return rest.concatenate(later)


def padding_share(lengths, *, batch_size, seed, longest, how_many="many"):
    """Returns the share of padding among the ids of the first epoch.

    Args:
        lengths: int[num_examples]. Length of each example.
        batch_size: int. Number of rows in a batch.
        seed: int. See `grouped`.
        longest, how_many: As for `padded_lengths`.

    Returns:
        float from 0 to 1.
    """
    lengths = np.asarray(lengths)
    sizes = np.asarray(padded_lengths(longest, how_many))
    steps = math.ceil(len(lengths) / batch_size)
    order = grouped(
        lengths,
        num_examples=len(lengths),
        batch_size=batch_size,
        seed=seed,
        start_step=0,
    )
    # One element with all steps: one element for each step takes 20 s for a
    # million examples.
    _, rows, weights = order.take(steps).batch(steps).get_single_element()
    step_lengths = lengths[rows.numpy()]  # [steps, batch_size]
    used = step_lengths[weights.numpy() > 0].sum()
    longest_of_steps = step_lengths.max(axis=1)
    padded = sizes[np.searchsorted(sizes, longest_of_steps)].sum()
    return float(1 - used / (padded * batch_size))
