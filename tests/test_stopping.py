"""Stops on request: between two steps, or at once."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from trainers import stopping
from trainers.stopping import Stopped

SIGNALS = [signal.SIGTERM, signal.SIGINT]


@pytest.fixture(scope="module", autouse=True)
def heeded():
    """Whoever starts the tests may have SIGINT ignored, as shells do."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def handlers(heeded):
    """Checks that a test leaves everything as it was."""
    before = state()
    yield before[0]
    assert state() == before


def state():
    wakeup_fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup_fd)
    return (
        [signal.getsignal(number) for number in SIGNALS],
        wakeup_fd,
        len(os.listdir("/proc/self/fd")),
        threading.enumerate(),
    )


def test_a_stop_looks_like_an_interrupt_and_no_error():
    assert issubclass(Stopped, KeyboardInterrupt)
    assert not issubclass(Stopped, Exception)
    assert stopping.SIGNALS == (signal.SIGTERM, signal.SIGINT)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_request_is_remembered_and_raises_nothing_by_itself(number):
    with pytest.raises(Stopped) as error:
        with stopping.requests() as request:
            assert request.signal_name is None
            request()
            os.kill(os.getpid(), number)
            assert request.signal_name == number.name
            with pytest.raises(Stopped) as first:
                request()
            raise first.value
    assert str(error.value) == (
        f"Stopped by {number.name}; the same command goes on."
    )


def test_a_request_that_nobody_looked_at_is_not_lost():
    went_on = False
    with pytest.raises(Stopped) as error:
        with stopping.requests():
            os.kill(os.getpid(), signal.SIGTERM)
            went_on = True
    assert went_on
    assert str(error.value) == "Stopped by SIGTERM; the same command goes on."


def test_a_request_does_not_hide_an_error():
    with pytest.raises(KeyError, match="real"):
        with stopping.requests():
            os.kill(os.getpid(), signal.SIGTERM)
            raise KeyError("real")


def test_every_use_has_a_request_of_its_own():
    with pytest.raises(Stopped), stopping.requests() as first:
        os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(Stopped), stopping.requests() as second:
        assert (first.signal_name, second.signal_name) == ("SIGTERM", None)
        # It is the first of this one.
        os.kill(os.getpid(), signal.SIGINT)
        assert second.signal_name == "SIGINT"


def test_other_signals_are_no_requests():
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
    try:
        with stopping.requests() as request:
            for _ in range(5):
                os.kill(os.getpid(), signal.SIGUSR1)
            assert request.signal_name is None
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == [1] * 5


@pytest.mark.parametrize("error", [Stopped, KeyError])
def test_handlers_come_back_after_an_error(error, handlers):
    for context in (stopping.requests, stopping.raising):
        with pytest.raises(error):
            with context():
                assert [signal.getsignal(n) for n in SIGNALS] != handlers
                raise error


@pytest.mark.parametrize("number", SIGNALS)
def test_work_that_saves_nothing_is_stopped(number):
    with pytest.raises(Stopped) as error:
        with stopping.raising():
            os.kill(os.getpid(), number)
            raise AssertionError("it went on")
    assert str(error.value) == (
        f"Stopped by {number.name}; the same command goes on."
    )


def test_a_signal_that_comes_twice_at_once_is_one():
    """`timeout` sends it to the process and to its group."""
    with stopping.raising():
        with pytest.raises(Stopped), stopping.requests() as request:
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGTERM)
            assert request.signal_name == "SIGTERM"
    with pytest.raises(Stopped), stopping.raising():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)


def test_without_a_command_the_second_signal_is_an_interrupt():
    """As in a notebook, whose process has to go on."""
    with pytest.raises(Stopped, match="Stopped by SIGINT"):
        with stopping.requests():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(stopping.ONE_REQUEST_SECONDS + 0.1)
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("it went on")


def test_requests_inside_of_raising():
    """As the training command has them."""
    with pytest.raises(Stopped) as error:
        with stopping.raising():
            outer = [signal.getsignal(number) for number in SIGNALS]
            with pytest.raises(Stopped), stopping.requests():
                os.kill(os.getpid(), signal.SIGTERM)
            assert [signal.getsignal(number) for number in SIGNALS] == outer
            os.kill(os.getpid(), signal.SIGINT)
    assert str(error.value) == "Stopped by SIGINT; the same command goes on."


def test_another_thread_has_no_signals_and_is_never_asked(handlers):
    found = []

    def work():
        with stopping.requests() as request:
            found.append([signal.getsignal(number) for number in SIGNALS])
            request()
            found.append(request.signal_name)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [handlers, None]


def test_fifty_uses_leave_nothing_behind(handlers):
    # The fixture compares descriptors, threads, handlers and wake-up.
    for index in range(50):
        for context in (stopping.requests, stopping.raising):
            with contextlib.suppress(Stopped), context():
                if index % 2:
                    os.kill(os.getpid(), signal.SIGTERM)


def test_whoever_was_woken_by_signals_is_again():
    """An event loop, as a notebook has one."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer)
    try:
        with stopping.raising():
            # Ours stays in use, as the thread reads from it.
            ours = signal.set_wakeup_fd(writer)
            assert signal.set_wakeup_fd(ours) == writer != ours
        assert signal.set_wakeup_fd(before) == writer
    finally:
        signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)


# Whole processes, whose main thread is in C and never comes back to Python.

START = """
import ctypes
from trainers import stopping

def hang():
    # The second time it waits for ever, whatever signals come.
    mutex = ctypes.create_string_buffer(64)
    lock = ctypes.CDLL(None).pthread_mutex_lock
    lock(mutex)
    print("hangs", flush=True)
    lock(mutex)
"""


def exit_code(program, *steps):
    """Runs a program that prints a line, then gets a signal, and so on."""
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
                    time.sleep(stopping.ONE_REQUEST_SECONDS + 0.2)
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
        "with stopping.raising(), stopping.requests():\n"
        "    try:\n"
        "        hang()\n"
        "    finally:\n"
        "        print('nothing is cleaned up')\n"
    )
    assert exit_code(program, *steps) == code


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_the_second_signal_ends_an_end_that_takes_too_long(number):
    program = (
        "with stopping.raising():\n"
        "    try:\n"
        "        print('works', flush=True)\n"
        "        while True:\n"
        "            pass\n"
        "    finally:\n"
        "        hang()\n"
    )
    steps = [("works", signal.SIGINT), ("hangs", number)]
    assert exit_code(program, *steps) == 128 + number
