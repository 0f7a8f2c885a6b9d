"""Requests and answers of the REST interface, exact to the byte of meaning."""

import base64
import gc
import json
import math
import threading
import urllib.parse

import numpy as np
import pytest
import served_models
import tensorflow as tf

from trainers.server import json_pieces
from trainers.server import nested_lists
from trainers.server import predict_json
from trainers.server import request_json
from trainers.server import tensor_types
from trainers.server import tensors


def b64(data):
    return {"b64": base64.b64encode(data).decode()}


PIXELS = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
PNG = tf.io.encode_png(PIXELS).numpy()
ANSWERS = {
    "row": (
        {"instances": [[1.0, 2.0], [3, -4]]},
        {"predictions": [[2.5, 3.0], [3.5, 0.0]]},
    ),
    "row_of_objects": (
        {"instances": [{"x": [1.0, 2.0]}]},
        {"predictions": [[2.5, 3.0]]},
    ),
    "column": (
        {"inputs": [[1.0, 2.0]]},
        {"outputs": [[2.5, 3.0]]},
    ),
    "column_of_object": (
        {"inputs": {"x": [[1.0, 2.0], [0, 0]]}},
        {"outputs": [[2.5, 3.0], [2.0, 2.0]]},
    ),
    "column_without_rows": (
        {"signature_name": "text", "inputs": []},
        {"outputs": []},
    ),
    "default_signature_by_empty_name": (
        {"signature_name": "", "instances": [[0, 0]]},
        {"predictions": [[2.0, 2.0]]},
    ),
    "integers_that_a_float32_rounds": (
        {"instances": [[2**24 + 1, 1435774380], [-(2**63), 10**30]]},
        {
            "predictions": [
                [8388610.0, 717887170.0],
                [-4.611686e18, 5e29],
            ]
        },
    ),
    "first_of_repeated_keys": (
        b'{"signature_name": "serving_default", "signature_name": 1, '
        b'"instances": [[0, 0]], "instances": 2, "x": 3, "x": 4}',
        {"predictions": [[2.0, 2.0]]},
    ),
    "first_of_repeated_inputs": (
        b'{"inputs": {"x": [[0, 0]], "x": "two"}}',
        {"outputs": [[2.0, 2.0]]},
    ),
    "first_of_a_repeated_input_of_a_row": (
        b'{"instances": [{"x": [0, 0], "x": [1, 1]}, {"x": [2, 2]}]}',
        {"predictions": [[2.0, 2.0], [3.0, 3.0]]},
    ),
    "what_follows_the_object_is_ignored": (
        b'\xef\xbb\xbf \n{"instances": [[0, 0]]} }, {"instances": 1} x',
        {"predictions": [[2.0, 2.0]]},
    ),
    "shortest_digits_of_float32": (
        {"instances": [[0.2, 0.6], [1e-7, 2**24 - 1]]},
        {"predictions": [[2.1, 2.3], [2.0, 8388610.0]]},
    ),
    "several_inputs_and_outputs_by_row": (
        {
            "signature_name": "two_inputs",
            "instances": [
                {"number": 2**53, "text": "ä"},
                {"text": b64(b"abc"), "number": -1},
            ],
        },
        {
            "predictions": [
                {
                    "sum": 2**53 + 2,
                    "text": "ä",
                    "text_bytes": b64("ä".encode()),
                },
                {"sum": 2, "text": "abc", "text_bytes": b64(b"abc")},
            ]
        },
    ),
    "several_inputs_and_outputs_by_column": (
        {
            "signature_name": "two_inputs",
            "inputs": {"number": [1, 2], "text": [b64(b"\xff"), ""]},
        },
        {
            "outputs": {
                "sum": [2, 2],
                "text": ["\ufffd", ""],
                "text_bytes": [b64(b"\xff"), b64(b"")],
            }
        },
    ),
    "every_type": (
        {
            "signature_name": "types",
            "instances": [
                {"flag": True, "double": 0.1, "integer": -(2**31), "byte": 255}
            ],
        },
        {
            "predictions": [
                {
                    "byte_out": 255,
                    "double_out": 0.1,
                    "flag_out": True,
                    "integer_out": -(2**31),
                }
            ]
        },
    ),
    "image": (
        {"signature_name": "image", "instances": [b64(PNG)]},
        {"predictions": [5.5]},
    ),
    "image_as_object_without_padding_and_in_lines": (
        {
            "signature_name": "image",
            "instances": [
                {"image_bytes": {"b64": "\n".join(b64(PNG)["b64"].rstrip("="))}}
            ],
        },
        {"predictions": [5.5]},
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_predict_answers(name, server):
    body, answer = ANSWERS[name]
    assert server.post("predict", body) == (200, answer)


ELEMENT = "Failed to process element: {} of 'instances' list."
REFUSALS = {
    "no_body": (b"", "JSON Parse error: The document is empty"),
    "no_json": (
        b"instances = [1]",
        "JSON Parse error: Expecting value at offset: 0",
    ),
    "no_utf8": (
        b'{"instances": ["\xff"]}',
        "JSON Parse error: Invalid encoding in string. at offset: 16",
    ),
    "half_a_character": (
        b'{"signature_name": "text", "instances": ["\\ud800"]}',
        f"{ELEMENT.format(0)} Error: INVALID_ARGUMENT: JSON Parse error: The "
        "surrogate pair in string is invalid.",
    ),
    "thousands_of_digits": (
        b'{"instances": [[' + b"9" * 5000 + b", 0]]}",
        "JSON Parse error: Number too big to be stored in double.",
    ),
    "thousands_of_levels": (
        b'{"instances": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "JSON Parse error: Too many levels",
    ),
    "no_object": ([1], "JSON Value: [1] Is not object"),
    "both_keys": (
        {"instances": [1], "inputs": [1]},
        'JSON Value: {"instances": [1], "inputs": [1]} Not formatted correctly '
        "expecting only one of 'inputs' or 'instances' keys to exist ",
    ),
    "no_key": ({"instance": [1]}, "Missing 'inputs' or 'instances' key"),
    "instances_no_list": (
        {"instances": {"x": 1}},
        'JSON Value: {"instances": {"x": 1}} Expecting \'instances\' to be an '
        "list/array",
    ),
    "no_instances": (
        {"instances": []},
        "JSON Value: {\"instances\": []} No values in 'instances' array",
    ),
    "signature_no_string": (
        {"signature_name": 1},
        'JSON Value: {"signature_name": 1} not formatted correctly. '
        "'signature_name' key must be a string value.",
    ),
    "unknown_signature": (
        {"signature_name": "none", "instances": [1]},
        'Serving signature name: "none" not found in signature def',
    ),
    "missing_input_by_row": (
        {"signature_name": "two_inputs", "instances": [{"number": 1}]},
        f'{ELEMENT.format(0)} JSON object: {{"number": 1}} keys must be '
        "equal to: number,text",
    ),
    "missing_input_by_column": (
        {"signature_name": "two_inputs", "inputs": {"number": [1]}},
        "Missing named input: text in 'inputs' object.",
    ),
    "unknown_input_by_row": (
        {"instances": [{"x": [1, 2]}, {"x": [1, 2], "z": 1}]},
        "Failed to process element: 1 key: z of 'instances' list. Error: "
        "INVALID_ARGUMENT: JSON object: does not have named input: z",
    ),
    "unknown_input_by_column": (
        {"inputs": {"x": [[1, 2]], "z": 1}},
        "'inputs' object must only have keys: x. Sent extra: z.",
    ),
    "many_unknown_inputs_by_column": (
        {"inputs": {"x": [[1, 2]]} | {f"z{n:04}": 1 for n in range(2000)}},
        "'inputs' object must only have keys: x. Sent extra: z0000,z0001,z0002,"
        "z0003,z0004,z0005,z0006,z0007,z0008,z0009 and 1,990 more.",
    ),
    "long_name_of_an_input": (
        {"instances": [{"z" * 9000: 1}]},
        f"Failed to process element: 0 key: {'z' * 1966}...",
    ),
    "long_name_of_a_signature": (
        {"signature_name": "ä" * 9000, "instances": [1]},
        f'Serving signature name: "{"ä" * 1975}...',
    ),
    "bare_values_for_several_inputs": (
        {"signature_name": "two_inputs", "instances": [1]},
        "instances is a plain list, but expecting list of objects as multiple "
        "input tensors required as per tensorinfo_map",
    ),
    "bare_value_for_several_inputs": (
        {"signature_name": "two_inputs", "inputs": [1]},
        "inputs is a plain value/list, but expecting an object as multiple "
        "input tensors required as per tensorinfo_map",
    ),
    "value_after_object": (
        {"instances": [{"x": [1, 2]}, [1, 2]]},
        "Expecting object but got list at item 1 of input list",
    ),
    "object_after_value": (
        {"instances": [[1, 2], {"x": [1, 2]}]},
        "Expecting value/list but got object at item 1 of input list",
    ),
    "text_for_float": (
        {"instances": [[1, 2], [1, "2"]]},
        f'{ELEMENT.format(1)} Error: INVALID_ARGUMENT: JSON Value: "2" Type: '
        "String is not of expected type: float",
    ),
    "flag_for_float": (
        {"inputs": [[1, True]]},
        "JSON Value: true Type: True is not of expected type: float",
    ),
    "null_for_text": (
        {"signature_name": "text", "inputs": [None]},
        "JSON Value: null Type: Null is not of expected type: string",
    ),
    "object_for_text": (
        {"signature_name": "text", "inputs": [{"b65": "x"}]},
        'JSON Value: {"b65": "x"} not formatted correctly for base64 data',
    ),
    "repeated_base64": (
        b'{"signature_name": "text", "inputs": [{"b64": "eA", "b64": "eA"}]}',
        'JSON Value: {"b64": "eA"} not formatted correctly for base64 data',
    ),
    "object_with_repeated_key_after_value": (
        b'{"instances": [[1, 2], {"x": 1, "x": 1}]}',
        "Expecting value/list but got object at item 1 of input list",
    ),
    "comment": (
        b'{"inputs": /* none */ []}',
        "JSON Parse error: Expecting value at offset: 11",
    ),
    "integer_beyond_64_bits": (
        {
            "signature_name": "two_inputs",
            "inputs": {"number": [2**64], "text": [""]},
        },
        "JSON Value: 18446744073709551616 Type: Number is not of expected "
        "type: int64",
    ),
    "bad_base64": (
        {"signature_name": "text", "inputs": [{"b64": "a-b"}]},
        "Unable to base64 decode",
    ),
    "float_for_integer": (
        {"signature_name": "lengths", "inputs": [[1, 2.0]]},
        "JSON Value: 2.0 Type: Number is not of expected type: int32",
    ),
    "integer_of_too_many_bits": (
        {"signature_name": "lengths", "inputs": [[1, 2**31]]},
        "JSON Value: 2147483648 Type: Number is not of expected type: int32",
    ),
    "number_beyond_float32": (
        {"inputs": [[1, -1e39]]},
        "Cannot convert JSON value: -1e+39 to float: it is too large.",
    ),
    "ragged_instances": (
        {"signature_name": "lengths", "instances": [[1, 2], [3]]},
        f"{ELEMENT.format(1)} Error: INVALID_ARGUMENT: Expecting tensor size: "
        "2 but got: 1",
    ),
    "ragged_by_shape": (
        {"signature_name": "lengths", "instances": [[[1, 2]], [[1], [2]]]},
        f"{ELEMENT.format(1)} Error: INVALID_ARGUMENT: Expecting shape [1,2] "
        "but got: [2,1]",
    ),
    "ragged_inputs": (
        {"signature_name": "lengths", "inputs": [[1, 2], [3]]},
        "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
    ),
    "value_among_lists": (
        {"inputs": [[1, 2], 3]},
        "JSON Value: 3 found at incorrect level: 2 in the JSON DOM. Expected "
        "at level: 2",
    ),
    "list_among_values": (
        {"inputs": [[1, [2]]]},
        "Encountered list at unexpected level: 2 expected < 2",
    ),
    "wrong_shape": (
        {"instances": [[1, 2, 3]]},
        "Input `x` must have the shape [-1,2], -1 for any size. Received: "
        "[1,3].",
    ),
    "no_batch": (
        {"signature_name": "text", "inputs": "word"},
        "Input `text` must have the shape [-1], -1 for any size. Received: [].",
    ),
    "unequal_numbers_of_rows": (
        {
            "signature_name": "two_inputs",
            "inputs": {"number": [1], "text": ["a", "b"]},
        },
        "Batching session Run() input tensors must have equal 0th-dimension "
        "size",
    ),
    "undecodable_image": (
        {"signature_name": "image", "instances": [b64(b"no image")]},
        "Unknown image file format. One of JPEG, PNG, GIF, BMP required.",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_predict_refusals(name, server):
    body, words = REFUSALS[name]
    status, answer = server.post("predict", body)
    assert list(answer) == ["error"]
    if name == "undecodable_image":
        # In newer versions of TensorFlow the list of formats is longer.
        assert answer["error"].startswith("Unknown image file format. One of ")
        assert "Detected at node" not in answer["error"]
    else:
        assert answer["error"] == words
    assert status == 400


def test_what_an_error_repeats_of_a_request_is_cut(server):
    body = {"inputs": ["x" * 100_000]}
    status, answer = server.post("predict", body)
    assert status == 400
    assert answer["error"] == (
        f'JSON Value: "{"x" * 199}... Type: String is not of expected type: '
        "float"
    )


def test_what_is_not_finite_goes_in_and_out_as_bare_words(server):
    body = b'{"instances": [[NaN, Infinity], [-Infinity, 0]]}'
    answer = server.wait(server.send("POST", "/v1/models/tiny:predict", body))
    assert answer.status_code == 200
    assert answer.text == ('{"predictions":[[NaN,Infinity],[-Infinity,2.0]]}')
    (first, *_), *_ = json.loads(answer.text)["predictions"]
    assert math.isnan(first)


EXAMPLES = {
    "classify": (
        "classify",
        {"signature_name": "classify", "examples": [{"x": 0.75}, {"x": [0.5]}]},
        {
            "results": [
                [["high", 0.75], ["low", 0.25]],
                [["high", 0.5], ["low", 0.5]],
            ]
        },
    ),
    "classify_with_context": (
        "classify",
        {
            "signature_name": "classify",
            "context": {"x": 0.25, "other": [b64(b"\x00"), "text"]},
            "examples": [{}, {"x": 1.0, "flags": [True, 3], "none": []}],
        },
        {
            "results": [
                [["high", 0.25], ["low", 0.75]],
                [["high", 1.0], ["low", 0.0]],
            ]
        },
    ),
    "regress": (
        "regress",
        {"signature_name": "regress", "examples": [{"x": 40.0}, {"x": -0.1}]},
        {"results": [80.0, -0.2]},
    ),
    "last_of_a_repeated_feature": (
        "regress",
        b'{"signature_name": "regress", "examples": [{"x": "word", "x": 2.0}]}',
        {"results": [4.0]},
    ),
    "last_of_a_repeated_feature_among_many": (
        "regress",
        b'{"signature_name": "regress", "examples": [{"x": "word", %s'
        b'"x": 2.0}]}' % b"".join(b'"%d": 1, ' % n for n in range(5000)),
        {"results": [4.0]},
    ),
    "integer_beyond_64_bits_is_a_float": (
        "regress",
        {"signature_name": "regress", "examples": [{"x": 2**64}]},
        {"results": [3.689349e19]},
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_classify_and_regress_answers(name, server):
    method, body, answer = EXAMPLES[name]
    assert server.post(method, body) == (200, answer)


def with_examples(*examples):
    return {"signature_name": "classify", "examples": list(examples)}


FAILING_EXAMPLES = {
    "no_examples_key": (
        {"signature_name": "classify"},
        'JSON Value: {"signature_name": "classify"} When method is classify, '
        "key 'examples' is expected and was not found",
    ),
    "examples_no_list": (
        {"signature_name": "classify", "examples": 1},
        'JSON Value: {"signature_name": "classify", "examples": 1} Expecting '
        "'examples' value to be an list/array",
    ),
    "no_examples": (
        with_examples(),
        'JSON Value: {"signature_name": "classify", "examples": []} '
        "'examples' value is an empty array",
    ),
    "example_no_object": (
        with_examples([1]),
        "Example must be JSON object but got JSON Array",
    ),
    "unknown_signature": (
        {"signature_name": "none", "examples": [{}]},
        "No signature was found with the name: none",
    ),
    "signature_for_predict": (
        {"examples": [{}]},
        "Signature `serving_default` is not for classify: it must take "
        "serialized examples as `inputs` and answer with classes and scores.",
    ),
    "signature_with_several_inputs": (
        {"signature_name": "two_inputs", "examples": [{}]},
        "Expected one input Tensor.",
    ),
    "signature_for_regress": (
        {"signature_name": "regress", "examples": [{}]},
        "Signature `regress` is not for classify: it must take serialized "
        "examples as `inputs` and answer with classes and scores.",
    ),
    "null": (
        with_examples({"x": None}),
        "Feature: x has element with unexpected JSON type: Null",
    ),
    "nested_list": (
        with_examples({"x": [[1.0]]}),
        "Feature: x has element with unexpected JSON type: Array",
    ),
    "object": (
        with_examples({"x": {"y": 1}}),
        "Feature: x has element with unexpected JSON type: Object",
    ),
    "mixed_kinds": (
        with_examples({"x": [1.0, 1]}),
        "Unexpected element type in feature: x expecting type: float",
    ),
    "too_large_integer": (
        with_examples({"x": 2**63}),
        "Feature: x has uint64 element. Only int64 is supported.",
    ),
    "too_large_float": (
        with_examples({"x": 1e300}),
        "Cannot convert JSON value: 1e+300 to float: it is too large.",
    ),
    "missing_feature": (
        with_examples({"z": 1.0}),
        "Name: <unknown>, Feature: x (data type: float) is required but could "
        "not be found.",
    ),
    "integer_for_float_feature": (
        with_examples({"x": 1}),
        "Name: <unknown>, Key: x, Index: 0.  Data types don't match. Data "
        "type: int64 but expected type: float",
    ),
}


@pytest.mark.parametrize("name", FAILING_EXAMPLES)
def test_classify_refusals(name, server):
    body, words = FAILING_EXAMPLES[name]
    assert server.post("classify", body) == (400, {"error": words})


def test_regress_refuses_a_signature_of_two_outputs(server):
    body = {"signature_name": "classify", "examples": [{"x": 1.0}]}
    words = "Expected one output Tensor."
    assert server.post("regress", body) == (400, {"error": words})


AVAILABLE = {
    "version": "1",
    "state": "AVAILABLE",
    "status": {"error_code": "OK", "error_message": ""},
}
PATHS = {
    "status": ("GET", "tiny", 200, {"model_version_status": [AVAILABLE]}),
    "status_of_version": (
        "GET",
        "tiny/versions/1",
        200,
        {"model_version_status": [AVAILABLE]},
    ),
    "status_of_no_version": (
        "GET",
        "tiny/versions/7",
        404,
        {"error": "Could not find version 7 of model tiny"},
    ),
    "status_of_no_model": (
        "GET",
        "none",
        404,
        {"error": "Could not find any versions of model none"},
    ),
    "metadata_of_no_model": (
        "GET",
        "none/metadata",
        404,
        {"error": "Servable not found for request: Latest(none)"},
    ),
    "predict_by_no_model": (
        "POST",
        "none:predict",
        404,
        {"error": "Servable not found for request: Latest(none)"},
    ),
    "predict_by_version": (
        "POST",
        "tiny/versions/1:predict",
        200,
        {"predictions": [[2.0, 2.0]]},
    ),
    "predict_by_no_version": (
        "POST",
        "tiny/versions/7:predict",
        404,
        {"error": "Servable not found for request: Specific(tiny, 7)"},
    ),
    "version_beyond_64_bits": (
        "POST",
        f"tiny/versions/{2**64}:predict",
        400,
        {"error": f"Failed to convert version: {2**64} to numeric."},
    ),
    "predict_by_no_label": (
        "POST",
        "tiny/labels/stable:predict",
        400,
        {"error": "Unrecognized servable version label: stable"},
    ),
    "get_of_predict": (
        "GET",
        "tiny:predict",
        400,
        {"error": "Malformed request: GET /v1/models/tiny:predict"},
    ),
    "post_of_status": (
        "POST",
        "tiny",
        400,
        {"error": "Malformed request: POST /v1/models/tiny"},
    ),
    "other_method": (
        "PUT",
        "tiny:predict",
        400,
        {"error": "Malformed request: PUT /v1/models/tiny:predict"},
    ),
    "no_name": (
        "GET",
        "",
        400,
        {"error": "Malformed request: GET /v1/models/"},
    ),
}


@pytest.mark.parametrize("name", PATHS)
def test_paths(name, server):
    method, path, status, answer = PATHS[name]
    body = {"instances": [[0, 0]]} if method == "POST" else b""
    found = server.ask(method, f"/v1/models/{path}", body)
    assert found == (status, answer)


def test_paths_that_are_none(server):
    for path, status, words in (
        ("/v1/models", 400, "Missing model name in request."),
        ("/v1/none", 400, "Malformed request: GET /v1/none"),
        ("/none", 404, "Not found: /none"),
    ):
        assert server.ask("GET", path) == (status, {"error": words})


OTHER_SPELLINGS = {
    "path_in_capitals": ("POST", "/V1/Models/tiny:predict", 200, None),
    "encoded_name": ("POST", "/v1/models/%74in%79:predict", 200, None),
    "long_version": (
        "POST",
        f"/v1/models/tiny/versions/{'0' * 5000}1:predict",
        200,
        None,
    ),
    "whole_url": ("POST", "http://tiny/v1/models/tiny:predict", 200, None),
    "metadata_in_capitals": ("GET", "/v1/models/tiny/METADATA", 200, None),
    "name_in_capitals": (
        "POST",
        "/v1/models/Tiny:predict",
        404,
        "Servable not found for request: Latest(Tiny)",
    ),
    "method_in_capitals": (
        "POST",
        "/v1/models/tiny:PREDICT",
        400,
        "Malformed request: POST /v1/models/tiny:PREDICT",
    ),
    "encoded_colon": (
        "POST",
        "/v1/models/tiny%3Apredict",
        400,
        "Malformed request: POST /v1/models/tiny%3Apredict",
    ),
    "encoded_colon_of_name": (
        "GET",
        "/v1/models/tiny%3Apredict",
        404,
        "Could not find any versions of model tiny:predict",
    ),
    "encoded_slash": (
        "GET",
        "/v1/models%2Ftiny",
        400,
        "Malformed request: GET /v1/models%2Ftiny",
    ),
    "query": (
        "POST",
        "/v1/models/tiny:predict?x=1",
        400,
        "Malformed request: POST /v1/models/tiny:predict?x=1",
    ),
    "query_of_name": (
        "GET",
        "/v1/models/tiny?x=1",
        404,
        "Could not find any versions of model tiny?x=1",
    ),
    "slash_at_the_end": (
        "GET",
        "/v1/models/tiny/",
        400,
        "Malformed request: GET /v1/models/tiny/",
    ),
    "two_slashes": (
        "GET",
        "/v1//models/tiny",
        400,
        "Malformed request: GET /v1//models/tiny",
    ),
    "two_slashes_at_the_beginning": (
        "GET",
        "//v1/models/tiny",
        404,
        "Not found: //v1/models/tiny",
    ),
    "dots": (
        "GET",
        "/v1/models/./tiny",
        400,
        "Malformed request: GET /v1/models/./tiny",
    ),
    "negative_version": (
        "GET",
        "/v1/models/tiny/versions/-1",
        400,
        "Malformed request: GET /v1/models/tiny/versions/-1",
    ),
    "version_0": (
        "POST",
        "/v1/models/tiny/versions/0:predict",
        404,
        "Servable not found for request: Specific(tiny, 0)",
    ),
    "encoded_version": (
        "GET",
        "/v1/models/tiny/versions/%31",
        400,
        "Malformed request: GET /v1/models/tiny/versions/%31",
    ),
    "encoded_label": (
        "POST",
        "/v1/models/tiny/labels/a%20b:predict",
        400,
        "Unrecognized servable version label: a b",
    ),
    "version_without_name": (
        "GET",
        "/v1/models/versions/1",
        400,
        "Missing model name in request.",
    ),
    "bad_escape": (
        "GET",
        "/v1/models/tiny%2",
        400,
        "Malformed request: GET /v1/models/tiny%2",
    ),
    "bad_character": (
        "GET",
        '/v1/models/"tiny"',
        400,
        'Malformed request: GET /v1/models/"tiny"',
    ),
    "query_of_metrics": (
        "GET",
        f"{served_models.METRICS}?x=1",
        400,
        f"Unexpected path: {served_models.METRICS}?x=1. Should be "
        f"{served_models.METRICS}",
    ),
    "head": (
        "HEAD",
        "/v1/models/tiny",
        400,
        "Malformed request: HEAD /v1/models/tiny",
    ),
    "options_without_origin": (
        "OPTIONS",
        "/v1/models/tiny",
        400,
        "Origin header is missing in CORS preflight",
    ),
    "unknown_method": (
        "TRACE",
        "/v1/models/tiny",
        501,
        "Unknown method: TRACE",
    ),
}


@pytest.mark.parametrize("name", OTHER_SPELLINGS)
def test_other_spellings_of_an_address(name, server):
    method, target, status, words = OTHER_SPELLINGS[name]

    async def ask():
        """Sends exactly these characters; a client would change some."""
        sent = []
        body = b'{"instances": [[0, 0]]}' if method == "POST" else b""
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": urllib.parse.unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [],
        }

        async def receive():
            return {"type": "http.request", "body": body}

        async def send(message):
            sent.append(message)

        await server.app(scope, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])

    found, answer = server.wait(ask())
    assert (found, answer.get("error")) == (status, words)


def test_options_permit_nothing_to_other_pages(server):
    answer = server.wait(
        server.send(
            "OPTIONS",
            "/v1/models/tiny:predict",
            headers={
                "Origin": "https://evil.example",
                "Access-Control-Request-Method": "POST",
            },
        )
    )
    assert (answer.status_code, answer.content) == (200, b"")
    assert not any("access-control" in name for name in answer.headers)


def test_metadata_are_the_signatures(server):
    status, answer = server.ask("GET", "/v1/models/tiny/metadata")
    assert status == 200
    assert answer["model_spec"] == {
        "name": "tiny",
        "signature_name": "",
        "version": "1",
    }
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert sorted(signatures) == [
        "classify",
        "count_down",
        "image",
        "lengths",
        "regress",
        "serving_default",
        "text",
        "two_inputs",
        "types",
    ]
    (tensor,) = signatures["serving_default"]["inputs"].values()
    assert tensor["dtype"] == "DT_FLOAT"
    assert tensor["tensor_shape"] == {
        "dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}],
        "unknown_rank": False,
    }


def test_a_text_of_a_megabyte(server):
    text = "ä" * 2**19
    body = {"signature_name": "text", "instances": [text]}
    assert server.post("predict", body) == (200, {"predictions": [2**20]})


def test_a_body_of_ten_megabytes(server):
    ids = [123456] * 1_300_000
    body = {"signature_name": "lengths", "inputs": [ids]}
    assert len(json.dumps(body)) > 10 * 10**6
    status, answer = server.post("predict", body)
    assert status == 200
    assert answer["outputs"] == {"last": [123456], "width": [1_300_000]}


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (
            [0, 0, 0],
            "Input `x` must have the shape [-1,2], -1 for any size. Received: "
            "[40000,3].",
        ),
        (
            [0, 0, "x"],
            "Failed to process element: 39999 of 'instances' list. Error: "
            'INVALID_ARGUMENT: JSON Value: "x" Type: String is not of '
            "expected type: float",
        ),
        (
            [0, 0, 1e39],
            "Failed to process element: 39999 of 'instances' list. Error: "
            "INVALID_ARGUMENT: Cannot convert JSON value: 1e+39 to float: it "
            "is too large.",
        ),
    ],
)
def test_a_wrong_row_of_many_is_found_in_few_looks(
    last, words, server, monkeypatch
):
    looks = []

    def count(function):
        def counted(*arguments):
            looks.append(function)
            return function(*arguments)

        return counted

    for module, name in (
        (nested_lists, "flatten"),
        (tensor_types, "convert"),
        (tensors, "_explain"),
    ):
        monkeypatch.setattr(module, name, count(getattr(module, name)))
    rows = [[0, 0, 0]] * 39_999 + [last]
    assert server.post("predict", {"instances": rows}) == (
        400,
        {"error": words},
    )
    assert len(looks) < 100


def test_copies_of_a_context_are_bounded(server):
    body = {
        "signature_name": "classify",
        "context": {"text": "x" * 2**20},
        "examples": [{}] * 64,
    }
    assert server.post("classify", body) == (
        413,
        {
            "error": "The copies of the `context` for all examples must have "
            "at most 67,108,864 bytes together. Received: 1,048,602 bytes for "
            "64 examples."
        },
    )


def test_large_bodies_and_answers_do_not_hold_the_server_up(
    server, monkeypatch
):
    """The states of the model are answered while a document is converted."""
    seen = []

    def watch(module, name):
        original = getattr(module, name)

        def watched(*arguments, **named):
            if threading.current_thread() is server._thread:
                seen.append(f"{name} at once")
            else:
                assert server.ask("GET", "/v1/models/tiny")[0] == 200
                seen.append(f"{name}, garbage: {gc.isenabled()}")
            return original(*arguments, **named)

        monkeypatch.setattr(module, name, watched)

    watch(request_json, "parse")
    watch(predict_json, "num_rows")
    watch(predict_json, "read_predict")
    watch(json_pieces, "dismantle")
    watch(predict_json, "write_predict")
    rows = [[0, 0]] * 20_000
    assert server.post("predict", {"instances": rows})[0] == 200
    assert server.post("predict", {"instances": [*rows, 1]})[0] == 400
    assert seen == [
        "parse, garbage: False",
        "num_rows, garbage: False",
        "read_predict, garbage: False",
        "dismantle, garbage: False",
        "write_predict, garbage: True",
        "parse, garbage: False",
        "num_rows, garbage: False",
        "read_predict, garbage: False",
        "dismantle, garbage: False",
    ]
    seen.clear()
    assert server.post("predict", {"instances": [[0, 0]]})[0] == 200
    # A small body whose answer is large.
    body = b'{"instances":[%s]}' % b",".join([b"[0,0]"] * 9000)
    assert server.post("predict", body)[0] == 200
    assert seen == [
        "parse at once",
        "num_rows at once",
        "read_predict at once",
        "write_predict at once",
        "parse at once",
        "num_rows at once",
        "read_predict at once",
        "write_predict, garbage: True",
    ]


@pytest.mark.parametrize(
    "number",
    [
        "1e400",
        "1e999",
        "-1.5E+309",
        "1" * 310 + ".0",
        "1" * 310,
        "-" + "1" * 5000,
    ],
)
def test_a_number_beyond_double_is_no_infinity(number, server):
    assert server.post(
        "predict", f'{{"inputs": [[{number}, 1]]}}'.encode()
    ) == (
        400,
        {"error": "JSON Parse error: Number too big to be stored in double."},
    )


@pytest.mark.parametrize(
    "value",
    [
        {"predictions": [{"a": [0.5] * 5000, "b": "é"}, {"a": [], "b": None}]},
        {"outputs": {"x": [[1, 2], [3, 4]], "y": [float("nan")]}},
        {"results": [[["high", 0.75], ["low", 0.25]]]},
        {"error": 'word "and" word', "empty": {}, "list": []},
        list(range(10_000)),
        [],
        {},
        1.5,
    ],
)
def test_documents_are_written_as_by_json(value):
    expected = json.dumps(value, separators=(",", ":")).encode()
    assert request_json.to_bytes(value) == expected
