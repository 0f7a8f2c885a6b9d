"""Converts errors of requests to status codes of TensorFlow and HTTP."""

import asyncio
import logging
import re

import tensorflow as tf

from trainers.errors import RefusedError

# Most characters of an error. Names in a request can have megabytes, which
# would be copied, searched and encoded on the event loop.
_MOST_CHARACTERS = 2000
_LOGGER = logging.getLogger(__name__)
# TensorFlow's status codes in the order of their numbers, with their HTTP
# status. Source: `ToHTTPStatusCode` in `http_server.cc` of TensorFlow Serving.
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
# Lines that TensorFlow for Python adds to the error message of an op.
_WRAPPING = re.compile(
    r"Graph execution error:|Detected at node .*|\s*<stack traces unavailable>"
    r"|\s*\[\[.*|.* file \".*|\d+ root error\(s\) found\.|"
    r"\d+ successful operations\.|\d+ derived errors ignored\."
)


class StatusError(Exception):
    """An error that is the answer to a request.

    Attributes:
        code: str. Name of a status code of TensorFlow.
        http: int. Status of HTTP.
        headers: dict. Headers of the HTTP response.
    """

    def __init__(self, code, message, http=None, headers=()):
        """Creates the error.

        Args:
            code: str. Name of a status code, such as "INVALID_ARGUMENT".
            message: str. Message for the client. A longer one than 2,000
                characters is cut and ends in `...`.
            http: int. Status of HTTP; `None` means the status of the code.
            headers: dict. Further headers of the HTTP response.
        """
        super().__init__(_beginning(message))
        self.code = code
        self.http = http or _HTTP[code]
        self.headers = dict(headers)


def _beginning(message):
    if len(message) <= _MOST_CHARACTERS:
        return message
    return f"{message[:_MOST_CHARACTERS]}..."


def invalid(*words):
    """Returns the error for a request that breaks a rule.

    Args:
        *words: Parts of the message, joined without spaces.

    Returns:
        `StatusError` with the code "INVALID_ARGUMENT".
    """
    return StatusError("INVALID_ARGUMENT", "".join(map(str, words)))


def of(error):
    """Converts an exception to the answer of the request that raised it.

    An unknown exception is logged, and the client gets no details of it.

    Args:
        error: Exception.

    Returns:
        `StatusError`.
    """
    if isinstance(error, StatusError):
        return error
    if isinstance(error, asyncio.CancelledError):
        return StatusError("UNAVAILABLE", "The server is stopping.")
    if isinstance(error, RecursionError):
        return invalid("JSON Parse error: Too many levels")
    if isinstance(error, RefusedError):
        if not isinstance(error.__cause__, tf.errors.OpError):
            return invalid(error)
        error = error.__cause__
    if isinstance(error, tf.errors.OpError):
        code = error.error_code
        name = _CODES[code] if 0 < code < len(_CODES) else "UNKNOWN"
        return StatusError(name, _op_message(error.message))
    _LOGGER.error("a request failed", exc_info=error)
    return StatusError("INTERNAL", "Internal error.")


def _op_message(message):
    """Removes Python's stack and the name of the function."""
    message = _beginning(message)
    message = re.sub(r"\s*\[Op:[^\]]*\]\s*$", "", message)
    lines = [
        re.sub(r"^\s*\(\d+\)\s*\w+:\s+", "", line).strip()
        for line in message.splitlines()
        if line.strip() and not _WRAPPING.fullmatch(line)
    ]
    # Several root errors can have the same text. Keep it once.
    return " ".join(dict.fromkeys(lines)) or message
