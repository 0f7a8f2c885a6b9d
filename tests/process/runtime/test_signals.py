"""Signals in whole processes."""

import signal
import subprocess
import sys
import time

import pytest

from trainers.runtime import signals

SIGNALS = [signal.SIGTERM, signal.SIGINT]


START = """
import ctypes
from trainers.runtime import signals

def hang():
    # The second call waits forever, and no signal ends it.
    mutex = ctypes.create_string_buffer(64)
    lock = ctypes.CDLL(None).pthread_mutex_lock
    lock(mutex)
    print("hangs", flush=True)
    lock(mutex)
"""


def exit_code(program, *steps):
    """Runs a program; sends a signal after each expected line."""
    process = subprocess.Popen(
        [sys.executable, "-c", START + program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with process:
            for index, (line, number) in enumerate(steps):
                if line:
                    assert process.stdout.readline() == line + "\n"
                if index:  # Sooner it would be the same request.
                    time.sleep(signals.ONE_REQUEST_SECONDS + 0.2)
                process.send_signal(number)
            stdout, stderr = process.communicate(timeout=60)
            assert (stdout, stderr) == ("", "")
            return process.returncode
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "first, second, code",
    [
        (signal.SIGTERM, signal.SIGTERM, 143),
        (signal.SIGINT, signal.SIGINT, 130),
        (signal.SIGTERM, signal.SIGINT, 130),
        (signal.SIGINT, signal.SIGTERM, 143),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_the_second_signal_ends_a_process_that_is_in_c(first, second, code):
    steps = [("hangs", first), (None, second)]
    program = (
        "with signals.raising(), signals.requests():\n"
        "    try:\n"
        "        hang()\n"
        "    finally:\n"
        "        print('nothing is cleaned up')\n"
    )
    assert exit_code(program, *steps) == code


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_the_second_signal_ends_an_end_that_takes_too_long(number):
    program = (
        "with signals.raising():\n"
        "    try:\n"
        "        print('works', flush=True)\n"
        "        while True:\n"
        "            pass\n"
        "    finally:\n"
        "        hang()\n"
    )
    steps = [("works", signal.SIGINT), ("hangs", number)]
    assert exit_code(program, *steps) == 128 + number
