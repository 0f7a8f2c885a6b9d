"""Windows over long texts, in NumPy and in a graph."""

import numpy as np
import pytest
import tensorflow as tf

from trainers.data.texts import windows as windows_lib
from trainers.tasks.inputs import window_ops


def make_rows(rng, size):
    """Returns lengths: empty, as long as a window, and any others."""
    others = rng.integers(0, 6 * size, rng.integers(1, 6))
    lengths = np.concatenate([[0, size, size + 1], others])
    return rng.permutation(lengths)


@pytest.mark.parametrize("size", [1, 2, 3, 8, 15])
def test_each_token_has_one_owner_where_it_is_farthest_from_an_edge(size):
    rng = np.random.default_rng(size)
    lengths = make_rows(rng, size)
    windows = windows_lib.of_rows(lengths, size)
    row, position, is_owned = windows.tokens()
    window = np.repeat(np.arange(len(windows.row)), windows.length)
    start, end = windows.start[window], (windows.start + windows.length)[window]
    distance = np.minimum(position - start, end - 1 - position)
    for number, length in enumerate(lengths):
        for token in range(length):
            (found,) = np.nonzero((row == number) & (position == token))
            # The first of equal ones: of two windows, the earlier.
            best = found[np.argmax(distance[found])]
            assert found[is_owned[found]].tolist() == [best]
    # The tokens of all owners are the rows.
    assert np.stack([row[is_owned], position[is_owned]], axis=1).tolist() == [
        [number, token]
        for number, length in enumerate(lengths)
        for token in range(length)
    ]


def test_windows_overlap_by_half_and_end_with_the_row():
    windows = windows_lib.of_rows([8, 9, 0, 23], size=8)
    assert windows.row.tolist() == [0, 1, 1, 2, 3, 3, 3, 3, 3]
    assert windows.start.tolist() == [0, 0, 1, 0, 0, 4, 8, 12, 15]
    assert windows.length.tolist() == [8, 8, 8, 0, 8, 8, 8, 8, 8]
    assert windows.first_owned.tolist() == [0, 0, 5, 0, 0, 6, 10, 14, 18]
    assert windows.end_owned.tolist() == [8, 5, 9, 0, 6, 10, 14, 18, 23]


def test_no_rows_have_no_windows():
    assert len(windows_lib.of_rows([], size=8).row) == 0


def logits_of(ids):
    """Returns logits that name the id, at the places of a network."""
    ids = tf.pad(ids.to_tensor(-1), [[0, 0], [1, 1]], constant_values=-1)
    return tf.stack([ids, ids + 1], axis=-1)


@pytest.mark.parametrize("size, at_once", [(1, 3), (4, 2), (9, 100)])
def test_the_graph_computes_the_same(size, at_once, monkeypatch):
    """However many windows the network reads at once."""
    monkeypatch.setattr(window_ops, "_WINDOWS_AT_ONCE", at_once)
    rng = np.random.default_rng(size)

    @tf.function(
        input_signature=[tf.RaggedTensorSpec([None, None], tf.int32)],
        autograph=False,
    )
    def read(ids):
        windows, is_owned = window_ops.cut(ids, size)
        logits = window_ops.logits_of_tokens(
            windows,
            is_owned,
            lambda part: tf.cast(logits_of(part), tf.float32),
            2,
        )
        return windows, is_owned, logits

    for lengths in (make_rows(rng, size), [0], []):
        expected = windows_lib.of_rows(lengths, size)
        row, position, is_owned = expected.tokens()
        numbers = np.arange(sum(lengths), dtype=np.int32)
        ids = tf.RaggedTensor.from_row_lengths(
            numbers, tf.constant(lengths, tf.int64)
        )
        windows, found, logits = read(ids)
        begins = np.cumsum([0, *lengths])[row]
        assert windows.values.numpy().tolist() == (begins + position).tolist()
        assert windows.row_lengths().numpy().tolist() == (
            expected.length.tolist()
        )
        assert found.values.numpy().tolist() == is_owned.tolist()
        assert logits.numpy().tolist() == [[n, n + 1] for n in numbers]
