"""Batches: which example is where, how often it counts, and in what shape."""

import itertools
import os

import numpy as np
import pytest
import tensorflow as tf

from trainers.data import pipeline
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.runtime.columns import Ragged


def make_examples(count):
    """Examples whose pixels are the row number, label ten times that."""
    rows = np.arange(count)
    images = np.zeros((count, 2, 3), np.uint8) + rows[:, None, None]
    return Examples(
        {"image": images.astype(np.uint8)},
        (10 * rows).astype(np.int32),
        Places.numbered("row ", range(len(rows))),
    )


def preprocess(features):
    return features | {"image": tf.cast(features["image"], tf.float32)}


def keep_draws(features, draws):
    return features | {"draws": draws}


def make_train_dataset(count, batch_size, **settings):
    settings = {"seed": 42, "preprocess_fn": preprocess} | settings
    return pipeline.make_train_dataset(
        make_examples(count), global_batch_size=batch_size, **settings
    )


def make_eval_dataset(count, batch_size):
    return pipeline.make_eval_dataset(
        make_examples(count), batch_size=batch_size, preprocess_fn=preprocess
    )


def take(dataset, count):
    """Returns `(rows, weights)` of the first batches, a list a batch.

    In evaluation, the numbers of the rows are in place of the weights.
    """
    batches = []
    for features, labels, weights in dataset.take(count).as_numpy_iterator():
        rows = features["image"][:, 0, 0].astype(int)
        # Every feature, label and weight of a row belongs to it.
        assert (features["image"] == rows[:, None, None]).all()
        assert (labels == 10 * rows).all()
        batches.append((rows.tolist(), weights.tolist()))
    return batches


def counted_rows(batches):
    """Returns the rows of weight 1, in order."""
    flat = itertools.chain.from_iterable(
        zip(rows, weights, strict=True) for rows, weights in batches
    )
    return [row for row, weight in flat if weight]


# --- Training ----------------------------------------------------------------


def test_the_order_is_the_same_in_a_second_dataset():
    first = take(make_train_dataset(10, 4), 9)
    assert first == take(make_train_dataset(10, 4), 9)


def test_starting_at_a_step_equals_skipping_those_before():
    settings = {"augment_fn": keep_draws, "num_draws": 2}
    from_the_first = make_train_dataset(10, 4, **settings)
    expected = [*from_the_first.take(304).as_numpy_iterator()]
    for start in (1, 3, 7, 300):
        started = make_train_dataset(10, 4, start_step=start, **settings)
        for wanted, got in zip(
            expected[start : start + 4], started.take(4), strict=True
        ):
            tf.nest.map_structure(np.testing.assert_array_equal, wanted, got)


@pytest.mark.parametrize(
    ("count", "batch_size"),
    [(1, 1), (5, 7), (10, 5), (33, 8), (100, 32)],
)
def test_each_epoch_holds_every_example_once(count, batch_size):
    steps = pipeline.num_steps(count, batch_size)
    dataset = make_train_dataset(count, batch_size)
    batches = take(dataset, 3 * steps)
    for epoch in range(3):
        rows = counted_rows(batches[epoch * steps : (epoch + 1) * steps])
        assert sorted(rows) == list(range(count))


def test_epochs_have_different_orders():
    batches = take(make_train_dataset(100, 100), 3)
    orders = [tuple(rows) for rows, _ in batches]
    assert len(set(orders)) == 3
    assert tuple(range(100)) not in orders


def test_seeds_have_different_orders():
    orders = [
        tuple(take(make_train_dataset(100, 100, seed=seed), 1)[0][0])
        for seed in (0, 1, 42, 2**31 - 1)
    ]
    assert len(set(orders)) == 4


def test_the_last_batch_is_filled_up_with_rows_without_a_number():
    batches = take(make_train_dataset(10, 4), 6)
    assert [weights for _, weights in batches] == 2 * [
        [1, 1, 1, 1],
        [1, 1, 1, 1],
        [1, 1, 0, 0],
    ]
    last, _ = batches[2]
    assert last[2] == last[3] == last[1]


def test_a_batch_larger_than_the_data_is_one_epoch():
    (rows, weights), other = take(make_train_dataset(3, 8), 2)
    assert sorted(rows[:3]) == [0, 1, 2]
    assert weights == [1, 1, 1, 0, 0, 0, 0, 0]
    assert sorted(other[0][:3]) == [0, 1, 2]


def test_one_example_is_every_batch():
    assert take(make_train_dataset(1, 2), 3) == [([0, 0], [1, 0])] * 3


def test_training_has_no_end():
    cardinality = make_train_dataset(10, 4).cardinality()
    assert cardinality == tf.data.INFINITE_CARDINALITY


