"""Batches for training and evaluation from examples in memory.

A batch is cut by place: of several workers the first has its first rows, and
so on, so that all of them together have the batch that one would have. Every
batch has the same number of rows. Those that only fill up a last batch
repeat an example and have the weight 0: equal shapes on every replica, and a
loss in which each example counts once.
"""

import dataclasses
import functools
import math
import os

import numpy as np
import tensorflow as tf

from trainers.data import buckets


@dataclasses.dataclass(frozen=True)
class Shard:
    """The part of each batch that one worker gets.

    Attributes:
        index: Which one, counted from 0.
        count: Number of parts, a divisor of the rows of a batch.
    """

    index: int = 0
    count: int = 1

    def __call__(self, rows):
        """Returns the part of `[batch, ...]`."""
        size = rows.shape[0] // self.count
        return rows[self.index * size : (self.index + 1) * size]


WHOLE = Shard()


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
    shard=WHOLE,
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
        shard: `Shard` of each batch that is wanted.

    Returns:
        `tf.data.Dataset` of `(features, labels, weights)`, infinite.
    """
    features, labels = _on_cpu(examples)
    make_order = _mixed
    if lengths is not None:
        make_order = functools.partial(buckets.grouped, lengths)
    rows_of_steps = make_order(
        num_examples=len(examples),
        batch_size=global_batch_size,
        seed=seed,
        start_step=start_step,
    )

    def batch(epoch, rows, weights):
        rows, weights = shard(rows), shard(weights)
        chosen = {name: tf.gather(x, rows) for name, x in features.items()}
        if augment_fn is not None:
            draws = _draws(seed, epoch, rows, num_draws)
            chosen = augment_fn(chosen, draws)
        return preprocess_fn(chosen), tf.gather(labels, rows), weights

    return _endless(_finish(rows_of_steps, batch))


def _endless(dataset):
    """Says so, which spares workers to agree on the end at each step."""
    infinite = tf.data.experimental.INFINITE_CARDINALITY
    return dataset.apply(tf.data.experimental.assert_cardinality(infinite))


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

    return tf.data.Dataset.range(start_step, 2**62).map(rows_of)


def make_eval_dataset(
    examples, *, batch_size, preprocess_fn, lengths=None, shard=WHOLE
):
    """Returns every example exactly once, in order.

    Args:
        examples: `Examples`.
        batch_size: Rows of a batch; the last is filled up with rows of
            weight 0.
        preprocess_fn: From batched raw features to model inputs.
        lengths: `int[num_examples]`; the order is by length then, which
            saves padding. `None` leaves the order as it is.
        shard: `Shard` of each batch that is wanted.

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
        rows, weights = shard(rows), shard(weights)
        chosen = {name: tf.gather(x, rows) for name, x in features.items()}
        return preprocess_fn(chosen), tf.gather(labels, rows), weights

    steps = num_steps(len(examples), batch_size)
    return _finish(tf.data.Dataset.range(steps), batch)


def distribute(strategy, make_dataset_fn):
    """Returns batches for a strategy: to each replica its rows.

    tf.data's own sharding, by file or by counting elements, would decide which
    examples a worker sees, and how often.

    Args:
        strategy: `tf.distribute.Strategy`.
        make_dataset_fn: From a `Shard` to endless batches of a fixed number
            of rows, which its replicas divide evenly.

    Returns:
        What `model.fit` or a `for` takes under this strategy.
    """
    if strategy.num_replicas_in_sync == 1:
        return make_dataset_fn(WHOLE)

    def of_worker(context):
        count = context.num_input_pipelines
        dataset = make_dataset_fn(Shard(context.input_pipeline_id, count))
        return _in_parts(dataset, context.num_replicas_in_sync // count)

    return strategy.distribute_datasets_from_function(of_worker)


def _in_parts(dataset, count):
    """Cuts each batch into equal ones, one after the other."""
    if count == 1:
        return dataset

    # Of texts the shape does not tell it.
    rows = dataset.element_spec[-1].shape[0] // count

    def cut(x):
        shape = tf.concat([[count, rows], tf.shape(x)[1:]], axis=0)
        return tf.ensure_shape(
            tf.reshape(x, shape), (count, rows, *x.shape[1:])
        )

    return dataset.map(
        lambda *batch: tf.nest.map_structure(cut, batch)
    ).unbatch()


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
    batches = steps.map(batch_fn, num_parallel_calls=tf.data.AUTOTUNE)
    return with_options(batches.prefetch(tf.data.AUTOTUNE))


def with_options(dataset):
    """Returns the dataset, in order and on all cores, without autotuning.

    Autotuning has a thread that wakes up after 10 ms, then 20, and at last
    every minute. Closing an iterator should wake it, but in TensorFlow 2.21
    often does not: half of the evaluations of 7.6 s ended after 10.2 s, when
    the thread woke up by itself. Without it, `AUTOTUNE` means as many calls as
    are said here, and as many batches ahead as are waited for.
    """
    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = False
    # 16 at most, if it is not said.
    options.autotune.initial_parallelism = os.cpu_count() or 1
    return dataset.with_options(options)
