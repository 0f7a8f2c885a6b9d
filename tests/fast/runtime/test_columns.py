"""Columns of arrays and of rows with different lengths."""

import hashlib

import numpy as np
import pytest

from trainers.runtime import columns
from trainers.runtime.columns import Ragged

ROWS = [[5], [], [6, 7, 8], [9, 9], []]


def make(rows=ROWS):
    values = np.array([x for row in rows for x in row], np.int32)
    return Ragged.from_lengths(values, [len(row) for row in rows])


def test_rows_are_what_they_were_made_of():
    column = make()
    assert column.to_list() == ROWS
    assert len(column) == 5
    assert column[2].tolist() == [6, 7, 8]
    assert column.lengths().tolist() == [1, 0, 3, 2, 0]
    assert column.row_splits.dtype == np.int64


@pytest.mark.parametrize(
    "rows", [[], [2], [4, 3, 2, 1, 0], [0, 0, 2], [1, 4]], ids=str
)
def test_taken_rows_are_in_the_given_order(rows):
    taken = columns.take(make(), np.array(rows, int))
    assert taken.to_list() == [ROWS[row] for row in rows]
    assert taken.values.dtype == np.int32


def test_many_rows_can_be_taken():
    rng = np.random.default_rng(0)
    rows = [
        rng.integers(0, 99, rng.integers(0, 9)).tolist() for _ in range(999)
    ]
    order = rng.permutation(999)
    assert make(rows).take(order).to_list() == [rows[i] for i in order]


def test_parts_are_put_together():
    parts = [make(), make([[1, 2]]), make([])]
    assert columns.concatenate(parts).to_list() == [*ROWS, [1, 2]]
    arrays = [np.zeros((1, 2)), np.ones((2, 2))]
    assert columns.concatenate(arrays).tolist() == [[0, 0], [1, 1], [1, 1]]
    assert columns.concatenate([None, None]) is None
    assert columns.take(None, np.array([0])) is None


@pytest.mark.parametrize("rows", [ROWS, [], [[]]], ids=str)
def test_tokens_come_back_from_arrays(rows):
    arrays = columns.to_arrays("train/token_ids", make(rows))
    assert sorted(arrays) == [
        "train/token_ids/row_splits",
        "train/token_ids/values",
    ]
    arrays |= columns.to_arrays("test/token_ids", make([[1]]))
    column = columns.from_arrays("train/token_ids", arrays)
    assert column.to_list() == rows
    assert column.values.dtype == np.int32


@pytest.mark.parametrize("shape", [(3,), (3, 2), (0,)], ids=str)
def test_an_array_comes_back_from_arrays(shape):
    column = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    arrays = columns.to_arrays("train/targets", column)
    assert list(arrays) == ["train/targets"]
    assert columns.from_arrays("train/targets", arrays) is column
    assert columns.from_arrays("test/targets", arrays) is None
    # The start of another name is no name.
    assert columns.from_arrays("train", arrays) is None


def test_no_column_is_no_array():
    assert columns.to_arrays("targets", None) == {}
    assert columns.from_arrays("targets", {}) is None


def test_columns_come_back_from_a_file(tmp_path):
    arrays = columns.to_arrays("a/x", make()) | columns.to_arrays(
        "a/y", np.zeros((5, 2), np.int32)
    )
    np.savez(tmp_path / "arrays.npz", **arrays)
    with np.load(tmp_path / "arrays.npz") as archive:
        found = dict(archive)
    assert columns.from_arrays("a/x", found).to_list() == ROWS
    assert columns.from_arrays("a/y", found).shape == (5, 2)


def test_the_digest_of_tokens_is_that_of_their_values_and_splits():
    """Checkpoints contain it: it must stay as it is."""
    digest = hashlib.sha256()
    columns.update_digest(digest, "token_ids", make())
    expected = hashlib.sha256(
        b"token_ids int32 (6,)\n"
        + np.array([5, 6, 7, 8, 9, 9], "<i4").tobytes()
        + b"token_ids int64 (6,)\n"
        + np.array([0, 1, 1, 4, 6, 6], "<i8").tobytes()
    )
    assert digest.hexdigest() == expected.hexdigest()
