"""Parts of a batch: of several workers, and of the replicas of one."""

import numpy as np
import pytest
import tensorflow as tf

from trainers.config.trainer import TrainerConfig
from trainers.data import pipeline
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.distribution import strategies

LENGTHS = np.array([3, 9, 4, 4, 8, 2, 7, 7, 3, 5])


def make_examples(count=10):
    rows = np.arange(count, dtype=np.int32)
    return Examples(
        {"row": rows}, 10 * rows, Places.numbered("row ", range(len(rows)))
    )


def make_train_dataset(shard, **settings):
    settings = {"global_batch_size": 4, "seed": 1, "start_step": 2} | settings
    return pipeline.make_train_dataset(
        make_examples(),
        preprocess_fn=lambda features: features,
        shard=shard,
        **settings,
    )


def make_eval_dataset(shard, lengths=None):
    return pipeline.make_eval_dataset(
        make_examples(),
        batch_size=4,
        preprocess_fn=lambda features: features,
        lengths=lengths,
        shard=shard,
    )


def take(dataset, count):
    """Returns `(rows, labels, weights)` of batches, as arrays.

    In evaluation, the numbers of the rows are in place of the weights.
    """
    return [
        (features["row"], labels, weights)
        for features, labels, weights in dataset.take(count).as_numpy_iterator()
    ]


def keep_draws(features, draws):
    return features | {"draws": draws}


@pytest.mark.parametrize(
    "make_dataset, filler, count",
    [
        (make_train_dataset, 0, 4),
        (lambda shard: make_train_dataset(shard, lengths=LENGTHS), 0, 2),
        (make_eval_dataset, -1, 2),
        (lambda shard: make_eval_dataset(shard, LENGTHS), -1, 4),
    ],
    ids=["mixed", "grouped", "evaluated", "evaluated_by_length"],
)
def test_shards_one_after_the_other_are_the_whole_batch(
    make_dataset, filler, count
):
    whole = take(make_dataset(pipeline.WHOLE), 3)
    shards = [
        take(make_dataset(pipeline.Shard(index, count)), 3)
        for index in range(count)
    ]
    for step, expected in enumerate(whole):
        for part, array in enumerate(expected):
            found = [shard[step][part] for shard in shards]
            assert [len(x) for x in found] == [4 // count] * count
            np.testing.assert_array_equal(np.concatenate(found), array)
    # Ten rows in batches of four: the last two places are filled up.
    assert sum((w == filler).sum() for _, _, w in whole) == 2


def test_a_row_is_augmented_alike_on_any_worker():
    settings = {"augment_fn": keep_draws, "num_draws": 2}
    whole, part = (
        next(iter(make_train_dataset(shard, **settings)))[0]["draws"].numpy()
        for shard in (pipeline.WHOLE, pipeline.Shard(1, 2))
    )
    np.testing.assert_array_equal(part, whole[2:])


def test_training_batches_say_that_they_have_no_end():
    # Else workers ask each other at each step whether there is one more.
    for lengths in (None, LENGTHS):
        dataset = make_train_dataset(pipeline.WHOLE, lengths=lengths)
        infinite = tf.data.experimental.INFINITE_CARDINALITY
        assert dataset.cardinality().numpy() == infinite


@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_each_replica_gets_its_rows_of_the_batch(lengths):
    strategy = strategies.make_strategy(
        TrainerConfig(strategy="mirrored", num_logical_cpus=2)
    )
    dataset = pipeline.distribute(
        strategy, lambda shard: make_train_dataset(shard, lengths=lengths)
    )
    whole = take(make_train_dataset(pipeline.WHOLE, lengths=lengths), 5)
    iterator = iter(dataset)
    for rows, labels, weights in whole:
        features, *others = next(iterator)
        for found, expected in zip(
            (features["row"], *others), (rows, labels, weights), strict=True
        ):
            parts = strategy.experimental_local_results(found)
            assert [part.shape[0] for part in parts] == [2, 2]
            np.testing.assert_array_equal(np.concatenate(parts), expected)


def test_replicas_cut_batches_whose_shape_is_not_known():
    # As tokenizing leaves them: neither rows nor columns are known.
    strategy = strategies.make_strategy(
        TrainerConfig(strategy="mirrored", num_logical_cpus=2)
    )

    def forget(features):
        ids = tf.tile(features["row"][:, tf.newaxis], (1, 3))
        return {"ids": tf.ensure_shape(_unknown(ids), (None, None))}

    def make_dataset(shard):
        return pipeline.make_train_dataset(
            make_examples(),
            global_batch_size=4,
            seed=1,
            preprocess_fn=forget,
            shard=shard,
        )

    dataset = pipeline.distribute(strategy, make_dataset)
    assert dataset.element_spec[0]["ids"]._value_specs[0].shape == (2, None)
    features, _, _ = next(iter(dataset))
    parts = strategy.experimental_local_results(features["ids"])
    expected = next(iter(make_dataset(pipeline.WHOLE)))[0]["ids"]
    np.testing.assert_array_equal(np.concatenate(parts), expected)


def _unknown(x):
    return tf.raw_ops.PlaceholderWithDefault(input=x, shape=(None, None))


def test_one_device_takes_the_dataset_as_it_is():
    dataset = make_eval_dataset(pipeline.WHOLE)
    assert (
        pipeline.distribute(tf.distribute.get_strategy(), lambda _: dataset)
        is dataset
    )
