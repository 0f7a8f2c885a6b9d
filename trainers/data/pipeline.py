"""Batches for training and evaluation from examples in memory.

With several workers, each batch is cut by position: worker 0 gets the first
rows, and so on. Together, the workers get the batch of a single worker. Every
batch has the same number of rows, so that shapes are equal on every replica.
The rows that fill the last batch repeat an example. In training, they have the
weight 0, so that each example counts once in the loss. In evaluation, they have
no number of an example.
"""

import dataclasses
import functools
import math
import os

import numpy as np
import tensorflow as tf

from trainers.data import buckets
from trainers.runtime.columns import Ragged


@dataclasses.dataclass(frozen=True)
class Shard:
    """The part of each batch for one worker.

    >>> import tensorflow as tf
    >>> shard = Shard(index=1, count=2)
    >>> shard(tf.range(6)).numpy().tolist()
    [3, 4, 5]

    Attributes:
        index: int. Number of the part, from 0.
        count: int. Number of parts, a divisor of the number of rows in a
            batch.
    """

    index: int = 0
    count: int = 1

    def __call__(self, rows):
        """Returns the rows of this part.

        Args:
            rows: Tensor `[batch, ...]` with a static batch size.

        Returns:
            Tensor `[batch / count, ...]`.
        """
        size = rows.shape[0] // self.count
        return rows[self.index * size : (self.index + 1) * size]


WHOLE = Shard()


def num_steps(num_examples, batch_size):
    """Returns the number of batches in an epoch.

    Args:
        num_examples: int. Number of examples.
        batch_size: int. Number of rows in a batch.
    """
    return math.ceil(num_examples / batch_size)


