"""Rows of splits in another process."""

import os
import pathlib
import subprocess
import sys

import pytest

from trainers.data.texts import hash_split
from trainers.data.texts import reading


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    """Files of a test are in its working directory: short exact messages."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def cut(rows, **fractions):
    """Returns rows by split, for `(text, label)` rows."""
    return hash_split.cut(
        [text.encode() for text, _ in rows],
        [label for _, label in rows],
        fractions or {"test": 0.1, "validation": 0.1},
    )


def test_a_cut_is_the_same_in_another_process():
    """Without this, a resumed run could train on its test rows."""
    program = (
        "from trainers.data.texts import hash_split\n"
        "texts = [b'text %d' % i for i in range(40)]\n"
        "print(hash_split.cut(texts, ['a', 'b'] * 20, {'test': 0.2}))\n"
        "import sys; assert 'tensorflow' not in sys.modules"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=pathlib.Path(reading.__file__).parents[3],
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
    rows = [(f"text {i}", "ab"[i % 2]) for i in range(40)]
    assert printed.pop().decode().strip() == str(cut(rows, test=0.2))
