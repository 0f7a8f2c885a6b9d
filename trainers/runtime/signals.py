"""Stops a run cleanly: SIGTERM and SIGINT end it between two steps.

The first signal requests a stop. The run then saves a checkpoint and ends. In
a command, a second signal ends the process at once. In a notebook, it raises
the usual interrupt.
"""

import contextlib
import os
import signal
import threading
import time

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# `timeout` and other tools send a signal to a process, then to its group.
ONE_REQUEST_SECONDS = 0.5


class Stopped(KeyboardInterrupt):
    """A signal stopped the run; the same command resumes it.

    It is a `KeyboardInterrupt`, so that a notebook shows it as one.
    """


class TwoSignals:
    """Calls one function for the first signal and another for the second.

    Attributes:
        name: str or `None`. "SIGTERM" or "SIGINT", the first signal received;
            `None` before it.

    >>> import signal
    >>> handler = TwoSignals(lambda number: print("stop"), print)
    >>> handler(signal.SIGTERM)
    stop
    >>> handler.name
    'SIGTERM'
    """

    def __init__(self, first_fn, second_fn):
        """Makes the handler.

        Args:
            first_fn: Called with the number of the first signal.
            second_fn: Called with the number of each later signal.
        """
        self.name = None
        self._first_fn = first_fn
        self._second_fn = second_fn
        self._one_until = 0.0

    def __call__(self, number, frame=None):
        """Handles a signal; ignores repeats within 0.5 s of the first.

        Args:
            number: int. Number of the signal.
            frame: Ignored; Python passes it to signal handlers.
        """
        now, name = time.monotonic(), signal.Signals(number).name
        # Another signal can interrupt any call, but no line without a call.
        is_first = self.name is None
        if is_first:
            self._one_until = now + ONE_REQUEST_SECONDS
            self.name = name
            self._first_fn(number)
        elif now > self._one_until:
            self._second_fn(number)

    @contextlib.contextmanager
    def handled(self):
        """Handles SIGTERM and SIGINT in a `with` block; for the main thread."""
        before = _handle(self)
        try:
            yield self
        finally:
            _restore(before)


def end_at_once(number):
    """Ends the process with exit code 128 + number of the signal.

    Args:
        number: int. Number of the signal.
    """
    os._exit(128 + number)


class StopRequest:
    """Tells whether a signal requested the run to stop.

    Attributes:
        signal_name: "SIGTERM", "SIGINT", or `None` for no signal.

    >>> request = StopRequest()
    >>> request.is_made()
    False
    >>> request.signal_name = "SIGINT"
    >>> request.is_made(), request.source
    (True, 'SIGINT')
    """

    def __init__(self, any_fn=lambda value: value):
        """Makes the request.

        Args:
            any_fn: Function from a bool on this worker to whether it is true on
                any worker. The default is for one worker.
        """
        self.signal_name = None
        self._any_fn = any_fn

    def is_made(self):
        """Returns whether any worker got a signal; all workers must call it."""
        return self._any_fn(self.signal_name is not None)

    @property
    def source(self):
        """Returns in words what stops the run."""
        return self.signal_name or "a signal to another worker"

    def __call__(self):
        """Raises `Stopped` if a stop was requested, without saving anything."""
        if self.is_made():
            raise _stopped(self.source)


def _stopped(signal_name):
    return Stopped(
        f"Stopped by {signal_name}; the same command resumes the run."
    )


@contextlib.contextmanager
def requests(any_fn=lambda value: value):
    """Yields a `StopRequest`; SIGTERM and SIGINT set it in the `with` block.

    If the request was set but the block did not raise `Stopped`, the end of the
    block does. Python handles signals only in the main thread. In other threads
    the request stays unset.

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
    """Yields a `StopRequest`; a signal only sets it and raises nothing.

    Use it while TensorFlow waits for other workers: TensorFlow turns an
    exception of a signal handler into another exception. If the waiting fails
    after a signal, `Stopped` is raised, because the other workers have stopped
    as well.
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
    """Raises `Stopped` in the `with` block at the first signal.

    Use it around a whole command. Outside of training nothing needs to be
    saved, because files are complete or absent. A second signal ends the
    process at once.
    """

    def stop(number, frame):
        # The thread handles the second one.
        _handle(lambda number, frame: None)
        raise _stopped(signal.Signals(number).name)

    before = _handle(stop)
    try:
        with _second_ends_at_once():
            yield
    finally:
        _restore(before)


def _handle(handler):
    """Sets the handler; returns the previous handlers by signal."""
    return {
        number: signal.signal(number, handler)
        for number in SIGNALS
        # Shells let background jobs ignore Ctrl-C. They must not receive it.
        if signal.getsignal(number) is not signal.SIG_IGN
    }


def _restore(handlers):
    for number, handler in handlers.items():
        signal.signal(number, handler)


@contextlib.contextmanager
def _second_ends_at_once():
    """Ends the process at the second signal, with 128 + its number.

    Python's own handlers wait until TensorFlow finishes the running step or
    compilation. The operating system writes the number of a signal into a pipe
    at once, and a thread reads it there.
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