def test_shapes_of_training_batches_are_static():
    dataset = make_train_dataset(10, 4, augment_fn=keep_draws, num_draws=2)
    features, labels, weights = dataset.element_spec
    assert features == {
        "image": tf.TensorSpec((4, 2, 3), tf.float32),
        "draws": tf.TensorSpec((4, 2), tf.float32),
    }
    assert labels == tf.TensorSpec((4,), tf.int32)
    assert weights == tf.TensorSpec((4,), tf.float32)


def draws_by_example(count, batch_size, num_epochs, seed=42):
    """Returns `{(epoch, row): draws}` of an augmenting dataset."""
    steps = pipeline.num_steps(count, batch_size)
    dataset = make_train_dataset(
        count, batch_size, seed=seed, augment_fn=keep_draws, num_draws=4
    )
    draws = {}
    for step, (features, _, weights) in enumerate(
        dataset.take(num_epochs * steps).as_numpy_iterator()
    ):
        rows = features["image"][:, 0, 0].astype(int)
        for row, drawn, weight in zip(
            rows, features["draws"], weights, strict=True
        ):
            if weight:
                draws[step // steps, int(row)] = tuple(drawn.tolist())
    return draws


def test_draws_depend_on_seed_epoch_and_example_but_not_on_the_batch():
    draws = draws_by_example(10, 4, num_epochs=2)
    assert sorted(draws) == [(e, row) for e in range(2) for row in range(10)]
    for batch_size in (1, 10, 64):
        assert draws_by_example(10, batch_size, num_epochs=2) == draws
    others = draws_by_example(10, 4, num_epochs=2, seed=43)
    # Every number of every (seed, epoch, example) is another.
    numbers = [*draws.values(), *others.values()]
    assert len(set(itertools.chain.from_iterable(numbers))) == 2 * 2 * 10 * 4
    assert 0 <= np.min(numbers) < 0.2 < 0.8 < np.max(numbers) < 1


def test_augmentation_acts_before_preprocessing_on_raw_rows():
    def augment(features, draws):
        assert features["image"].dtype == tf.uint8
        assert draws.shape == (4, 3)
        return {"image": features["image"] + tf.constant(100, tf.uint8)}

    dataset = make_train_dataset(10, 4, augment_fn=augment, num_draws=3)
    features, labels, _ = next(dataset.as_numpy_iterator())
    assert features["image"].dtype == np.float32
    np.testing.assert_array_equal(features["image"][:, 0, 0], labels / 10 + 100)


# --- Texts -------------------------------------------------------------------

LENGTHS = [3, 1, 2, 5, 1, 4, 0, 2, 3]


def make_texts(lengths=LENGTHS):
    """Ragged examples: row r contains the id r `lengths[r]` times."""
    rows = np.arange(len(lengths))
    token_ids = Ragged.from_lengths(
        np.repeat(rows, lengths).astype(np.int32), lengths
    )
    return Examples(
        {"token_ids": token_ids},
        (10 * rows).astype(np.int32),
        Places.numbered("row ", range(len(rows))),
    )


def pad(features):
    assert isinstance(features["token_ids"], tf.RaggedTensor)
    return {"token_ids": features["token_ids"].to_tensor(-1)}


def take_texts(dataset, count, lengths=LENGTHS):
    """Returns `(rows, weights, padded length)` of the first batches.

    In evaluation, the numbers of the rows are in place of the weights.
    """
    batches = []
    for features, labels, weights in dataset.take(count).as_numpy_iterator():
        rows = labels // 10
        ids = features["token_ids"]
        for row, of_row in zip(rows, ids, strict=True):
            padding = len(of_row) - lengths[row]
            assert of_row.tolist() == [row] * lengths[row] + [-1] * padding
        batches.append((rows.tolist(), weights.tolist(), ids.shape[1]))
    return batches


@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_ragged_training_batches_hold_every_text_once_an_epoch(lengths):
    dataset = pipeline.make_train_dataset(
        make_texts(),
        global_batch_size=2,
        seed=42,
        preprocess_fn=pad,
        lengths=lengths,
    )
    batches = take_texts(dataset, 15)
    for epoch in range(3):
        of_epoch = batches[5 * epoch : 5 * epoch + 5]
        rows = counted_rows((rows, weights) for rows, weights, _ in of_epoch)
        assert sorted(rows) == list(range(9))
    assert sum(weight for _, weights, _ in batches for weight in weights) == 27


def test_training_by_length_brings_similar_texts_together():
    texts = LENGTHS * 8

    def padded(lengths):
        dataset = pipeline.make_train_dataset(
            make_texts(texts),
            global_batch_size=3,
            seed=42,
            preprocess_fn=pad,
            lengths=lengths,
        )
        batches = take_texts(dataset, 24, texts)
        return 3 * sum(length for *_, length in batches)

    # Of windows with 18 texts; all 72 in order of length would give 180.
    assert sum(texts) == 168
    assert padded(texts) < 210 < 250 < padded(None)


def test_training_by_length_starts_at_any_step():
    def batches(count, start_step):
        dataset = pipeline.make_train_dataset(
            make_texts(),
            global_batch_size=2,
            seed=42,
            preprocess_fn=pad,
            lengths=LENGTHS,
            start_step=start_step,
        )
        return take_texts(dataset, count)

    expected = batches(20, 0)
    for start in (3, 5, 12):
        assert batches(4, start) == expected[start : start + 4]


def test_draws_by_length_are_those_of_the_same_example_at_random():
    def draws(lengths):
        dataset = make_train_dataset(
            10, 4, augment_fn=keep_draws, num_draws=2, lengths=lengths
        )
        found = {}
        for step, (features, labels, _) in enumerate(
            dataset.take(6).as_numpy_iterator()
        ):
            for label, drawn in zip(labels, features["draws"], strict=True):
                found[step // 3, int(label)] = tuple(drawn.tolist())
        return found

    assert len(draws(None)) == 20
    assert draws(np.arange(10)) == draws(None)


def test_evaluation_by_length_is_in_that_order_and_stable():
    dataset = pipeline.make_eval_dataset(
        make_texts(), batch_size=4, preprocess_fn=pad, lengths=LENGTHS
    )
    assert dataset.cardinality() == 3
    assert take_texts(dataset, -1) == [
        ([6, 1, 4, 2], [6, 1, 4, 2], 2),
        ([7, 0, 8, 5], [7, 0, 8, 5], 4),
        ([3, 3, 3, 3], [3, -1, -1, -1], 5),
    ]


def test_evaluation_of_texts_without_lengths_is_in_order():
    dataset = pipeline.make_eval_dataset(
        make_texts(), batch_size=5, preprocess_fn=pad
    )
    assert take_texts(dataset, -1) == [
        ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4], 5),
        ([5, 6, 7, 8, 8], [5, 6, 7, 8, -1], 4),
    ]


