"""No call of C converts more than a part of a large value."""

import base64
import types

import pytest
import tensorflow as tf
from tensorflow.core.example import example_pb2

from trainers.server import nested_lists
from trainers.server import scalars
from trainers.server import statuses
from trainers.server import tf_examples


def test_features_are_serialized_in_parts(monkeypatch):
    sizes = []

    class Recorded:
        def __init__(self):
            self._example = example_pb2.Example()
            self.features = self._example.features

        def SerializeToString(self):  # noqa: N802
            sizes.append(len(self.features.feature))
            return self._example.SerializeToString()

    monkeypatch.setattr(
        tf_examples, "example_pb2", types.SimpleNamespace(Example=Recorded)
    )
    names = [f"feature {number}" for number in range(5000)]
    (row,) = tf_examples.read(
        {"examples": [{name: n for n, name in enumerate(names)}]}
    )["inputs"]
    assert max(sizes) < 2000
    found = example_pb2.Example.FromString(row).features.feature
    assert {k: list(v.int64_list.value) for k, v in found.items()} == {
        name: [n] for n, name in enumerate(names)
    }
    assert list(tf_examples.read({"examples": [{}]})["inputs"]) == [b""]


def test_base64_is_decoded_in_parts(monkeypatch):
    sizes, original = [], base64.b64decode

    def recorded(data, **options):
        sizes.append(len(data))
        return original(data, **options)

    monkeypatch.setattr(scalars.base64, "b64decode", recorded)
    content = bytes(range(256)) * 2**14
    text = base64.b64encode(content).decode()
    for given in (text, text.rstrip("="), "\n".join(text)):
        assert scalars.decode_base64({"b64": given}) == content
    assert max(sizes) <= 2**20


@pytest.mark.parametrize(
    "text",
    [
        "=",
        "QQ==QQ==",
        f"{'Q' * (2**20 - 2)}==QQ==",
        "QQ-",
        "é",
        "\ud800",
        # TensorFlow Serving skips white space of ASCII only.
        "Q\u2003Q",
        "Q\x1cQ",
    ],
)
def test_text_that_is_not_base64(text):
    with pytest.raises(statuses.StatusError) as error:
        scalars.decode_base64({"b64": text})
    assert str(error.value) == "Unable to base64 decode"


@pytest.mark.parametrize("space", " \t\n\v\f\r")
def test_white_space_in_base64(space):
    text = f"{space}Q{space * 3}Q{space}"
    assert scalars.decode_base64({"b64": text}) == b"A"
    assert scalars.decode_base64({"b64": space}) == b""


def test_a_long_list_in_a_short_one_is_flat():
    size = 2 * nested_lists.PART + 1
    rows = [[[n, -n] for n in range(size)], [[0, 1]] * size]
    shape, values = nested_lists.flatten(rows)
    assert shape == [2, size, 2]
    assert values == [v for row in rows for pair in row for v in pair]
    assert nested_lists.flatten([[], []]) == ([2, 0], [])


def test_an_error_is_cut():
    error = statuses.invalid("a", "b" * 1999)
    assert str(error) == f"a{'b' * 1999}"
    assert str(statuses.invalid("a", "b" * 2000)) == f"a{'b' * 1999}..."
    # White space would make the search for the end of an op's message slow.
    op = tf.errors.InvalidArgumentError(None, None, f"no number:{' ' * 20_000}")
    assert str(statuses.of(op)) == f"no number:{' ' * 1990}..."
