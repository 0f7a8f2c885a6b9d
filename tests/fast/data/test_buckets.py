"""Batches of similar length: what they are padded to, and who is in them."""

import collections
import random

import numpy as np
import pytest
import tensorflow as tf

from tfmodels import BertClassifierConfig
from tfmodels import EncoderConfig
from tfmodels.bert import wordpiece
from trainers import tasks
from trainers.config import experiment
from trainers.config.data import TextDataConfig
from trainers.data import buckets
from trainers.data import pipeline
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.runtime.columns import Ragged


def lognormal(count, median, longest):
    """Lengths similar to mails or news, cut to `longest`."""
    drawn = np.random.default_rng(0).lognormal(np.log(median), 0.8, count)
    return np.clip(drawn.astype(int), 3, longest)


def grouped(lengths, batch_size, seed=42, start_step=0):
    return buckets.grouped(
        lengths,
        num_examples=len(lengths),
        batch_size=batch_size,
        seed=seed,
        start_step=start_step,
    )


def take(dataset, count):
    """Returns `(epoch, rows, weights)` of the first steps, as lists."""
    return [
        (int(epoch), rows.tolist(), weights.tolist())
        for epoch, rows, weights in dataset.take(count).as_numpy_iterator()
    ]


def real_rows(rows, weights):
    return [row for row, weight in zip(rows, weights, strict=True) if weight]


def share_of_padding(lengths, batches, longest):
    """Counts padding by hand; `batches` are all rows of each batch."""
    sizes = buckets.padded_lengths(longest)
    padded = sum(
        len(rows) * min(s for s in sizes if s >= lengths[rows].max())
        for rows in batches
    )
    return 1 - lengths.sum() / padded


# --- Lengths -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("longest", "lengths"),
    [
        (1, [1]),
        (7, [7]),
        (8, [8]),
        (9, [8, 9]),
        (17, [8, 16, 17]),
        (32, [8, 16, 24, 32]),
        (
            128,
            [8, 16, 24, 32, 40, 48, 56, 64, 72, 88, 104, 120, 128],
        ),
        (
            512,
            [
                *(8, 16, 24, 32, 40, 48, 56, 64, 72, 88, 104, 120, 136, 160),
                *(184, 208, 240, 272, 312, 352, 400, 456, 512),
            ],
        ),
    ],
)
def test_batches_are_padded_to_these_lengths(longest, lengths):
    assert buckets.padded_lengths(longest) == lengths


def test_padded_lengths_are_few_and_rise_to_the_longest():
    for longest in range(1, 513):
        lengths = buckets.padded_lengths(longest)
        assert lengths == sorted(set(lengths))
        assert lengths[-1] == longest
        assert len(lengths) <= 23
        assert all(length % 8 == 0 for length in lengths[:-1])


# --- Order -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "batch_size"),
    [(1, 1), (3, 8), (33, 8), (1000, 3)],
)
def test_each_epoch_holds_every_example_once(count, batch_size):
    check_epochs(lognormal(count, 60, 128), batch_size)


def test_equal_lengths_are_grouped_too():
    check_epochs([7] * 37, 4)


def check_epochs(lengths, batch_size):
    count = len(lengths)
    steps = pipeline.num_steps(count, batch_size)
    batches = take(grouped(lengths, batch_size), 3 * steps)
    assert [epoch for epoch, _, _ in batches] == np.repeat(
        range(3), steps
    ).tolist()
    for epoch in range(3):
        of_epoch = batches[epoch * steps : (epoch + 1) * steps]
        parts = [real_rows(rows, weights) for _, rows, weights in of_epoch]
        assert all(parts), "a batch has only rows of weight 0"
        assert sorted(sum(parts, [])) == list(range(count))


def test_rows_that_fill_up_have_weight_0_and_repeat_one_example():
    # 13 batches of 8 rows for 97 examples, that is 7 rows too many.
    for count, fillers in ((97, 7), (104, 0)):
        lengths = lognormal(count, 60, 128)
        batches = take(grouped(lengths, 8), 13)
        empty = [
            row
            for _, rows, weights in batches
            for row, weight in zip(rows, weights, strict=True)
            if weight == 0
        ]
        assert len(empty) == fillers
        assert len(set(empty)) == min(fillers, 1)
        assert {w for _, _, weights in batches for w in weights} <= {0.0, 1.0}


def test_one_example_is_every_batch():
    batches = take(grouped([5], 3), 2)
    assert batches == [(0, [0, 0, 0], [1, 0, 0]), (1, [0, 0, 0], [1, 0, 0])]


def test_types_and_shapes_are_static_and_there_is_no_end():
    dataset = grouped([5, 6, 7], 2)
    assert dataset.element_spec == (
        tf.TensorSpec((), tf.int64),
        tf.TensorSpec((2,), tf.int64),
        tf.TensorSpec((2,), tf.float32),
    )
    assert dataset.cardinality() in (
        tf.data.INFINITE_CARDINALITY,
        tf.data.UNKNOWN_CARDINALITY,
    )


