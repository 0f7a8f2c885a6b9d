"""Parses the JSON of requests and writes the JSON of answers."""

import json
import math
import re

from trainers.server import json_pieces
from trainers.server import scalars
from trainers.server import statuses

# Finds a number that might be too large for a double. Only then each number is
# checked, which takes time.
_HUGE = re.compile(rb"[0-9.][eE]\+?[0-9]{2}|[0-9]{300}")
_HUGE_BYTES = 300
# Bytes that are searched in one call: other threads wait during a call.
_SEARCHED = 2**18
_LARGEST_INT = 2**1024 - 2**970 - 1
# Elements of a list that are written in one call.
_WRITTEN = 2**12
_dumps = json.JSONEncoder(separators=(",", ":")).encode


def parse(body):
    """Returns the JSON object in the body of a request.

    Like TensorFlow Serving, it ignores what follows the object.

    Args:
        body: bytes.

    Returns:
        dict.

    Raises:
        StatusError: The body is not JSON, or not an object.
    """
    if not body:
        raise statuses.invalid("JSON Parse error: The document is empty")
    is_huge = any(
        _HUGE.search(body, begin, begin + _SEARCHED + _HUGE_BYTES)
        for begin in range(0, len(body), _SEARCHED)
    )
    try:
        document = json_pieces.parse(
            body.decode("utf-8-sig"),
            parse_float=_finite if is_huge else None,
            parse_int=_finite_int if is_huge else None,
        )
    except json.JSONDecodeError as error:
        raise statuses.invalid(
            f"JSON Parse error: {error.msg} at offset: {error.pos}"
        ) from None
    except UnicodeDecodeError as error:
        raise statuses.invalid(
            "JSON Parse error: Invalid encoding in string. at offset: "
            f"{error.start}"
        ) from None
    except RecursionError:
        raise statuses.invalid("JSON Parse error: Too many levels") from None
    except ValueError:  # Infinity, or an integer of more than 4,300 digits.
        raise statuses.invalid(
            "JSON Parse error: Number too big to be stored in double."
        ) from None
    if not isinstance(document, dict):
        words = f"JSON Value: {scalars.quote(document)} Is not object"
        json_pieces.dismantle(document)
        raise statuses.invalid(words)
    return document


def _finite(text):
    value = float(text)
    if math.isinf(value):
        raise ValueError
    return value


def _finite_int(text):
    value = int(text)
    if abs(value) > _LARGEST_INT:
        raise ValueError
    return value


def to_bytes(document):
    """Returns a document as JSON.

    Like TensorFlow Serving, it writes `NaN`, `Infinity` and `-Infinity`, which
    are not in the JSON standard.

    Args:
        document: dict.

    Returns:
        bytes.
    """
    parts = []
    _write(document, parts)
    return "".join(parts).encode("ascii")


def _write(value, parts):
    if type(value) is dict:
        for number, (key, each) in enumerate(value.items()):
            parts.append(f"{',' if number else '{'}{_dumps(key)}:")
            _write(each, parts)
        parts.append("}" if value else "{}")
    elif type(value) is list and value and type(value[0]) in (list, dict):
        for number, each in enumerate(value):
            parts.append("," if number else "[")
            _write(each, parts)
        parts.append("]")
    elif type(value) is list and len(value) > _WRITTEN:
        texts = (
            _dumps(value[begin : begin + _WRITTEN])[1:-1]
            for begin in range(0, len(value), _WRITTEN)
        )
        parts.append(f"[{','.join(texts)}]")
    else:
        parts.append(_dumps(value))
