"""The Classify signature: examples in, all classes out, best first."""

import numpy as np
import pytest
import tensorflow as tf

from trainers.objectives.single_label import SingleLabel
from trainers.objectives.single_label import SingleLabelConfig
from trainers.tasks import example_signatures

NAMES = ["ham", "spam", "猫"]
OBJECTIVE = SingleLabel(SingleLabelConfig(), NAMES)
LETTERS = {b"a": [0.0, 2.0, 1.0], b"b": [3.0, 0.0, 0.0], b"": [1.0, 1.0, 1.0]}


def example(**features):
    """A serialized example of lists of bytes or of whole numbers."""
    kinds = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        if all(isinstance(value, bytes) for value in values)
        else tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        for name, values in features.items()
    }
    return tf.train.Example(
        features=tf.train.Features(feature=kinds)
    ).SerializeToString()


@pytest.fixture(scope="module")
def signature():
    """A classifier of the letters."""

    def logits_of(text):
        equal = text[:, tf.newaxis] == tf.constant(list(LETTERS))
        logits = tf.constant(list(LETTERS.values()))
        return tf.matmul(tf.cast(equal, tf.float32), logits)

    return example_signatures.make(
        ("text",), lambda text: OBJECTIVE.ranking(logits_of(text))
    )


def ranking(logits):
    answer = OBJECTIVE.ranking(tf.constant(logits, tf.float32))
    names = [
        [name.decode() for name in row] for row in answer["classes"].numpy()
    ]
    return names, answer["scores"].numpy()


def test_classes_come_best_first_with_their_probabilities():
    names, scores = ranking(np.log([[0.2, 0.7, 0.1], [0.1, 0.2, 0.7]]))
    assert names == [["spam", "ham", "猫"], ["猫", "spam", "ham"]]
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, [[0.7, 0.2, 0.1]] * 2, rtol=1e-6)


@pytest.mark.parametrize(
    "logits, expected",
    [
        ([1, 1, 1], ["ham", "spam", "猫"]),
        ([0, 5, 5], ["spam", "猫", "ham"]),
        ([0, 0, 5], ["猫", "ham", "spam"]),
        # Both are 0 in float32.
        ([-300, 0, -200], ["spam", "ham", "猫"]),
    ],
)
def test_classes_of_one_score_come_in_label_order(logits, expected):
    names, scores = ranking([logits])
    assert names == [expected]
    assert (np.diff(scores) <= 0).all()


def test_many_classes_of_one_score_keep_their_order():
    names = [f"class {i}" for i in range(1000)]
    objective = SingleLabel(SingleLabelConfig(), names)
    answer = objective.ranking(tf.zeros((2, 1000)))
    for row in answer["classes"].numpy():
        assert [name.decode() for name in row] == names


def test_the_signature_reads_its_feature_of_examples(signature):
    inputs = [
        example(text=[b"b"]),
        example(text=[b"a"], other=[7], more=[b"x", b"y"]),
        example(text=[b""]),
    ]
    answer = signature(inputs=tf.constant(inputs))
    assert answer["classes"].numpy().tolist() == [
        [b"ham", b"spam", "猫".encode()],
        [b"spam", "猫".encode(), b"ham"],
        [b"ham", b"spam", "猫".encode()],
    ]
    logits = np.array(list(LETTERS.values()), np.float32)[[1, 0, 2]]
    expected = -np.sort(-tf.nn.softmax(logits).numpy())
    np.testing.assert_allclose(answer["scores"], expected, rtol=1e-6)


def test_no_examples_are_answered_with_none(signature):
    answer = signature(inputs=tf.zeros(0, tf.string))
    assert answer["classes"].shape == answer["scores"].shape == (0, 3)


@pytest.mark.parametrize(
    "bad, message",
    [
        (
            example(label=[b"a"]),
            "Feature: text (data type: string) is required but could not be "
            "found.",
        ),
        (
            b"",
            "Feature: text (data type: string) is required but could not be "
            "found.",
        ),
        (
            example(text=[1]),
            "Data types don't match. Data type: int64 but expected type: "
            "string",
        ),
        (
            example(text=[b"a", b"b"]),
            "Key: text, Index: 1.  Can't parse serialized Example.",
        ),
        (
            example(text=[]),
            "Values size: 0 but output shape: []",
        ),
        (b"abc", "Could not parse example input, value: 'abc'"),
    ],
    ids=["missing", "empty", "number", "two", "none", "no_example"],
)
def test_what_has_no_such_feature_is_an_error(signature, bad, message):
    inputs = tf.constant([example(text=[b"a"]), bad])
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        signature(inputs=inputs)
    assert message in str(error.value)
    # And the next request is answered.
    assert len(signature(inputs=inputs[:1])["classes"]) == 1


def test_check_inputs_hold_the_rows():
    rows = [b"a", b"", b"\xff\x00"]
    inputs = example_signatures.check_inputs(text=rows)
    assert list(inputs) == ["inputs"]
    found = [
        tf.train.Example.FromString(one).features.feature["text"]
        for one in inputs["inputs"]
    ]
    assert [list(one.bytes_list.value) for one in found] == [[r] for r in rows]
