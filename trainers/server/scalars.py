"""Single values in JSON: their types, their bytes, and how errors show them."""

import base64
import binascii
import json

from trainers.server import statuses

# Key of the object that stands for bytes.
B64 = "b64"
# Characters of a value that an error repeats.
_QUOTED = 200
_JSON_TYPES = {
    dict: "Object",
    list: "Array",
    str: "String",
    int: "Number",
    float: "Number",
    type(None): "Null",
}


def json_type(value):
    """Returns what TensorFlow Serving calls the type of a JSON value."""
    return _JSON_TYPES.get(type(value)) or str(value)


def quote(value):
    """Returns the beginning of a JSON value, for an error."""
    text = ""
    # Part by part: to write all of it would take long.
    for part in json.JSONEncoder().iterencode(value):
        text += part
        if len(text) > _QUOTED:
            break
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}..."


def is_base64(value):
    """Returns whether a JSON value stands for bytes."""
    return (
        type(value) is dict and len(value) == 1 and type(value.get(B64)) is str
    )


def decode_base64(value):
    """Returns the bytes that a JSON value stands for."""
    if not is_base64(value):
        raise statuses.invalid(
            f"JSON Value: {quote(value)} not formatted correctly for base64 "
            "data"
        )
    text = value[B64]
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        pass
    try:
        # White space is skipped, and `=` at the end may be missing.
        text = "".join(text.split())
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise statuses.invalid("Unable to base64 decode") from None


def encode_text(text):
    """Returns the bytes of a JSON string."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise statuses.invalid(
            "JSON Parse error: The surrogate pair in string is invalid."
        ) from None
