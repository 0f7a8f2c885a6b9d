"""Clean stops: SIGTERM and SIGINT end a run between two steps.

The first signal asks, and the run saves a checkpoint before it ends. In a
command the second ends the process at once, whatever it is doing; in a
notebook it raises the usual interrupt.
"""

import contextlib
import os
import signal
import threading
import time

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# `timeout` and others send a signal to a process and again to its group.
ONE_REQUEST_SECONDS = 0.5


class Stopped(KeyboardInterrupt):
    """The run ended on request; the same command goes on with it.

    In a notebook it looks like the interrupt that it comes from.
    """


class StopRequest:
    """Whether somebody asked the run to end.

    Attributes:
        signal_name: "SIGTERM", "SIGINT", or `None`.
        one_until: Time until which further signals are the same request.
    """

    def __init__(self, any_fn=lambda is_so: is_so):
        """Takes a function that says whether something is so on any worker."""
        self.signal_name = None
        self.one_until = 0.0
        self._any_fn = any_fn

    def is_made(self):
        """Returns whether somebody asked any worker; all have to ask this."""
        return self._any_fn(self.signal_name is not None)

    @property
    def source(self):
        """Returns what stops the run, in words."""
        return self.signal_name or "a signal to another worker"

    def __call__(self):
        """Raises `Stopped` if somebody asked; for work that saves nothing."""
        if self.is_made():
            raise _stopped(self.source)


def _stopped(signal_name):
    return Stopped(f"Stopped by {signal_name}; the same command goes on.")


@contextlib.contextmanager
def requests(any_fn=lambda is_so: is_so):
    """Yields a `StopRequest` that both signals fill in while it is open.

    One that nobody has looked at raises `Stopped` at the end. Outside the
    main thread, where Python has no signals, nobody ever asks.

    Args:
        any_fn: As for `StopRequest`.
    """
    request = StopRequest(any_fn)
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def ask(number, frame):
        if request.signal_name and time.monotonic() > request.one_until:
            raise _stopped(request.signal_name)
        request.one_until = time.monotonic() + ONE_REQUEST_SECONDS
        request.signal_name = signal.Signals(number).name

    before = _handle(ask)
    try:
        yield request
        request()
    finally:
        _restore(before)


@contextlib.contextmanager
def deferred():
    """Yields a `StopRequest`; signals do nothing but fill it in.

    For waiting for other workers inside of TensorFlow, where an exception of
    a signal handler comes out as another one. If the waiting fails after a
    signal, it is `Stopped` that is raised: others have stopped as well.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def ask(number, frame):
        request.signal_name = signal.Signals(number).name

    before = _handle(ask)
    try:
        yield request
    except Exception:
        request()
        raise
    finally:
        _restore(before)


@contextlib.contextmanager
def raising():
    """Ends what runs inside with `Stopped` at the first signal.

    For all of a command: outside of training nothing has to be saved, as files
    appear whole or not at all. The second signal ends the process at once.
    """

    def stop(number, frame):
        _handle(lambda number, frame: None)  # The second is for the thread.
        raise _stopped(signal.Signals(number).name)

    before = _handle(stop)
    try:
        with _second_ends_at_once():
            yield
    finally:
        _restore(before)


def _handle(handler):
    """Sets the handler, and returns those from before by signal."""
    return {
        number: signal.signal(number, handler)
        for number in SIGNALS
        # Shells let background jobs ignore Ctrl-C, which is for others then.
        if signal.getsignal(number) is not signal.SIG_IGN
    }


def _restore(handlers):
    for number, handler in handlers.items():
        signal.signal(number, handler)


@contextlib.contextmanager
def _second_ends_at_once():
    """Ends the process at the second signal, with 128 + its number.

    Python's own handlers wait for the step, or the compilation, that
    TensorFlow is in. The operating system tells the number of a signal
    through a pipe at once, and a thread reads it there.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def watch():
        one_until = None
        while number := os.read(reader, 1):
            if number[0] not in SIGNALS:
                continue
            if one_until is None:
                one_until = time.monotonic() + ONE_REQUEST_SECONDS
            elif time.monotonic() > one_until:
                os._exit(128 + number[0])

    thread = threading.Thread(target=watch, daemon=True, name="signals")
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)
        thread.join()
        os.close(reader)
