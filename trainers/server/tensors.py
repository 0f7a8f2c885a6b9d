"""Tensors in JSON: lists of lists, numbers, strings and `{"b64": ...}`.

Words of errors, and which number fits which type, are those of TensorFlow
Serving's `json_tensor.cc`, with these differences: values in errors are cut,
numbers beyond 8 or 16 bits are refused (there they wrap around), and of the
tokens for what is not finite `NaN`, `Infinity` and `-Infinity` are read, not
`Inf`.
"""

import base64
import dataclasses
import itertools

import numpy as np
from tensorflow.core.framework import types_pb2

from trainers.server import scalars
from trainers.server import statuses

_BYTES_SUFFIX = "_bytes"


@dataclasses.dataclass(frozen=True)
class _Type:
    """How values of a type look in JSON, and the largest that fits."""

    name: str
    dtype: type
    kinds: frozenset
    most: int = 0


def _types():
    number = frozenset((int, float))
    yield types_pb2.DT_FLOAT, _Type("float", np.float32, number, 2**24 - 1)
    yield types_pb2.DT_DOUBLE, _Type("double", np.float64, number, 2**53 - 1)
    yield types_pb2.DT_BOOL, _Type("bool", np.bool_, frozenset((bool,)))
    yield types_pb2.DT_STRING, _Type("string", object, frozenset((str, dict)))
    for bits in (8, 16, 32, 64):
        for name in (f"int{bits}", f"uint{bits}"):
            kind = types_pb2.DataType.Value(f"DT_{name.upper()}")
            yield kind, _Type(name, getattr(np, name), frozenset((int,)))


_TYPES = dict(_types())


def to_array(value, name, info):
    """Returns the array that a JSON value stands for.

    Args:
        value: The whole tensor, with the batch as outermost list.
        name: Of the input.
        info: Its `TensorInfo`.

    Raises:
        StatusError: It is not of this type, ragged, or of another shape.
    """
    kind = _type_of(info, value)
    shape, values = _flatten(value)
    if values is None or not set(map(type, values)) <= kind.kinds:
        _explain(value, _shape(value), kind)
    _check_shape(shape, name, info)
    return _convert(values, kind).reshape(shape)


def rows_to_array(rows, name, info, prefix):
    """Returns the array of a list of rows, as `to_array` does.

    Args:
        rows: List with at least one.
        prefix: Called with the number of a row; returns the words before what
            is wrong with it.
    """
    kind = _type_of(info, rows)
    first = _shape(rows[0])
    array = _convert_rows(rows, first, kind)
    if array is not None:
        shape = [len(rows), *first]
        _check_shape(shape, name, info)
        return array.reshape(shape)
    number, end = 0, len(rows)
    # Halves, not rows: it is each single look that takes time.
    while end - number > 1:
        middle = (number + end) // 2
        if _convert_rows(rows[number:middle], first, kind) is None:
            end = middle
        else:
            number = middle
    try:
        return _refuse(rows[number], first, kind)
    except statuses.StatusError as error:
        raise statuses.invalid(
            prefix(number), f" Error: {error.code}: {error}"
        ) from None


def _convert_rows(rows, first, kind):
    """Returns a flat array; `None` if a row has another shape or type."""
    shape, values = _flatten(rows)
    if (
        values is None
        or shape[1:] != first
        or not set(map(type, values)) <= kind.kinds
    ):
        return None
    try:
        return _convert(values, kind)
    except statuses.StatusError:
        return None


def _refuse(row, first, kind):
    """Raises the error for a row that is not right."""
    shape = _shape(row)
    _explain(row, shape, kind)
    _compare_shapes(first, shape)
    _convert(_flatten(row)[1], kind)


def _type_of(info, value):
    if info.dtype not in _TYPES:
        # As in the source; no request can be right here.
        name = types_pb2.DataType.Name(info.dtype).removeprefix("DT_").lower()
        raise statuses.StatusError(
            "UNIMPLEMENTED",
            f"Conversion of JSON Value: {scalars.quote(value)} to type: {name}",
        )
    return _TYPES[info.dtype]


def _flatten(value):
    """Returns shape and values; `None` for values of a ragged list."""
    shape, level = [], [value]
    while set(map(type, level)) == {list}:
        sizes = set(map(len, level))
        if len(sizes) > 1:
            return shape, None
        shape += sizes
        level = list(itertools.chain.from_iterable(level))
    return shape, level