@pytest.mark.parametrize("count", [1, 403])
def test_starting_at_a_step_equals_skipping_those_before(count):
    lengths = lognormal(count, 60, 128)
    steps = pipeline.num_steps(count, 4)
    expected = take(grouped(lengths, 4), 5 * steps + 3)
    starts = random.Random(0).sample(range(5 * steps), min(2, 5 * steps))
    for start in {0, steps - 1, steps, *starts}:
        got = take(grouped(lengths, 4, start_step=start), 3)
        assert got == expected[start : start + 3]


def test_a_late_step_is_reached_without_those_before():
    lengths = lognormal(50, 60, 128)
    start = 13 * 10**7 + 5
    (epoch, rows, _), *_ = take(grouped(lengths, 4, start_step=start), 2)
    assert epoch == 10**7
    assert len(set(rows)) == 4


def test_every_seed_and_epoch_has_an_order_of_its_own():
    lengths = lognormal(64, 60, 128)
    epochs = []
    for seed in (0, 1, 2**31 - 1):
        rows = [rows for _, rows, _ in take(grouped(lengths, 4, seed), 48)]
        epochs += [rows[start : start + 16] for start in (0, 16, 32)]
    assert len({str(epoch) for epoch in epochs}) == 9
    # Not only in another order: other examples meet.
    sets = [{frozenset(rows) for rows in epoch} for epoch in epochs]
    common = [len(a & b) for a in sets for b in sets if a is not b]
    assert max(common) <= 3


def test_batches_of_an_epoch_are_in_no_order_of_length():
    lengths = lognormal(10_000, 60, 128)
    for epoch in range(2):
        order = grouped(lengths, 16, start_step=625 * epoch)
        means = [lengths[rows].mean() for _, rows, _ in take(order, 625)]
        step = np.arange(625)
        assert abs(np.corrcoef(step, means)[0, 1]) < 0.1
        assert abs(np.corrcoef(means[1:], means[:-1])[0, 1]) < 0.1


# --- Padding -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("median", "longest", "batch_size"), [(200, 512, 32), (60, 128, 16)]
)
def test_less_than_a_tenth_is_padding_where_chance_pads_far_more(
    median, longest, batch_size
):
    lengths = lognormal(10_000, median, longest)
    steps = pipeline.num_steps(10_000, batch_size)
    batches = [rows for _, rows, _ in take(grouped(lengths, batch_size), steps)]
    share = share_of_padding(lengths, batches, longest)
    assert 0.04 < share < 0.08
    assert share == pytest.approx(
        buckets.padding_share(
            lengths, batch_size=batch_size, seed=42, longest=longest
        ),
        abs=1e-12,
    )
    mixed = np.random.default_rng(1).permutation(10_000)
    by_chance = np.array_split(mixed, steps)
    assert share_of_padding(lengths, by_chance, longest) > 0.4


def test_few_examples_are_padded_little_more():
    lengths = lognormal(1000, 60, 128)
    share = buckets.padding_share(lengths, batch_size=16, seed=42, longest=128)
    assert 0.08 < share < 0.12


def test_lengths_that_are_all_equal_need_no_padding():
    for length, share in ((8, 0), (128, 0), (9, 1 - 9 / 16), (100, 4 / 104)):
        got = buckets.padding_share(
            [length] * 20, batch_size=4, seed=0, longest=128
        )
        assert got == pytest.approx(share, abs=1e-12)


def text_task(sequence_length):
    config = experiment.ExperimentConfig(
        data=TextDataConfig(train="x.csv", sequence_length=sequence_length),
        model=BertClassifierConfig(encoder=EncoderConfig(preset="")),
    )
    task = tasks.make_task(config)
    task.inputs.tokenizer = wordpiece.WordPieceTokenizer(
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"],
        lowercase=True,
        max_bytes=1000,
    )
    return task


def test_the_padding_share_is_what_the_batches_of_an_epoch_hold():
    count = 101  # The last batch has three rows of weight 0.
    task = text_task(64)
    tokens = lognormal(count, 40, 200)
    token_ids = Ragged.from_lengths(np.full(tokens.sum(), 4, np.int32), tokens)
    examples = Examples(
        {"token_ids": token_ids},
        np.zeros(count, int),
        Places.numbered("row ", range(count)),
    )
    lengths = task.inputs.lengths(examples)
    assert lengths.tolist() == np.minimum(tokens + 2, 64).tolist()
    dataset = pipeline.make_train_dataset(
        examples,
        global_batch_size=8,
        seed=42,
        preprocess_fn=task.inputs.preprocess,
        lengths=lengths,
    )
    used = ids = 0
    shapes = collections.Counter()
    steps = pipeline.num_steps(count, 8)
    for features, _, weights in dataset.take(steps).as_numpy_iterator():
        mask = features["padding_mask"]
        used += mask[weights > 0].sum()
        ids += mask.size
        shapes[mask.shape[1]] += 1
    assert used == lengths.sum()
    assert set(shapes) <= set(buckets.padded_lengths(64))
    assert len(shapes) > 3
    share = task.inputs.padding_share(examples, batch_size=8, seed=42)
    assert share == pytest.approx(1 - used / ids, abs=1e-12)
