"""Columns of arrays and of rows with different lengths."""

import hashlib

import numpy as np
import pytest

from trainers.data import columns
from trainers.data.columns import Ragged

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
