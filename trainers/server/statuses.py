"""What went wrong with a request, in TensorFlow's codes and HTTP's."""

import asyncio
import logging
import re

import tensorflow as tf

from trainers.errors import RefusedError

_LOGGER = logging.getLogger(__name__)
# TensorFlow's codes in the order of their numbers, and TensorFlow Serving's
# HTTP status for each: `ToHTTPStatusCode` in its `http_server.cc`.
_HTTP = {
    "OK": 200,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
_CODES = list(_HTTP)
# Lines that Python's TensorFlow wraps around the words of an op.
_WRAPPING = re.compile(
    r"Graph execution error:|Detected at node .*|\s*<stack traces unavailable>"
    r"|\s*\[\[.*|.* file \".*|\d+ root error\(s\) found\.|"
    r"\d+ successful operations\.|\d+ derived errors ignored\."
)


class StatusError(Exception):
    """The answer to a request is this error."""

    def __init__(self, code, message, http=None, headers=()):
        """Takes a code's name, the words, and what else HTTP is told.

        Args:
            code: "INVALID_ARGUMENT" and so on.
            message: For the client.
            http: Status; `None` takes the one of the code.
            headers: Pairs of name and value.
        """
        super().__init__(message)
        self.code = code
        self.http = http or _HTTP[code]
        self.headers = dict(headers)


def invalid(*words):
    """Returns the error for a request that breaks a rule."""
    return StatusError("INVALID_ARGUMENT", "".join(map(str, words)))


def of(error):
    """Returns the `StatusError` for whatever went wrong with a request."""
    if isinstance(error, StatusError):
        return error
    if isinstance(error, asyncio.CancelledError):
        return StatusError("UNAVAILABLE", "The server stops.")
    if isinstance(error, RecursionError):
        return invalid("JSON Parse error: Too many levels")
    if isinstance(error, RefusedError):
        if not isinstance(error.__cause__, tf.errors.OpError):
            return invalid(error)
        error = error.__cause__
    if isinstance(error, tf.errors.OpError):
        code = error.error_code
        name = _CODES[code] if 0 < code < len(_CODES) else "UNKNOWN"
        return StatusError(name, _op_words(error.message))
    _LOGGER.error("a request failed", exc_info=error)
    return StatusError("INTERNAL", "Internal error.")


def _op_words(message):
    """Leaves out Python's stack and the name of the function."""
    message = re.sub(r"\s*\[Op:[^\]]*\]\s*$", "", message)
    lines = [
        re.sub(r"^\s*\(\d+\)\s*\w+:\s+", "", line).strip()
        for line in message.splitlines()
        if line.strip() and not _WRAPPING.fullmatch(line)
    ]
    # Several root errors say the same, once each.
    return " ".join(dict.fromkeys(lines)) or message
