"""Turns values of NumPy and TensorFlow into what JSON can represent."""

import json

from trainers.runtime import text_encoding

_SCALARS = {str, int, float, bool, type(None)}


def json_like(value, what="value"):
    """Returns a value with Python's numbers, text, lists and dicts.

    Args:
        value: Tensor, NumPy scalar or array, bytes in UTF-8, number, bool, str,
            `None`, or dict, list or tuple of these.
        what: str. Where the value is from, for the error.

    Raises:
        TypeError: It contains something else.

    >>> import numpy as np
    >>> json_like({"mean": np.float32(0.5), "names": np.array([b"a", b"b"])})
    {'mean': 0.5, 'names': ['a', 'b']}
    """
    if hasattr(value, "numpy"):
        value = value.numpy()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if type(value) in _SCALARS:
        return value
    if isinstance(value, dict):
        return {
            json_like(key, what): json_like(x, f"{what}, {key!r}")
            for key, x in value.items()
        }
    if isinstance(value, (list, tuple)):
        # One look at many numbers.
        if {*map(type, value)} <= _SCALARS:
            return value
        return [json_like(x, what) for x in value]
    raise TypeError(
        f"{what}: must be JSON-like. Received: {type(value).__name__}."
    )


def to_text(value, indent=None):
    """Returns a value as JSON for people, with all letters that are Unicode.

    Args:
        value: JSON-like.
        indent: int. Spaces of each level; `None` means one line.

    >>> print(to_text(["caf\\u00e9.txt", "caf\\udce9.txt"]))
    ["café.txt", "caf\\udce9.txt"]
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return text_encoding.escaped(text)
