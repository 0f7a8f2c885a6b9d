"""Runs work in threads that do not delay the end of a process."""

import contextlib
import logging
import os
import sys
import threading

_running = set()


def start(function):
    """Calls a function in a daemon thread.

    Args:
        function: Function without arguments. It handles its own errors.
    """

    def run():
        try:
            function()
        finally:
            _running.discard(thread)

    thread = threading.Thread(target=run, daemon=True)
    _running.add(thread)
    thread.start()


@contextlib.contextmanager
def leaving():
    """Ends the process at the end of a `with` block if work is still running.

    At the normal end of Python, a thread that is in the middle of a call of a
    library can crash the process, after all results are written.
    """
    code = 0
    try:
        yield
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        code = end.code or 0
        if not _running:
            raise
    if _running:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