def _shape(value):
    """Returns the shape of a tensor whose first elements are these."""
    shape = []
    while type(value) is list:
        shape.append(len(value))
        value = value[0] if value else None
    return shape


def _explain(value, shape, kind, level=0):
    """Raises the error for the first element that does not fit, if any."""
    if type(value) is not list:
        if level != len(shape):
            raise statuses.invalid(
                f"JSON Value: {scalars.quote(value)} found at incorrect "
                f"level: {level + 1} in the JSON DOM. Expected at level: "
                f"{len(shape)}"
            )
        if type(value) not in kind.kinds:
            raise statuses.invalid(
                f"JSON Value: {scalars.quote(value)} Type: "
                f"{scalars.json_type(value)} is not of expected type: "
                f"{kind.name}"
            )
        return
    if level >= len(shape):
        raise statuses.invalid(
            f"Encountered list at unexpected level: {level} expected < "
            f"{len(shape)}"
        )
    if len(value) != shape[level]:
        raise statuses.invalid(
            f"Encountered list at unexpected size: {len(value)} at level: "
            f"{level} expected size: {shape[level]}"
        )
    for element in value:
        _explain(element, shape, kind, level + 1)


def _compare_shapes(first, shape):
    sizes = [int(np.prod(each, dtype=object)) for each in (first, shape)]
    if sizes[0] != sizes[1]:
        raise statuses.invalid(
            f"Expecting tensor size: {sizes[0]} but got: {sizes[1]}"
        )
    if first != shape:
        raise statuses.invalid(
            f"Expecting shape {_words(first)} but got: {_words(shape)}"
        )


def _words(shape):
    return f"[{','.join(map(str, shape))}]"


def _check_shape(shape, name, info):
    """Refuses here what some op of the graph would refuse, or not."""
    expected = [dim.size for dim in info.tensor_shape.dim]
    fits = len(shape) == len(expected) and all(
        size in (-1, given) for size, given in zip(expected, shape, strict=True)
    )
    if not fits and not info.tensor_shape.unknown_rank:
        raise statuses.invalid(
            f"Input `{name}` must have the shape {_words(expected)}, -1 for "
            f"any size. Received: {_words(shape)}."
        )


def _convert(values, kind):
    """Returns a flat array of values of the right JSON types."""
    if kind.dtype is object:
        array = np.empty(len(values), object)
        array[:] = [
            scalars.encode_text(v)
            if type(v) is str
            else scalars.decode_base64(v)
            for v in values
        ]
        return array
    if float not in kind.kinds:
        try:
            return np.array(values, kind.dtype)
        except OverflowError:
            limits = np.iinfo(kind.dtype)
            wrong = next(v for v in values if not limits.min <= v <= limits.max)
            raise statuses.invalid(
                f"JSON Value: {scalars.quote(wrong)} Type: Number is not of "
                f"expected type: {kind.name}"
            ) from None
    for value in values:
        if type(value) is int and not -kind.most <= value <= kind.most:
            raise _lossy(value, kind)
    exact = np.array(values, np.float64)
    with np.errstate(over="ignore"):
        array = exact.astype(kind.dtype)
    beyond = np.isinf(array) & np.isfinite(exact)
    if beyond.any():
        raise _lossy(values[int(beyond.argmax())], kind)
    return array


def _lossy(value, kind):
    return statuses.invalid(
        f"Cannot convert JSON value: {scalars.quote(value)} to {kind.name} "
        "without loss of precision."
    )


def to_json(array, name):
    """Returns an output as lists, for `json.dumps`.

    A float32 becomes the number with the fewest digits that is equal to it.
    Strings are UTF-8; others, which TensorFlow Serving writes as they are and
    so as no JSON, get replacement characters.
    """
    if array.dtype == np.float32:
        return array.astype("U16").astype(np.float64).tolist()
    if array.dtype != object:
        return array.tolist()
    if name.endswith(_BYTES_SUFFIX):
        flat = [{scalars.B64: base64.b64encode(v).decode()} for v in array.flat]
    else:
        flat = [value.decode("utf-8", "replace") for value in array.flat]
    values = np.empty(array.size, object)
    values[:] = flat
    return values.reshape(array.shape).tolist()
