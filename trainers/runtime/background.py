"""Runs work in threads beside the main thread, up to the end of the process.

At the normal end of Python, a thread in the middle of a call of a library can
crash the process, after all results are written. So the work is waited for, or
the process ends without the normal end.
"""

import atexit
import contextlib
import logging
import os
import sys
import threading
import time

from trainers.runtime.signals import Stopped

# XLA needs a minute for a large step.
_MOST_SECONDS = 180
_running = set()
_lock = threading.Lock()


def start(function):
    """Calls a function in a thread.

    Args:
        function: Function without arguments. It handles its own errors.
    """

    def run():
        try:
            function()
        finally:
            with _lock:
                _running.discard(thread)

    thread = threading.Thread(target=run, daemon=True)
    with _lock:
        if not _running:
            # For programs that have no `leaving`.
            atexit.unregister(_wait)
            atexit.register(_wait)
        _running.add(thread)
    thread.start()


def is_running():
    """Returns whether there is work that has not ended."""
    with _lock:
        return bool(_running)


def _wait():
    """Waits for the work, at most three minutes."""
    end = time.monotonic() + _MOST_SECONDS
    with _lock:
        threads = list(_running)
    for thread in threads:
        thread.join(max(end - time.monotonic(), 0))


@contextlib.contextmanager
def leaving():
    """Ends the process at the end of a `with` block if work is still running.

    After success, it first waits for the work: later runs use what XLA has
    compiled. After a failure, a signal or Ctrl-C, the process ends at once.
    Then functions of `atexit` are not called, and other threads end as well.
    """
    code = 0
    try:
        yield
        if is_running():
            logging.getLogger(__name__).info(
                "waiting for XLA, for at most %d s: later runs load what it "
                "compiles now. All results are written; Ctrl-C ends at once.",
                _MOST_SECONDS,
            )
            with contextlib.suppress(KeyboardInterrupt, Stopped):
                _wait()
    except BaseException as error:
        if not is_running():
            raise
        code = 1
        if isinstance(error, SystemExit) and isinstance(error.code, int | None):
            code = error.code or 0
        else:
            sys.excepthook(type(error), error, error.__traceback__)
    if is_running():
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
