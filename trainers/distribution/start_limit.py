"""Ends a process whose start hangs inside of TensorFlow, with a sentence."""

import contextlib
import faulthandler
import subprocess

# Reads until the other end is closed. If something came, it was the dump. A
# signal for all processes of a run must not end it.
_SPEAKER = """
trap "" INT TERM
[ -z "$(cat)" ] || printf "error: %s\\n" "$0" >&2
"""


@contextlib.contextmanager
def sentence_after(seconds, sentence):
    """Ends the process with code 1 if the `with` block takes too long.

    TensorFlow keeps Python from running any thread or signal handler while it
    waits. The timer of `faulthandler` runs all the same, but it can only write
    the stacks of threads and end the process. It writes them to a small shell,
    which writes the sentence in their place.

    Args:
        seconds: float.
        sentence: str. Written to stderr, after "error: ".
    """
    with subprocess.Popen(
        ["/bin/sh", "-c", _SPEAKER, sentence],
        stdin=subprocess.PIPE,
        # The launcher kills the group of a worker that has ended.
        start_new_session=True,
    ) as speaker:
        faulthandler.dump_traceback_later(
            seconds, exit=True, file=speaker.stdin
        )
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
