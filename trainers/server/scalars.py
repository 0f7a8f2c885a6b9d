"""Reads single JSON values, and quotes them in errors."""

import base64
import json

from trainers.server import json_pieces
from trainers.server import statuses

# White space that base64 may contain, as in TensorFlow Serving.
_SPACE = b" \t\n\v\f\r"
# Characters of base64 that are decoded in one call, a multiple of 4: other
# threads wait during a call.
_DECODED = 2**20
# Key of the JSON object `{"b64": ...}`, which encodes bytes.
B64 = "b64"
# Most characters of a value in an error.
_QUOTED = 200
_JSON_TYPES = {
    dict: "Object",
    json_pieces.Repeated: "Object",
    list: "Array",
    str: "String",
    int: "Number",
    float: "Number",
    type(None): "Null",
}


def json_type(value):
    """Returns TensorFlow Serving's name for the type of a JSON value.

    Args:
        value: JSON value.

    Returns:
        str, for example `Number`. `True` and `False` are their own names.
    """
    return _JSON_TYPES.get(type(value)) or str(value)


def quote(value):
    """Returns the beginning of a JSON value for an error.

    Args:
        value: JSON value.

    Returns:
        str of at most 203 characters.
    """
    text = ""
    # In parts: writing a whole large value would take long.
    for part in json.JSONEncoder().iterencode(value):
        text += part
        if len(text) > _QUOTED:
            break
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}..."


def is_base64(value):
    """Returns whether a JSON value encodes bytes.

    Args:
        value: JSON value.
    """
    return (
        type(value) is dict and len(value) == 1 and type(value.get(B64)) is str
    )


def decode_base64(value):
    """Returns the bytes that a JSON value encodes.

    Args:
        value: JSON value, `{"b64": TEXT}`.

    Raises:
        StatusError: The value has another form, or its text is not base64.
    """
    if not is_base64(value):
        raise statuses.invalid(
            f"JSON Value: {quote(value)} not formatted correctly for base64 "
            "data"
        )
    try:
        data = value[B64].encode("ascii").translate(None, _SPACE)
        data += b"=" * (-len(data) % 4)  # They may be missing.
        if b"=" in data[:-4]:
            raise ValueError
        return b"".join(
            base64.b64decode(data[begin : begin + _DECODED], validate=True)
            for begin in range(0, len(data), _DECODED)
        )
    except ValueError:
        raise statuses.invalid("Unable to base64 decode") from None


def encode_text(text):
    """Returns a JSON string as UTF-8 bytes.

    Args:
        text: str.

    Raises:
        StatusError: The string contains half of a surrogate pair.
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise statuses.invalid(
            "JSON Parse error: The surrogate pair in string is invalid."
        ) from None
