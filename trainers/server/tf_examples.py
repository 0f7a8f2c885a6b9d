"""Converts Classify and Regress requests from JSON, and answers to JSON.

A request becomes serialized `tf.Example`s. Error messages are those of
TensorFlow Serving's `json_tensor.cc`, `classifier.cc` and `regressor.cc`.
"""

import itertools

import numpy as np
from tensorflow.core.example import example_pb2
from tensorflow.core.framework import types_pb2

from trainers.server import json_pieces
from trainers.server import predict_json
from trainers.server import scalars
from trainers.server import statuses
from trainers.server import tensors

_INPUT = "inputs"
# Most bytes of all copies of a context. Without this limit, the copies for a
# small body could fill the memory.
_CONTEXT_BYTES = 64 * 2**20
# Features that are serialized in one call: other threads wait during a call.
_FEATURES = 2**10
_LARGEST_FLOAT = float(np.finfo(np.float32).max)
_KINDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}
# Names and types of outputs by method.
_OUTPUTS = {
    "classify": {
        "classes": types_pb2.DT_STRING,
        "scores": types_pb2.DT_FLOAT,
    },
    "regress": {"outputs": types_pb2.DT_FLOAT},
}


def find_signature(document, signatures, method):
    """Returns the name of the signature in a request.

    Args:
        document: dict from `request_json.parse`.
        signatures: dict of `SignatureDef`s by name.
        method: str. `classify` or `regress`.

    Returns:
        str.

    Raises:
        StatusError: There is no such signature, or it breaks the rules of the
            method.
    """
    name = predict_json.signature_name(document)
    if name not in signatures:
        raise statuses.invalid(f"No signature was found with the name: {name}")
    signature = signatures[name]
    if len(signature.inputs) != 1:
        raise statuses.invalid("Expected one input Tensor.")
    outputs, kinds = signature.outputs, _OUTPUTS[method]
    if len(outputs) > len(kinds):
        raise statuses.invalid(
            "Expected one output Tensor."
            if len(kinds) == 1
            else f"Expected one or two output Tensors, found {len(outputs)}"
        )
    # This message is our own. TensorFlow Serving prints the whole signature,
    # and finds wrong types only in the answer.
    if (
        _INPUT not in signature.inputs
        or signature.inputs[_INPUT].dtype != types_pb2.DT_STRING
        or any(kinds.get(key) != info.dtype for key, info in outputs.items())
    ):
        raise statuses.StatusError(
            "FAILED_PRECONDITION",
            f"Signature `{name}` is not for {method}: it must take serialized "
            f"examples as `{_INPUT}` and answer with {' and '.join(kinds)}.",
        )
    return name


def read(document):
    """Returns the inputs of a Classify or Regress request.

    Each feature of the `context` is added to the examples that have no feature
    with this name.

    Args:
        document: dict from `request_json.parse`.

    Returns:
        dict with `inputs: string[batch]`, serialized `tf.Example`s.

    Raises:
        StatusError: The document is not such a request.
    """
    context = b""
    if "context" in document:
        context = _example(document["context"])
    if "examples" not in document:
        raise statuses.invalid(
            f"JSON Value: {scalars.quote(document)} When method is classify, "
            "key 'examples' is expected and was not found"
        )
    examples = document["examples"]
    if type(examples) is not list:
        raise statuses.invalid(
            f"JSON Value: {scalars.quote(document)} Expecting 'examples' value "
            "to be an list/array"
        )
    if not examples:
        raise statuses.invalid(
            f"JSON Value: {scalars.quote(document)} 'examples' value is an "
            "empty array"
        )
    if len(context) * len(examples) > _CONTEXT_BYTES:
        raise statuses.StatusError(
            "INVALID_ARGUMENT",
            "The copies of the `context` for all examples must have at most "
            f"{_CONTEXT_BYTES:,} bytes together. Received: "
            f"{len(context):,} bytes for {len(examples)} examples.",
            http=413,
        )
    # When two messages are concatenated, the fields of the second win.
    rows = (context + _example(example) for example in examples)
    return {_INPUT: np.fromiter(rows, object, len(examples))}


def _example(value):
    if not isinstance(value, dict):
        raise statuses.invalid(
            "Example must be JSON object but got JSON "
            f"{scalars.json_type(value)}"
        )
    pairs = iter(json_pieces.pairs_of(value))
    parts = []
    # As in TensorFlow Serving, the last feature of a name counts.
    while part := _serialized(itertools.islice(pairs, _FEATURES)):
        parts.append(part)
    return b"".join(parts)


def _serialized(pairs):
    """Returns a serialized `tf.Example`; nothing if there are no pairs."""
    example = example_pb2.Example()
    for name, content in pairs:
        # Creates the feature, also if the list is empty.
        feature = example.features.feature[_checked(name)]
        feature.Clear()
        for element in content if type(content) is list else [content]:
            _add(name, element, feature)
    return example.SerializeToString()


def _checked(name):
    scalars.encode_text(name)
    return name


def _add(name, value, feature):
    """Adds a JSON value to a feature. The first value sets its kind."""
    if scalars.is_base64(value):
        kind, value = "bytes_list", scalars.decode_base64(value)
    elif type(value) is str:
        kind, value = "bytes_list", scalars.encode_text(value)
    elif type(value) is float:
        kind = "float_list"
        if _LARGEST_FLOAT < abs(value) < np.inf:
            raise statuses.invalid(
                f"Cannot convert JSON value: {scalars.quote(value)} to float: "
                "it is too large."
            )
    elif type(value) in (int, bool):
        kind, value = "int64_list", int(value)
        # TensorFlow Serving reads an integer beyond 64 bits as a float.
        if not -(2**63) <= value < 2**64:
            return _add(name, float(value), feature)
        if value >= 2**63:
            raise statuses.invalid(
                f"Feature: {name} has uint64 element. Only int64 is supported."
            )
    else:
        raise statuses.invalid(
            f"Feature: {name} has element with unexpected JSON type: "
            f"{scalars.json_type(value)}"
        )
    before = feature.WhichOneof("kind")
    if before not in (None, kind):
        raise statuses.invalid(
            f"Unexpected element type in feature: {name} expecting type: "
            f"{_KINDS[before]}"
        )
    getattr(feature, kind).value.append(value)
    return None


def write(outputs, method):
    """Returns the document with the answer to a request.

    Args:
        outputs: dict of arrays by output name.
        method: str. `classify` or `regress`.

    Returns:
        dict for `request_json.to_bytes`.

    Raises:
        StatusError: An output does not have the shape for the method.
    """
    ranks = {name: array.ndim for name, array in outputs.items()}
    if method == "regress":
        values = outputs["outputs"]
        if values.ndim != 1 and values.shape[1:] != (1,):
            raise statuses.invalid(
                "Expected output Tensor shape to be either [batch_size] or "
                f"[batch_size, 1] but got {list(values.shape)}"
            )
        return {"results": tensors.to_json(values.reshape(-1), "outputs")}
    if set(ranks.values()) != {2}:
        shapes = [list(array.shape) for array in outputs.values()]
        raise statuses.invalid(
            f"Expected Tensor shape: [batch_size num_classes] but got {shapes}"
        )
    shape = next(iter(outputs.values())).shape
    classes = outputs.get("classes", np.full(shape, b"", object))
    scores = outputs.get("scores", np.zeros(shape, np.float32))
    return {
        "results": [
            [list(pair) for pair in zip(*row, strict=True)]
            for row in zip(
                tensors.to_json(classes, "classes"),
                tensors.to_json(scores, "scores"),
                strict=True,
            )
        ]
    }
