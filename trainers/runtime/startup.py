"""Sets up logs, imports TensorFlow quietly, and explains its errors."""

import contextlib
import errno
import logging
import os
import re
import sys
import tempfile

from trainers.runtime import xla_cache

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
    """Writes messages of both packages to stderr, one line each.

    They do not reach the root logger, where another library's handler would
    print them again.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter())
    for package in ("tfmodels", "trainers"):
        logger = logging.getLogger(package)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False


class _Formatter(logging.Formatter):
    """Puts "warning: " before warnings and nothing before other messages."""

    def format(self, record):
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            return f"warning: {message}"
        return message


def discard_stdout():
    """Keeps Python from reporting at its exit that stdout is closed.

    For a `BrokenPipeError`, such as after `| head`.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def tensorflow_reason(error):
    """Returns the reason of a file or memory error of TensorFlow in one line.

    Args:
        error: Exception.

    Returns:
        str, or `None` for every other error.
    """
    tf = sys.modules.get("tensorflow")
    if tf is None or not isinstance(error, tf.errors.OpError):
        return None
    text = str(error)
    # TensorFlow has many exception classes for file errors.
    if found := re.search("|".join(map(os.strerror, _FILE_ERRORS)), text):
        place = re.search(r"[^\s{};]*:?\s?$", text[: found.start()])[0]
        what = f"{place}{found[0]}".strip()
        return f"a file could not be written or read: {what}"
    if found := re.search(
        r"(\S*)/xla_compile_cache__|Serialized cache key", text
    ):
        return (
            "a file of XLA's cache is damaged. Delete the directory "
            f"{found[1] or xla_cache.cache_home() / 'xla'}; runs fill it again"
        )
    if not isinstance(error, tf.errors.ResourceExhaustedError):
        return None
    lines = [line for line in error.message.splitlines() if line.strip()]
    return f"disk or memory is full: {lines[-1].strip()[:300]}"


@contextlib.contextmanager
def _held_back_stderr():
    """Holds back what is written to stderr; shows it after an error."""
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
    """Imports TensorFlow, with a cache for XLA, quietly.

    It hides eight lines about drivers and oneDNN.

    TensorFlow writes them before it reads its log level, so
    TF_CPP_MIN_LOG_LEVEL alone does not hide them. If the user sets that
    variable, for example to find out why a GPU is missing, all lines are shown.
    """
    is_log_level_set = "TF_CPP_MIN_LOG_LEVEL" in os.environ
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    xla_cache.use()
    with contextlib.nullcontext() if is_log_level_set else _held_back_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices()
