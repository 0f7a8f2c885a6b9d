"""What every command does around its work: logs, TensorFlow, its errors."""

import contextlib
import errno
import logging
import os
import re
import sys
import tempfile

_FILE_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EIO,
    errno.ESTALE,
)


def log_to_stderr():
    """Shows this package's messages as lines, and no other library's twice."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter())
    logger = logging.getLogger("trainers")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


class _Formatter(logging.Formatter):
    """Puts "warning: " before warnings, and nothing before information."""

    def format(self, record):
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            return f"warning: {message}"
        return message


def tensorflow_reason(error):
    """Returns one line for a full disk or memory, `None` for other errors."""
    tf = sys.modules.get("tensorflow")
    if tf is None or not isinstance(error, tf.errors.OpError):
        return None
    text = str(error)
    # TensorFlow has many classes for what goes wrong with files.
    if found := re.search("|".join(map(os.strerror, _FILE_ERRORS)), text):
        place = re.search(r"[^\s{};]*:?\s?$", text[: found.start()])[0]
        what = f"{place}{found[0]}".strip()
        return f"a file could not be written or read: {what}"
    if not isinstance(error, tf.errors.ResourceExhaustedError):
        return None
    lines = [line for line in error.message.splitlines() if line.strip()]
    return f"disk or memory is full: {lines[-1].strip()[:300]}"


@contextlib.contextmanager
def _held_back_stderr():
    """Keeps what is written to stderr, and shows it if an error follows."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def import_tensorflow():
    """Imports TensorFlow without its eight lines about drivers and oneDNN.

    They are written before its log level is read, so that
    TF_CPP_MIN_LOG_LEVEL alone does not help; whoever sets it, to look for a
    GPU that is not found, gets them all.
    """
    asked_for = "TF_CPP_MIN_LOG_LEVEL" in os.environ
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with contextlib.nullcontext() if asked_for else _held_back_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices()
