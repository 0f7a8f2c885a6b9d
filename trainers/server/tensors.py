"""Converts tensors between JSON and NumPy.

In JSON, a tensor is a list of lists of numbers, strings and `{"b64": ...}`.

Error messages and the range of numbers are those of TensorFlow Serving's
`json_tensor.cc`, with these differences:

- Errors show only the beginning of a value.
- Numbers that do not fit into 8 or 16 bits are refused. There they wrap around.
- Finite numbers that do not fit into a float are refused. There they become
  infinite.
- `NaN`, `Infinity` and `-Infinity` are read, but not `Inf` and `-NaN`.

Other threads of Python wait during a call of C. No call converts more than a
part of a large list.
"""

import base64

import numpy as np

from trainers.server import nested_lists
from trainers.server import scalars
from trainers.server import statuses
from trainers.server import tensor_types

_BYTES_SUFFIX = "_bytes"


def to_array(value, name, info):
    """Converts a JSON value to an array.

    Args:
        value: JSON value. The whole tensor; the batch is the outermost list.
        name: str. Name of the input.
        info: `TensorInfo` of the input.

    Returns:
        NumPy array with the type of `info`.

    Raises:
        StatusError: The value is ragged, or has another type or shape.
    """
    kind = tensor_types.of(info, value)
    shape = nested_lists.shape_of(value)
    rows, below = (value, shape[1:]) if shape else ([value], [])
    array = _convert_rows(rows, below, kind)
    if array is None:
        _explain(value, shape, kind)
    _check_shape(shape, name, info)
    if array is None:  # A number that does not fit.
        tensor_types.convert(nested_lists.flatten(value)[1], kind)
    return array.reshape(shape)


def rows_to_array(rows, name, info, prefix):
    """Converts a list of rows to an array. Errors name the wrong row.

    Args:
        rows: list of JSON values, with at least one row.
        name: str. Name of the input.
        info: `TensorInfo` of the input.
        prefix: Callable with the number of a row. It returns the beginning of
            the error message for this row.

    Returns:
        NumPy array with the type of `info`.

    Raises:
        StatusError: A row is ragged, or has another type or shape.
    """
    kind = tensor_types.of(info, rows)
    first = nested_lists.shape_of(rows[0])
    array = _convert_rows(rows, first, kind)
    if array is not None:
        shape = [len(rows), *first]
        _check_shape(shape, name, info)
        return array.reshape(shape)
    number, end = 0, len(rows)
    # Bisects the rows: each conversion takes time, so there should be few.
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
    arrays = []
    for part in nested_lists.parts(rows):
        shape, values = nested_lists.flatten(part)
        if (
            values is None
            or shape[1:] != first
            or not nested_lists.types_of(values) <= kind.kinds
        ):
            return None
        try:
            arrays.append(tensor_types.convert(values, kind))
        except statuses.StatusError:
            return None
    return np.concatenate(arrays) if arrays else np.array([], kind.dtype)


def _refuse(row, first, kind):
    """Raises the error for a wrong row."""
    shape = nested_lists.shape_of(row)
    _explain(row, shape, kind)
    _compare_shapes(first, shape)
    tensor_types.convert(nested_lists.flatten(row)[1], kind)


def _explain(value, shape, kind, level=0):
    """Raises the error for the first element that does not fit."""
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
    """Refuses a wrong shape. Not every graph would refuse it."""
    expected = [dim.size for dim in info.tensor_shape.dim]
    fits = len(shape) == len(expected) and all(
        size in (-1, given) for size, given in zip(expected, shape, strict=True)
    )
    if not fits and not info.tensor_shape.unknown_rank:
        raise statuses.invalid(
            f"Input `{name}` must have the shape {_words(expected)}, -1 for "
            f"any size. Received: {_words(shape)}."
        )


def _shortest(array):
    """Returns float64 values with the shortest digits of the float32 values."""
    parts = [
        part.astype("U16").astype(np.float64)
        for part in nested_lists.parts(array.reshape(-1))
    ]
    return np.concatenate([*parts, []]).reshape(array.shape)


def to_json(array, name):
    """Converts an output to lists for `json.dumps`.

    A float32 becomes the shortest decimal number that rounds to it. Bytes that
    are not UTF-8 become replacement characters. TensorFlow Serving writes such
    bytes unchanged, which is not JSON.

    Args:
        array: NumPy array.
        name: str. Name of the output. Strings of an output with a name that
            ends in `_bytes` become `{"b64": ...}`.

    Returns:
        Nested list.
    """
    if array.dtype == np.float32:
        array = _shortest(array)
    if array.dtype != object:
        # Row by row: see above.
        return [row.tolist() for row in array] if array.ndim else array.tolist()
    if name.endswith(_BYTES_SUFFIX):
        flat = [{scalars.B64: base64.b64encode(v).decode()} for v in array.flat]
    else:
        flat = [value.decode("utf-8", "replace") for value in array.flat]
    values = np.empty(array.size, object)
    values[:] = flat
    return values.reshape(array.shape).tolist()
