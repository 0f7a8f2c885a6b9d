"""Converts Predict requests from JSON to arrays, and answers to JSON.

The row format has a list of `instances`, and its answer has `predictions`. The
column format has `inputs`, and its answer has `outputs`. Error messages are
those of TensorFlow Serving's `json_tensor.cc`. One rule differs: an unknown
input in the column format is refused here and ignored there.

References:
    https://www.tensorflow.org/tfx/serving/api_rest
"""

import itertools

from trainers.server import json_pieces
from trainers.server import nested_lists
from trainers.server import scalars
from trainers.server import statuses
from trainers.server import tensors

_DEFAULT_SIGNATURE = "serving_default"
# Most unknown inputs that an error names.
_NAMED = 10


def signature_name(document):
    """Returns the name of the signature in a request.

    Args:
        document: dict from `request_json.parse`.

    Returns:
        str. `serving_default` if the request names no signature.

    Raises:
        StatusError: The name is not a string.
    """
    name = document.get("signature_name", "")
    if type(name) is not str:
        raise _format_error(
            document,
            "not formatted correctly. 'signature_name' key must be a string "
            "value.",
        )
    return name or _DEFAULT_SIGNATURE


def num_rows(document, method):
    """Estimates the number of rows of a request without converting them.

    Args:
        document: dict from `request_json.parse`.
        method: str. `predict`, `classify` or `regress`.

    Returns:
        int. Length of the longest list of rows; 0 if there is no list.
    """
    if method != "predict":
        lists = [document.get("examples")]
    else:
        columns = document.get("inputs")
        columns = columns.values() if _is_object(columns) else [columns]
        lists = [document.get("instances"), *columns]
    return max((len(each) for each in lists if type(each) is list), default=0)


def find_signature(document, signatures):
    """Returns the signature that a Predict request names.

    Args:
        document: dict from `request_json.parse`.
        signatures: dict of `SignatureDef`s by name.

    Returns:
        Tuple of its name and its `SignatureDef`.

    Raises:
        StatusError: There is no such signature.
    """
    name = signature_name(document)
    if name not in signatures:
        raise statuses.invalid(
            f'Serving signature name: "{name}" not found in signature def'
        )
    return name, signatures[name]


def read_predict(document, signature):
    """Returns the inputs of a Predict request.

    Args:
        document: dict from `request_json.parse`.
        signature: `SignatureDef`.

    Returns:
        Tuple of a dict of arrays by input name, and whether the request has
        the row format.

    Raises:
        StatusError: The request does not contain exactly the inputs of the
            signature, or a value has another type or shape.
    """
    if "instances" in document:
        if "inputs" in document:
            raise _format_error(
                document,
                "Not formatted correctly expecting only one of 'inputs' or "
                "'instances' keys to exist ",
            )
        rows = document["instances"]
        if type(rows) is not list:
            raise _format_error(
                document, "Expecting 'instances' to be an list/array"
            )
        if not rows:
            raise _format_error(document, "No values in 'instances' array")
        return _read_rows(rows, signature.inputs), True
    if "inputs" not in document:
        raise statuses.invalid("Missing 'inputs' or 'instances' key")
    inputs = _read_columns(document["inputs"], signature.inputs)
    if len({len(array) for array in inputs.values()}) > 1:
        # TensorFlow Serving raises this error when it merges requests.
        raise statuses.invalid(
            "Batching session Run() input tensors must have equal 0th-"
            "dimension size"
        )
    return inputs, False


def _format_error(value, *words):
    return statuses.invalid(f"JSON Value: {scalars.quote(value)} ", *words)


def _is_object(value):
    return isinstance(value, dict) and not scalars.is_base64(value)


def _read_rows(rows, infos):
    names = sorted(infos)
    if not _is_object(rows[0]):
        if len(names) > 1:
            raise statuses.invalid(
                "instances is a plain list, but expecting list of objects as "
                "multiple input tensors required as per tensorinfo_map"
            )
        if nested_lists.types_of(rows) & {dict, json_pieces.Repeated}:
            for number, row in enumerate(rows):
                if _is_object(row):
                    raise statuses.invalid(
                        "Expecting value/list but got object at item "
                        f"{number} of input list"
                    )
        return {
            name: tensors.rows_to_array(
                rows,
                name,
                infos[name],
                "Failed to process element: {} of 'instances' list.".format,
            )
            for name in names
        }
    for number, row in enumerate(rows):
        _check_row(number, row, names)
    return {
        name: tensors.rows_to_array(
            [row[name] for row in rows],
            name,
            infos[name],
            f"Failed to process element: {{}} key: {name} of 'instances' "
            "list.".format,
        )
        for name in names
    }


def _check_row(number, row, names):
    """Refuses a row that does not contain exactly these inputs."""
    if not _is_object(row):
        raise statuses.invalid(
            f"Expecting object but got list at item {number} of input list"
        )
    for name in row:
        if name not in names:
            raise statuses.invalid(
                f"Failed to process element: {number} key: {name} of "
                "'instances' list. Error: INVALID_ARGUMENT: JSON object: does "
                f"not have named input: {name}"
            )
    if len(row) != len(names):
        raise statuses.invalid(
            f"Failed to process element: {number} of 'instances' list. JSON "
            f"object: {scalars.quote(row)} keys must be equal to: "
            f"{','.join(names)}"
        )


def _read_columns(value, infos):
    names = sorted(infos)
    if not _is_object(value):
        if len(names) > 1:
            raise statuses.invalid(
                "inputs is a plain value/list, but expecting an object as "
                "multiple input tensors required as per tensorinfo_map"
            )
        value = dict.fromkeys(names, value)
    for name in names:
        if name not in value:
            raise statuses.invalid(
                f"Missing named input: {name} in 'inputs' object."
            )
    if num_extra := len(value) - len(names):
        extra = (name for name in value if name not in infos)
        named = sorted(itertools.islice(extra, _NAMED))
        rest = f" and {num_extra - _NAMED:,} more" * (num_extra > _NAMED)
        raise statuses.invalid(
            f"'inputs' object must only have keys: {','.join(names)}. Sent "
            f"extra: {','.join(named)}{rest}."
        )
    return {
        name: tensors.to_array(value[name], name, infos[name]) for name in names
    }


def write_predict(outputs, is_row):
    """Returns the document with the answer to a Predict request.

    Args:
        outputs: dict of arrays by output name, all with the number of rows of
            the request.
        is_row: bool. Whether the request has the row format.

    Returns:
        dict for `request_json.to_bytes`.
    """
    columns = {
        name: tensors.to_json(outputs[name], name) for name in sorted(outputs)
    }
    if len(columns) == 1:
        (values,) = columns.values()
    elif is_row:
        values = [
            dict(zip(columns, row, strict=True))
            for row in zip(*columns.values(), strict=True)
        ]
    else:
        values = columns
    return {"predictions" if is_row else "outputs": values}
