"""Work in the background does not delay the end of a process."""

import pytest

PROGRAM = """
import atexit
import sys
import time

from trainers.runtime import background

seconds, code = float(sys.argv[1]), int(sys.argv[2])
atexit.register(print, "the normal end")
background.start(lambda: time.sleep(seconds))
time.sleep(0.2)
with background.leaving():
    print("done")
    if code:
        sys.exit(code)
"""


@pytest.mark.parametrize("code", [0, 75])
@pytest.mark.parametrize(
    "seconds, output",
    [(600, "done\n"), (0, "done\nthe normal end\n")],
    ids=["running", "finished"],
)
def test_the_process_ends_with_its_code(seconds, output, code, run_command):
    run = run_command("", str(seconds), str(code), code=PROGRAM)
    assert (run.returncode, run.stdout) == (code, output), run.stderr
