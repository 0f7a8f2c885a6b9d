"""A start that hangs ends with a sentence in place of stacks."""

import subprocess
import sys

CODE = """
import ctypes, sys
from trainers.distribution import start_limit
with start_limit.sentence_after(float(sys.argv[1]), "too late: $0 `x`"):
    # Holds the lock of the interpreter, as TensorFlow does.
    ctypes.PyDLL(None).usleep(int(sys.argv[2]))
print("in time")
"""


def run(limit, microseconds):
    return subprocess.run(
        [sys.executable, "-c", CODE, str(limit), str(microseconds)],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_block_that_takes_too_long_ends_the_process_with_the_sentence():
    done = run(0.2, 30_000_000)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: too late: $0 `x`\n"


def test_a_block_in_time_goes_on():
    done = run(30, 1000)
    assert (done.returncode, done.stdout, done.stderr) == (0, "in time\n", "")
