"""Clean stops: SIGTERM and SIGINT end a run between two steps.

The first signal requests a stop, and the run saves a checkpoint before it
ends. In a command the second signal ends the process at once; in a notebook it
raises the usual interrupt.
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


class TwoSignals:
    """Calls one function for the first signal and another for a second one.

    Attributes:
        name: "SIGTERM" or "SIGINT" of the first signal; `None` before it.
    """

    def __init__(self, first_fn, second_fn):
        """Takes the functions, each called with the number of the signal."""
        self.name = None
        self._first_fn = first_fn
        self._second_fn = second_fn
        self._one_until = 0.0

    def __call__(self, number, frame=None):
        """Handles a signal; repeats of the first within 0.5 s are ignored."""
        if self.name is None:
            self.name = signal.Signals(number).name
            self._one_until = time.monotonic() + ONE_REQUEST_SECONDS
            self._first_fn(number)
        elif time.monotonic() > self._one_until:
            self._second_fn(number)

    @contextlib.contextmanager
    def handled(self):
        """Handles both signals while it is open; for the main thread."""
        before = _handle(self)
        try:
            yield self
        finally:
            _restore(before)


def end_at_once(number):
    """Ends the process with the exit code of a signal, 128 + its number."""
    os._exit(128 + number)


class StopRequest:
    """Whether a signal requested the run to end.

    Attributes:
        signal_name: "SIGTERM", "SIGINT", or `None`.
    """

    def __init__(self, any_fn=lambda value: value):
        """Takes a function that returns whether a value is true anywhere."""
        self.signal_name = None
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
def requests(any_fn=lambda value: value):
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

    def ask(number):
        request.signal_name = signal.Signals(number).name

    def interrupt(number):
        raise _stopped(request.signal_name)

    with TwoSignals(ask, interrupt).handled():
        yield request
        request()


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

    two_signals = TwoSignals(lambda number: None, end_at_once)

    def watch():
        while number := os.read(reader, 1):
            if number[0] in SIGNALS:
                two_signals(number[0])

    thread = threading.Thread(target=watch, daemon=True, name="signals")
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)
        thread.join()
        os.close(reader)