# --- Evaluation --------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 7, 20, 23])
def test_evaluation_counts_every_example_once_in_order(batch_size):
    dataset = make_eval_dataset(20, batch_size)
    batches = take(dataset, -1)
    assert len(batches) == dataset.cardinality() == -(-20 // batch_size)
    numbers = [number for _, numbers in batches for number in numbers]
    assert [number for number in numbers if number >= 0] == list(range(20))
    assert {len(rows) for rows, _ in batches} == {batch_size}


def test_the_last_evaluation_batch_is_filled_up_with_rows_without_a_number():
    assert take(make_eval_dataset(5, 3), -1) == [
        ([0, 1, 2], [0, 1, 2]),
        ([3, 4, 4], [3, 4, -1]),
    ]


def test_one_example_is_evaluated():
    assert take(make_eval_dataset(1, 3), -1) == [([0, 0, 0], [0, -1, -1])]


def test_shapes_of_evaluation_batches_are_static():
    assert make_eval_dataset(20, 7).element_spec == (
        {"image": tf.TensorSpec((7, 2, 3), tf.float32)},
        tf.TensorSpec((7,), tf.int32),
        tf.TensorSpec((7,), tf.int32),
    )


@pytest.mark.parametrize(
    ("num_examples", "batch_size", "steps"),
    [(1, 1, 1), (1, 9, 1), (8, 4, 2), (9, 4, 3), (60_000, 128, 469)],
)
def test_steps_of_an_epoch_are_rounded_up(num_examples, batch_size, steps):
    assert pipeline.num_steps(num_examples, batch_size) == steps


@pytest.mark.parametrize("make", [make_train_dataset, make_eval_dataset])
def test_datasets_are_in_order_and_not_tuned(make):
    # `pipeline.with_options` has the reason.
    options = make(10, 4).options()
    assert options.autotune.enabled is False
    assert options.autotune.initial_parallelism == os.cpu_count()
    assert options.deterministic is True


@pytest.mark.parametrize("rows", [4, None], ids=["static", "dynamic"])
def test_a_batch_is_split_with_columns_of_every_kind(rows):
    """Rows of different lengths, no targets, and vectors."""
    ids = tf.ragged.constant([[1], [], [2, 3], [4]])

    @tf.function(
        autograph=False,
        input_signature=[
            tf.RaggedTensorSpec([rows, None], tf.int32),
            tf.TensorSpec([rows, 2]),
        ],
    )
    def split(ids, vectors):
        parts = pipeline.split_rows(({"ids": ids}, None, vectors), 2)
        assert parts[1] is None
        return parts[0]["ids"][0], parts[0]["ids"][1], parts[2]

    vectors = tf.reshape(tf.range(8.0), (4, 2))
    first, second, vectors = split(ids, vectors)
    assert first.to_list() == [[1], []]
    assert second.to_list() == [[2, 3], [4]]
    assert vectors.numpy().tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
