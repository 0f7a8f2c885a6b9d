"""Learned vocabularies are equal in all processes."""

import json
import os
import pathlib
import subprocess
import sys

from tfmodels.bert import vocabulary_learner


def learn_elsewhere(hash_seeds):
    """Returns the vocabularies that other processes learned, of each seed."""
    program = (
        "import json\n"
        "from tfmodels.bert import vocabulary_learner\n"
        "texts = [f'Ein Wort{i % 7}{i % 11} für {chr(0x4e00 + i)} λόγος'"
        ".encode() for i in range(200)]\n"
        "for lowercase in (True, False):\n"
        "    print(json.dumps(vocabulary_learner.learn_vocabulary("
        "texts, size=200, lowercase=lowercase)))\n"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=pathlib.Path(vocabulary_learner.__file__).parents[2],
        )
        for seed in hash_seeds
    ]
    outputs = [run.communicate(timeout=300)[0] for run in runs]
    return [[json.loads(s) for s in out.splitlines()] for out in outputs]


def test_a_vocabulary_is_the_same_in_each_process():
    first, second = learn_elsewhere(["1", "2"])
    assert first == second
    uncased, cased = first
    assert len(uncased) == len(cased) == 200
    assert "ein" in uncased and "Ein" not in uncased
    assert "Ein" in cased and "ein" not in cased
    # Folded by the tokenizer's rules, or it would never be found again.
    assert "λογος" in uncased and "λόγος" in cased
