"""Reads the addresses of the REST interface as TensorFlow Serving does.

TensorFlow Serving compares the bytes that the client sent, with the query:
`%3Apredict` is not `:predict`, and `:predict?x=1` is not a method. Only the
name of the model and the label can contain `%XX`.

References:
    `http_rest_api_util.cc`, `http_rest_api_handler.cc` and `evhttp_request.cc`
    of TensorFlow Serving.
"""

import dataclasses
import re
import urllib.parse

from trainers.server import statuses

_VERSION = r"(?:/versions/([0-9]+)|/labels/([^/:]+))?"
_RUN = re.compile(
    rf"(?i)/v1/models/([^/:]+){_VERSION}:(classify|regress|predict)"
)
_READ = re.compile(rf"(?i)/v1/models(?:/([^/:]+))?{_VERSION}(?:/(metadata))?")
_ABSOLUTE = re.compile("(?i)https?://[^/?]*")
# The characters that RFC 3986 allows.
_URI = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_LARGEST = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class Address:
    """The parts of an address of a model.

    Attributes:
        name: str. Name of the model.
        version: int. Version number; `None` if there is none.
        label: str. Label of a version; `None` if there is none.
        last: str. Method, such as "predict", or "metadata"; `None` if there is
            neither.
    """

    name: str
    version: int | None
    label: str | None
    last: str | None


def target(scope):
    """Returns the path and the query that the client sent, not decoded.

    Args:
        scope: dict. Scope of the ASGI connection.

    Raises:
        StatusError: It contains characters that are not allowed.
    """
    path = scope.get("raw_path") or scope["path"].encode()
    query = scope.get("query_string")
    text = (path + b"?" + query if query else path).decode("ascii", "replace")
    # Proxies send the whole URL.
    text = _ABSOLUTE.sub("", text, count=1) if text[:1] != "/" else text
    if not _URI.fullmatch(text):
        raise malformed(scope["method"], text)
    return text or "/"


def to_run(text):
    """Returns the address of a method; `None` if it is another address.

    Args:
        text: str from `target`.

    Raises:
        StatusError: The version does not fit into 64 bits.
    """
    found = _RUN.fullmatch(text)
    # TensorFlow Serving finds `:PREDICT` and then knows no such method.
    return _read(found) if found and found[4].islower() else None


def to_read(text):
    """Returns the address of states or metadata; `None` for others.

    Args:
        text: str from `target`.

    Raises:
        StatusError: There is no name, or the version does not fit into 64
            bits.
    """
    found = _READ.fullmatch(text)
    if not found:
        return None
    address = _read(found)
    if not address.name:
        raise statuses.invalid("Missing model name in request.")
    # `/METADATA` gives the states, as in TensorFlow Serving.
    is_metadata = address.last == "metadata"
    return address if is_metadata else dataclasses.replace(address, last=None)


def _read(found):
    name, version, label, last = found.groups()
    number = None
    if version:
        digits = version.lstrip("0") or "0"
        # `int` refuses thousands of digits.
        number = int(digits) if len(digits) < 20 else _LARGEST + 1
        if number > _LARGEST:
            raise statuses.invalid(
                f"Failed to convert version: {version} to numeric."
            )
    return Address(_decoded(name), number, _decoded(label), last)


def _decoded(text):
    return text and urllib.parse.unquote(text, errors="replace")


def malformed(method, text):
    """Returns the error for an address that does not exist.

    Args:
        method: str. Method of HTTP.
        text: str from `target`.
    """
    return statuses.invalid(f"Malformed request: {method} {text}")
