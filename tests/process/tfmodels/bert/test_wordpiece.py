"""Learned vocabularies are equal in all processes."""

import contextlib
import io
import json
import os
import subprocess
import sys

from repository import ROOT


def test_a_vocabulary_is_the_same_in_each_process():
    program = (
        "import json\n"
        "from tfmodels.bert import vocabulary_learner\n"
        "texts = [f'Ein Wort{i % 7}{i % 11} für {chr(0x4e00 + i)} λόγος'"
        ".encode() for i in range(200)]\n"
        "for lowercase in (True, False):\n"
        "    print(json.dumps(vocabulary_learner.learn_vocabulary("
        "texts, size=200, lowercase=lowercase)))\n"
    )
    # The hashes of this process have another seed.
    assert os.environ.get("PYTHONHASHSEED") != "1"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(program, {})
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == printed.getvalue()
    uncased, cased = map(json.loads, run.stdout.splitlines())
    assert len(uncased) == len(cased) == 200
    assert "ein" in uncased and "Ein" not in uncased
    assert "Ein" in cased and "ein" not in cased
    # Folded by the tokenizer's rules, or it would never be found again.
    assert "λογος" in uncased and "λόγος" in cased
