"""Ends a process whose start hangs inside of TensorFlow, with a sentence."""

import contextlib
import faulthandler
import subprocess
import sys

# The sentence has to be written before the process ends: a container ends all
# of its processes together with the first one.
_END_AFTER_SECONDS = 1.0

# Waits for a byte. `b"."` says that the block has ended in time. Other bytes
# are a dump of `faulthandler`, of a process that ended before this one noticed
# the time. No byte at all: the process was killed. A signal for all processes
# of a run must not end this one.
_SPEAKER = """
import os, select, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
is_silent = not select.select([0], [], [], float(sys.argv[1]))[0]
if is_silent or os.read(0, 1) not in (b"", b"."):
    os.write(2, f"error: {sys.argv[2]}\\n".encode())
    sys.exit(1)
"""


@contextlib.contextmanager
def sentence_after(seconds, sentence):
    """Ends the process with code 1 if the `with` block takes too long.

    TensorFlow keeps Python from running any thread or signal handler while it
    waits. So another process writes the sentence, and the timer of
    `faulthandler` ends this one a second later.

    Args:
        seconds: float.
        sentence: str. Written to stderr, after "error: ".

    Raises:
        SystemExit: The block ended between the sentence and the end.
    """
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _SPEAKER, str(seconds), sentence],
        stdin=subprocess.PIPE,
        # The launcher kills the group of a worker that has ended.
        start_new_session=True,
    ) as speaker:
        faulthandler.dump_traceback_later(
            seconds + _END_AFTER_SECONDS, exit=True, file=speaker.stdin
        )
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            with contextlib.suppress(BrokenPipeError):
                speaker.stdin.write(b".")
                speaker.stdin.close()
            if speaker.wait() == 1:
                raise SystemExit(1)
