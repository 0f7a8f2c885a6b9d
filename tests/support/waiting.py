"""A process that waits in the middle of its work."""

import contextlib
import subprocess
import sys


@contextlib.contextmanager
def waiting(program, *words):
    """Yields a new process after it has printed "ready".

    At the end it closes the stdin of the process and waits for it.

    Args:
        program: Python code. It prints "ready" and reads stdin, which ends when
            the test closes it.
        words: For `sys.argv`.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        with process:
            assert process.stdout.readline() == b"ready\n"
            yield process
    finally:
        process.kill()
        process.wait()
