"""Stops on request: between two steps, or at once."""

import contextlib
import os
import signal
import threading
import time

import pytest

from trainers.runtime import signals
from trainers.runtime.signals import Stopped

SIGNALS = [signal.SIGTERM, signal.SIGINT]


@pytest.fixture(autouse=True)
def handlers():
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
    assert signals.SIGNALS == (signal.SIGTERM, signal.SIGINT)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_request_is_remembered_and_raises_nothing_by_itself(number):
    with pytest.raises(Stopped) as error:
        with signals.requests() as request:
            assert request.signal_name is None
            request()
            os.kill(os.getpid(), number)
            assert request.signal_name == number.name
            with pytest.raises(Stopped) as first:
                request()
            raise first.value
    assert str(error.value) == (
        f"Stopped by {number.name}; the same command resumes the run."
    )


def test_an_unread_request_is_not_lost():
    continued = False
    with pytest.raises(Stopped) as error:
        with signals.requests():
            os.kill(os.getpid(), signal.SIGTERM)
            continued = True
    assert continued
    assert str(error.value) == (
        "Stopped by SIGTERM; the same command resumes the run."
    )


def test_a_request_does_not_hide_an_error():
    with pytest.raises(KeyError, match="real"):
        with signals.requests():
            os.kill(os.getpid(), signal.SIGTERM)
            raise KeyError("real")


def test_every_use_has_a_request_of_its_own():
    with pytest.raises(Stopped), signals.requests() as first:
        os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(Stopped), signals.requests() as second:
        assert (first.signal_name, second.signal_name) == ("SIGTERM", None)
        # It is the first of this one.
        os.kill(os.getpid(), signal.SIGINT)
        assert second.signal_name == "SIGINT"


def test_other_signals_are_no_requests():
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
    try:
        with signals.requests() as request:
            for _ in range(5):
                os.kill(os.getpid(), signal.SIGUSR1)
            assert request.signal_name is None
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == [1] * 5


@pytest.mark.parametrize("error", [Stopped, KeyError])
def test_handlers_come_back_after_an_error(error, handlers):
    for context in (signals.requests, signals.raising):
        with pytest.raises(error):
            with context():
                assert [signal.getsignal(n) for n in SIGNALS] != handlers
                raise error


@pytest.mark.parametrize("number", SIGNALS)
def test_work_that_saves_nothing_is_stopped(number):
    with pytest.raises(Stopped) as error:
        with signals.raising():
            os.kill(os.getpid(), number)
            raise AssertionError("it continued")
    assert str(error.value) == (
        f"Stopped by {number.name}; the same command resumes the run."
    )


def test_a_signal_that_comes_twice_at_once_is_one():
    """`timeout` sends it to the process and to its group."""
    with signals.raising():
        with pytest.raises(Stopped), signals.requests() as request:
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGTERM)
            assert request.signal_name == "SIGTERM"
    with pytest.raises(Stopped), signals.raising():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)


def test_without_a_command_the_second_signal_is_an_interrupt():
    """A notebook, for example, must keep its process."""
    with pytest.raises(Stopped, match="Stopped by SIGINT"):
        with signals.requests():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(signals.ONE_REQUEST_SECONDS + 0.1)
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("it continued")


def test_requests_inside_of_raising():
    """As the training command has them."""
    with pytest.raises(Stopped) as error:
        with signals.raising():
            outer = [signal.getsignal(number) for number in SIGNALS]
            with pytest.raises(Stopped), signals.requests():
                os.kill(os.getpid(), signal.SIGTERM)
            assert [signal.getsignal(number) for number in SIGNALS] == outer
            os.kill(os.getpid(), signal.SIGINT)
    assert str(error.value) == (
        "Stopped by SIGINT; the same command resumes the run."
    )


def test_another_thread_has_no_signals_and_is_never_asked(handlers):
    found = []

    def work():
        with signals.requests() as request:
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
        for context in (signals.requests, signals.raising):
            with contextlib.suppress(Stopped), context():
                if index % 2:
                    os.kill(os.getpid(), signal.SIGTERM)


def test_the_wakeup_descriptor_is_restored():
    """An event loop, for example of a notebook, sets one."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer)
    try:
        with signals.raising():
            # Ours stays in use, as the thread reads from it.
            ours = signal.set_wakeup_fd(writer)
            assert signal.set_wakeup_fd(ours) == writer != ours
        assert signal.set_wakeup_fd(before) == writer
    finally:
        signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("place", ["monotonic", "Signals"])
def test_a_signal_while_the_first_is_handled_is_the_same_request(
    place, monkeypatch
):
    """As when both come at once: Python handles one inside the other."""
    received = []
    handler = signals.TwoSignals(
        lambda number: received.append(("first", number)),
        lambda number: received.append(("second", number)),
    )
    module = {"monotonic": signals.time, "Signals": signals.signal}[place]
    original, calls = getattr(module, place), []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 1:
            handler(signal.SIGINT)
        return original(*args)

    monkeypatch.setattr(module, place, interrupted)
    handler(signal.SIGTERM)
    assert len(calls) == 2
    assert received == [("first", signal.SIGINT)]
    assert handler.name == "SIGINT"
