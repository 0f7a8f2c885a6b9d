"""Types of tensors in JSON, and the conversion of a flat list of values.

See `tensors` for the differences to TensorFlow Serving.
"""

import dataclasses

import numpy as np
from tensorflow.core.framework import types_pb2

from trainers.server import json_pieces
from trainers.server import nested_lists
from trainers.server import scalars
from trainers.server import statuses


@dataclasses.dataclass(frozen=True)
class Type:
    """A type of tensors in JSON.

    >>> integers = Type("int8", np.int8, frozenset((int,)))
    >>> convert([1, -2], integers)
    array([ 1, -2], dtype=int8)

    Attributes:
        name: str. Name in errors.
        dtype: type. NumPy type.
        kinds: frozenset of Python types that the JSON values can have.
    """

    name: str
    dtype: type
    kinds: frozenset


def _types():
    number = frozenset((int, float))
    yield types_pb2.DT_FLOAT, Type("float", np.float32, number)
    yield types_pb2.DT_DOUBLE, Type("double", np.float64, number)
    yield types_pb2.DT_BOOL, Type("bool", np.bool_, frozenset((bool,)))
    text = frozenset((str, dict, json_pieces.Repeated))
    yield types_pb2.DT_STRING, Type("string", object, text)
    for bits in (8, 16, 32, 64):
        for name in (f"int{bits}", f"uint{bits}"):
            kind = types_pb2.DataType.Value(f"DT_{name.upper()}")
            yield kind, Type(name, getattr(np, name), frozenset((int,)))


_TYPES = dict(_types())


def of(info, value):
    """Returns the `Type` of an input.

    Args:
        info: `TensorInfo` of the input.
        value: JSON value, for the error message.

    Raises:
        StatusError: JSON has no such type.
    """
    if info.dtype not in _TYPES:
        # The message of TensorFlow Serving. No value has a right type here.
        name = types_pb2.DataType.Name(info.dtype).removeprefix("DT_").lower()
        raise statuses.StatusError(
            "UNIMPLEMENTED",
            f"Conversion of JSON Value: {scalars.quote(value)} to type: {name}",
        )
    return _TYPES[info.dtype]


def convert(values, kind):
    """Returns a flat array.

    Args:
        values: List of JSON values, which have types of `kind.kinds`.
        kind: `Type`.

    Raises:
        StatusError: A number does not fit.
    """
    if kind.dtype is object:
        encoded = (
            scalars.encode_text(v)
            if type(v) is str
            else scalars.decode_base64(v)
            for v in values
        )
        return np.fromiter(encoded, object, len(values))
    if not values:
        return np.array([], kind.dtype)
    numbers = _floats if float in kind.kinds else _integers
    parts = nested_lists.parts(values)
    return np.concatenate([numbers(part, kind) for part in parts])


def _integers(values, kind):
    try:
        return np.array(values, kind.dtype)
    except OverflowError:
        limits = np.iinfo(kind.dtype)
        wrong = next(v for v in values if not limits.min <= v <= limits.max)
        raise statuses.invalid(
            f"JSON Value: {scalars.quote(wrong)} Type: Number is not of "
            f"expected type: {kind.name}"
        ) from None


def _floats(values, kind):
    exact = np.array(values, np.float64)
    with np.errstate(over="ignore"):
        array = exact.astype(kind.dtype)
    beyond = np.isinf(array) & np.isfinite(exact)
    if beyond.any():
        wrong = scalars.quote(values[int(beyond.argmax())])
        raise statuses.invalid(
            f"Cannot convert JSON value: {wrong} to {kind.name}: it is too "
            "large."
        )
    return array
