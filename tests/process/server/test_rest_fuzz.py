"""The answer to any request is JSON and never an internal error."""

import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 1e39, -0.0]),
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    st.text(max_size=5),
    st.builds(lambda t: {"b64": t}, st.text("AQ=é -_", max_size=6)),
)
KEYS = st.sampled_from(["x", "number", "text", "ids", "b64", "image_bytes"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=3),
    ),
    max_leaves=12,
)
SIGNATURES = st.sampled_from(
    [
        "serving_default",
        "two_inputs",
        "types",
        "lengths",
        "image",
        "classify",
        "regress",
        "text",
    ]
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "signature_name": SIGNATURES | LEAVES,
        "instances": VALUES | st.lists(VALUES, min_size=1, max_size=4),
        "inputs": VALUES,
        "examples": VALUES | st.lists(st.dictionaries(KEYS, VALUES)),
        "context": VALUES,
    },
)
METHODS = st.sampled_from(["predict", "classify", "regress"])
# What a server may say of a request; 501 is for types that JSON has not.
STATUSES = (200, 400, 404)


def check(answer):
    assert answer.status_code in STATUSES, answer.text
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    if answer.status_code != 200:
        assert list(document) == ["error"]
        assert isinstance(document["error"], str) and document["error"]
    return answer.status_code


def bounded(examples):
    return hypothesis.settings(
        max_examples=examples, deadline=None, derandomize=True, database=None
    )


@bounded(400)
@hypothesis.given(method=METHODS, document=DOCUMENTS)
def test_documents(server, method, document):
    body = json.dumps(document).encode()
    check(server.wait(server.send("POST", f"/v1/models/tiny:{method}", body)))


@bounded(100)
@hypothesis.given(method=METHODS, body=st.binary(max_size=40))
def test_bytes(server, method, body):
    path = f"/v1/models/tiny:{method}"
    assert check(server.wait(server.send("POST", path, body))) == 400


@bounded(100)
@hypothesis.given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS"]),
    parts=st.lists(
        st.sampled_from(
            [
                *("/v1", "/models", "/tiny", "/versions", "/1", "/labels"),
                *("/metadata", ":predict", "/", "%00", "%ff", "/9999"),
            ]
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_paths_of_all_kinds(server, method, parts):
    path = "".join(parts)
    hypothesis.assume(path.strip("/"))
    check(server.wait(server.send(method, f"/{path.lstrip('/')}")))


ROWS = st.lists(
    st.lists(st.floats(allow_nan=False, width=32), min_size=2, max_size=2),
    min_size=1,
    max_size=5,
)


@bounded(100)
@hypothesis.given(rows=ROWS)
def test_numbers_come_back_as_the_float32_that_they_are(server, rows):
    with np.errstate(over="ignore"):
        expected = np.float32(rows) / np.float32(2) + np.float32(2)
    answers = [
        server.post("predict", {key: rows})[1][result]
        for key, result in (("instances", "predictions"), ("inputs", "outputs"))
    ]
    for answer in answers:
        np.testing.assert_array_equal(np.float32(answer), expected)


@pytest.mark.parametrize("text", ["é", "\U0001f600", "\x00", '"\\', "\u2028"])
def test_texts_come_back_as_they_are(server, text):
    body = {
        "signature_name": "two_inputs",
        "instances": [{"number": 0, "text": text}],
    }
    status, answer = server.post("predict", body)
    assert status == 200
    assert answer["predictions"][0]["text"] == text
    assert answer["predictions"][0]["sum"] == len(text.encode())
