"""Work in the background, and the end of the process."""

import pytest

PROGRAM = """
import atexit
import pathlib
import sys
import time

from trainers.runtime import background

how, seconds, limit = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
background._MOST_SECONDS = limit
# Before the first work, so that it is called after the waiting.
atexit.register(print, "the normal end")


def work():
    time.sleep(seconds)
    print("worked", flush=True)


background.start(work)
if how == "without":
    print("done", flush=True)
    sys.exit(3)
with background.leaving():
    print("done", flush=True)
    if how == "error":
        raise ValueError("wrong")
    if how == "stopped":
        sys.exit(75)
"""
NORMAL = "done\nworked\nthe normal end\n"


@pytest.mark.parametrize(
    "how, seconds, limit, code, output",
    [
        # It waits after success, but not for ever.
        ("success", 0.5, 600, 0, NORMAL),
        ("success", 600, 0.5, 0, "done\n"),
        # It does not wait otherwise.
        ("stopped", 600, 600, 75, "done\n"),
        ("error", 600, 600, 1, "done\n"),
        # A program that does not say when it ends.
        ("without", 0.5, 600, 3, NORMAL),
    ],
)
def test_the_process_ends_with_its_code(
    how, seconds, limit, code, output, run_command
):
    words = (how, str(seconds), str(limit))
    run = run_command("", *words, code=PROGRAM)
    assert (run.returncode, run.stdout) == (code, output), run.stderr
    assert run.stderr.endswith("ValueError: wrong\n") == (how == "error")