def make_train_dataset(
    examples,
    *,
    global_batch_size,
    seed,
    preprocess_fn,
    augment_fn=None,
    num_draws=0,
    pad_targets_fn=None,
    lengths=None,
    start_step=0,
    shard=WHOLE,
):
    """Returns infinite training batches, a pure function of (seed, step).

    Step s is batch s % steps of epoch s // steps, where
    steps = ceil(num_examples / global_batch_size). Each epoch contains every
    example once, in its own order.

    Args:
        examples: `Examples`.
        global_batch_size: int. Number of rows in a batch, over all replicas.
        seed: int. Determines order and augmentation.
        preprocess_fn: Function from batched raw features to model inputs.
        augment_fn: Function from raw features and float32[batch, num_draws]
            to raw features; `None` augments nothing.
        num_draws: int. Random numbers from 0 to 1 that `augment_fn` takes for
            each example. They depend only on (seed, epoch, example).
        pad_targets_fn: Function from targets and model inputs to targets of
            the shapes of the inputs; `None` changes nothing.
        lengths: int[num_examples]. Batches contain similar lengths, see
            `buckets`; `None` means random batches.
        start_step: int. First step of the dataset. Earlier steps are not read.
        shard: `Shard`. The part of each batch to return.

    Returns:
        Infinite `tf.data.Dataset` of `(features, targets, weights)`. Without
        targets, they are `None`.
    """
    features, targets = _on_cpu(examples)
    make_order_fn = _random_order
    if lengths is not None:
        make_order_fn = functools.partial(buckets.grouped, lengths)
    rows_of_steps = make_order_fn(
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
        inputs = _with_static_rows(preprocess_fn(chosen), rows)
        return inputs, _targets(targets, rows, inputs, pad_targets_fn), weights

    return _with_infinite_cardinality(_finish(rows_of_steps, batch))


def _with_infinite_cardinality(dataset):
    """Declares a dataset infinite: workers need not agree on its end."""
    infinite = tf.data.experimental.INFINITE_CARDINALITY
    return dataset.apply(tf.data.experimental.assert_cardinality(infinite))


def _random_order(num_examples, batch_size, seed, start_step):
    """Returns `(epoch, rows, weights)` of each step, in random order."""
    steps = num_steps(num_examples, batch_size)

    @tf.autograph.experimental.do_not_convert
    def rows_of(step):
        epoch = step // steps
        positions, weights = _positions(step % steps, batch_size, num_examples)
        # A stateless permutation: returns row i of the epoch's order in O(1).
        rows = tf.random.experimental.index_shuffle(
            positions,
            seed=tf.stack([tf.constant(seed, tf.int64), epoch]),
            max_index=tf.constant(num_examples - 1, tf.int64),
        )
        return epoch, rows, weights

    return tf.data.Dataset.range(start_step, 2**62).map(rows_of)


def make_eval_dataset(
    examples,
    *,
    batch_size,
    preprocess_fn,
    pad_targets_fn=None,
    lengths=None,
    shard=WHOLE,
):
    """Returns batches with every example exactly once, in a fixed order.

    Args:
        examples: `Examples`.
        batch_size: int. Number of rows in a batch.
        preprocess_fn: Function from batched raw features to model inputs.
        pad_targets_fn: As for `make_train_dataset`.
        lengths: int[num_examples]. The order is by length, which saves
            padding; `None` keeps the order of the examples.
        shard: `Shard`. The part of each batch to return.

    Returns:
        Finite `tf.data.Dataset` of `(features, targets, rows)`. Without
        targets, they are `None`. `rows: int32[batch]` are the numbers of the
        examples, and -1 for the rows that fill the last batch.
    """
    features, targets = _on_cpu(examples)
    order = None
    if lengths is not None:
        order = tf.constant(np.argsort(lengths, kind="stable"))

    def batch(step):
        rows, weights = _positions(step, batch_size, len(examples))
        if order is not None:
            rows = tf.gather(order, rows)
        rows, weights = shard(rows), shard(weights)
        chosen = {name: tf.gather(x, rows) for name, x in features.items()}
        numbers = tf.where(weights > 0, tf.cast(rows, tf.int32), -1)
        inputs = _with_static_rows(preprocess_fn(chosen), rows)
        return inputs, _targets(targets, rows, inputs, pad_targets_fn), numbers

    steps = num_steps(len(examples), batch_size)
    return _finish(tf.data.Dataset.range(steps), batch)


def distribute(strategy, make_dataset_fn):
    """Returns batches for a strategy. Each replica gets its own rows.

    This does not use the sharding of tf.data, by file or by element: with it,
    a worker could miss examples or get them twice.

    Args:
        strategy: `tf.distribute.Strategy`.
        make_dataset_fn: Function from a `Shard` to a dataset of batches. The
            number of rows is fixed and divisible by the number of replicas.

    Returns:
        `tf.data.Dataset` or distributed dataset, an input of `model.fit` and
        of a `for` loop under this strategy.
    """
    if strategy.num_replicas_in_sync == 1:
        return _prefetched(make_dataset_fn(WHOLE))

    def of_worker(context):
        count = context.num_input_pipelines
        dataset = make_dataset_fn(Shard(context.input_pipeline_id, count))
        return _split_batches(dataset, context.num_replicas_in_sync // count)

    return strategy.distribute_datasets_from_function(of_worker)


def _prefetched(dataset):
    """Copies each batch to the GPU before it is needed.

    With several replicas, TensorFlow does it itself. It cannot do it for text
    or ragged targets, or without targets.
    """
    device = _gpu()
    if device is None or not all(
        type(x) is tf.TensorSpec and x.dtype != tf.string
        for x in tf.nest.flatten(dataset.element_spec)
    ):
        return dataset
    # Two batches: one is copied while the other waits for its step.
    return dataset.apply(tf.data.experimental.prefetch_to_device(device, 2))


def _gpu():
    """Returns the name of the first GPU, or `None`."""
    return next((x.name for x in tf.config.list_logical_devices("GPU")), None)


def _split_batches(dataset, count):
    """Cuts each batch into `count` consecutive batches of equal size."""
    if count == 1:
        return dataset

    @tf.autograph.experimental.do_not_convert
    def cut(*batch):
        return split_rows(batch, count)

    return dataset.map(cut).unbatch()


def split_rows(batch, count):
    """Cuts a batch into consecutive parts of equal size.

    >>> import tensorflow as tf
    >>> ids = tf.ragged.constant([[1], [], [2, 3], [4]])
    >>> weights = tf.ones(4)
    >>> ids, no_targets, weights = split_rows((ids, None, weights), 2)
    >>> ids[1].to_list(), no_targets, weights.shape
    ([[2, 3], [4]], None, TensorShape([2, 2]))

    Args:
        batch: Tuple of tensors `[batch, ...]`, of `tf.RaggedTensor`, of `None`
            and of structures of them. The last is a tensor. The number of
            rows is divisible by `count`.
        count: int. Number of parts.

    Returns:
        The same structure with an axis more, `[count, batch / count, ...]`.
    """
    # From the last tensor: the static shape of texts does not contain it.
    size = batch[-1].shape[0]
    rows = size and size // count
    length = tf.shape(batch[-1], tf.int64)[0] // count if rows is None else rows

    def cut(x):
        if x is None:
            return None
        if isinstance(x, tf.RaggedTensor):
            return tf.RaggedTensor.from_uniform_row_length(x, length)
        shape = tf.concat([[count, length], tf.shape(x, tf.int64)[1:]], axis=0)
        return tf.ensure_shape(
            tf.reshape(x, shape), (count, rows, *x.shape[1:])
        )

    return tf.nest.map_structure(cut, batch)


def _on_cpu(examples):
    """Returns features and targets as tensors; without targets, `None`."""
    with tf.device("CPU:0"):
        features = {name: _tensor(x) for name, x in examples.features.items()}
        return features, _tensor(examples.targets)


def _targets(column, rows, inputs, pad_targets_fn):
    """Returns the targets of some rows; without targets, `None`."""
    if column is None:
        return None
    targets = tf.gather(column, rows)
    if pad_targets_fn is not None:
        targets = pad_targets_fn(targets, inputs)
    if isinstance(targets, tf.RaggedTensor):
        return targets
    return tf.ensure_shape(targets, (rows.shape[0], *targets.shape[1:]))


def _with_static_rows(features, rows):
    """Tells the graph the number of rows, which XLA and TPUs need.

    The shape of ragged tokens does not contain it.
    """
    return {
        name: x
        if isinstance(x, tf.RaggedTensor)
        else tf.ensure_shape(x, (rows.shape[0], *x.shape[1:]))
        for name, x in features.items()
    }


def _tensor(column):
    if column is None:
        return None
    if isinstance(column, Ragged):
        return tf.RaggedTensor.from_row_splits(column.values, column.row_splits)
    return tf.constant(column)


def _positions(step, batch_size, num_examples):
    """Returns `int64[batch]` positions and `float32[batch]` weights."""
    positions = step * batch_size + tf.range(batch_size, dtype=tf.int64)
    weights = tf.cast(positions < num_examples, tf.float32)
    return tf.minimum(positions, num_examples - 1), weights


def _draws(seed, epoch, rows, num_draws):
    """Returns `float32[batch, num_draws]` from (seed, epoch, row)."""

    def draw(row):
        return tf.random.stateless_uniform(
            (num_draws,), seed=tf.stack([epoch * 2**31 + seed, row])
        )

    return tf.map_fn(draw, rows, fn_output_signature=tf.float32)


def _finish(steps, batch_fn):
    """Maps steps to batches, in order, and prefetches them."""
    batch_fn = tf.autograph.experimental.do_not_convert(batch_fn)
    batches = steps.map(batch_fn, num_parallel_calls=tf.data.AUTOTUNE)
    return with_options(batches.prefetch(tf.data.AUTOTUNE))


def with_options(dataset):
    """Returns the dataset, in order and on all cores, without autotuning.

    Autotuning runs a thread that wakes up after 10 ms, then after 20 ms, and
    finally once a minute. The end of an iterator should wake the thread, but in
    TensorFlow 2.21 it often does not: half of the evaluations of 7.6 s ended
    only after 10.2 s, when the thread woke up by itself. Without autotuning,
    `AUTOTUNE` means `initial_parallelism` parallel calls, and as many
    prefetched batches as the consumer waits for.

    Args:
        dataset: `tf.data.Dataset`.

    Returns:
        `tf.data.Dataset`.
    """
    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = False
    # The default is at most 16.
    options.autotune.initial_parallelism = os.cpu_count() or 1
    return dataset.with_options(options)
