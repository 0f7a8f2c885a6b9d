"""A matrix that comes by rows and is read by columns."""

import resource
import signal

import numpy as np
import pytest

from trainers.errors import RunError
from trainers.metrics import transposed


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
@pytest.mark.parametrize(
    "max_bytes", [10**9, 300, 0], ids=["memory", "both", "file"]
)
@pytest.mark.parametrize("part", [1, 50, 2**20])
def test_columns_are_those_of_all_rows(dtype, max_bytes, part, monkeypatch):
    monkeypatch.setattr(transposed, "_PART", part)
    rows = np.arange(17 * 5).reshape(17, 5).astype(dtype)
    with transposed.Transposed(max_bytes) as matrix:
        for start, stop in [(0, 1), (1, 8), (8, 9), (9, 17)]:
            matrix.append(rows[start:stop])
        # They can be read again.
        for _ in range(2):
            columns = list(matrix.columns())
            assert {column.dtype for column in columns} == {np.dtype(dtype)}
            np.testing.assert_array_equal(columns, rows.T)


def test_a_matrix_without_rows_has_no_columns():
    with transposed.Transposed() as matrix:
        assert list(matrix.columns()) == []


def test_small_batches_are_joined(monkeypatch):
    monkeypatch.setattr(transposed, "_PART", 10)
    labels, logits = np.arange(9), np.arange(27).reshape(9, 3)
    batches = [(labels[i : i + 2], logits[i : i + 2]) for i in (0, 2, 4, 6, 8)]
    found = list(transposed.joined(iter(batches)))
    assert [x.tolist() for x, _ in found] == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    np.testing.assert_array_equal(np.concatenate([x for _, x in found]), logits)


def test_a_full_disk_says_which_directory_is_too_small(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
        with pytest.raises(RunError) as error, transposed.Transposed(0) as kept:
            kept.append(np.zeros((1_000, 4), np.float32))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert str(error.value) == (
        "the scores of an evaluation need 16,000 bytes or more in "
        f"{str(tmp_path)!r}: File too large. Set the environment variable "
        "TMPDIR to a directory with more space."
    )
    assert list(tmp_path.iterdir()) == []
