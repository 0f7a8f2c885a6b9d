"""A start that hangs ends with a sentence in place of stacks."""

import subprocess
import sys

CODE = """
import ctypes, sys
from trainers.distribution import start_limit
start_limit._END_AFTER_SECONDS = float(sys.argv[2])
with start_limit.sentence_after(float(sys.argv[1]), "too late: $0 `x`"):
    {block}
print("in time")
"""
# Holds the lock of the interpreter, as TensorFlow does.
HANG = "ctypes.PyDLL(None).usleep(30_000_000)"


def start(block, limit, end_after=1):
    return subprocess.Popen(
        [sys.executable, "-c", CODE.format(block=block)]
        + [str(limit), str(end_after)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_block_that_takes_too_long_ends_the_process_with_the_sentence():
    with start(HANG, 0.2) as process:
        output = process.communicate(timeout=60)
    assert process.returncode == 1
    assert output == ("", "error: too late: $0 `x`\n")


def test_a_block_in_time_continues():
    with start("pass", 30) as process:
        output = process.communicate(timeout=60)
    assert (process.returncode, *output) == (0, "in time\n", "")


def test_the_sentence_comes_before_the_process_ends():
    """The first process of a container ends all others."""
    with start(HANG, 0.2, end_after=60) as process:
        assert process.stderr.readline() == "error: too late: $0 `x`\n"
        assert process.poll() is None
        process.kill()
        assert process.stderr.read() == ""


def test_a_block_that_ends_after_the_sentence_ends_the_process():
    with start("input()", 0.2, end_after=60) as process:
        assert process.stderr.readline() == "error: too late: $0 `x`\n"
        output = process.communicate("\n", timeout=60)
    assert (process.returncode, *output) == (1, "", "")


def test_a_process_that_is_killed_says_nothing():
    with start(f"print(flush=True); {HANG}", 30) as process:
        assert process.stdout.readline() == "\n"
        process.kill()
        assert process.stderr.read() == ""
