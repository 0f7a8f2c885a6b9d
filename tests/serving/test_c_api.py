"""Exports in TensorFlow's C API, in a process without its Python."""

import exported_models
import numpy as np
import pytest
import tensorflow as tf

from trainers.errors import RunError
from trainers.serving import servable_check
from trainers.serving.servable_check import C_API

# What is stored in a `TF_TString` itself has at most 22 bytes.
TEXTS = [
    b"",
    b"a",
    b"x" * 22,
    b"x" * 23,
    b"x" * 24,
    b"NUL \x00 inside",
    b"\xff no UTF-8",
    "猫 😀".encode(),
    b"x" * 1_000_000,
]


@pytest.fixture(scope="module")
def text_model(tmp_path_factory):
    return exported_models.text_classifier(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def image_model(tmp_path_factory):
    return exported_models.image_classifier(tmp_path_factory.mktemp("image"))


def test_every_signature_of_a_text_classifier_agrees(text_model):
    cases = text_model.cases(sizes=(1, 7, 100))
    assert sorted({name for name, _, _ in cases}) == [
        *("classify", "serving_default", "tokenize", "tokens")
    ]
    servable_check.ask(C_API, text_model.path, cases)


def test_every_signature_of_an_image_classifier_agrees(image_model):
    cases = image_model.cases(sizes=(1, 7, 100))
    assert sorted({name for name, _, _ in cases}) == [
        *("classify", "image_bytes", "serving_default")
    ]
    servable_check.ask(C_API, image_model.path, cases)


def test_wrong_answers_are_found(image_model):
    (case, *_) = image_model.cases(sizes=(7,))
    name, fed, right = case
    assert name == "serving_default"
    wrong = right | {
        "label": np.array([b"bird"] * 7, object),
        "logits": np.full_like(right["logits"], np.nan),
    }
    with pytest.raises(RunError) as error:
        servable_check.ask(C_API, image_model.path, [(name, fed, wrong)])
    start, *found = str(error.value).splitlines()
    assert start == "the export would not serve; no version was published:"
    assert sorted(found) == [
        "  signature `serving_default` at batch 7: `label` differs from the "
        "model in memory",
        "  signature `serving_default` at batch 7: `logits` differs by nan "
        "from the model in memory",
    ]


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    """A model that returns what it gets, of every type."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, "text")])
    def texts(text):
        pairs = tf.stack([text, text + "!"], axis=1)
        return {"text": text, "size": tf.strings.length(text), "pairs": pairs}

    dtypes = (tf.float32, tf.float64, tf.int32, tf.int64, tf.uint8, tf.bool)
    dtypes += (tf.int8, tf.int16, tf.uint16, tf.uint32, tf.uint64)

    @tf.function(
        input_signature=[tf.TensorSpec((None, 2), t, t.name) for t in dtypes]
    )
    def numbers(*values):
        return {
            f"{dtype.name}_out": tf.identity(value)
            for dtype, value in zip(dtypes, values, strict=True)
        }

    functions = {"serving_default": texts, "numbers": numbers}
    return exported_models.save(tmp_path_factory.mktemp("echo"), functions, {})


def test_strings_of_every_length_go_in_and_out(echo):
    for texts in (TEXTS, TEXTS[:1], TEXTS[:0]):
        answer = {
            "text": np.array(texts, object),
            "size": np.array([len(text) for text in texts], np.int32),
            "pairs": np.array(
                [[text, text + b"!"] for text in texts], object
            ).reshape(len(texts), 2),
        }
        fed = {"text": np.array(texts, object)}
        case = ("serving_default", fed, answer)
        servable_check.ask(C_API, echo.path, [case])


def test_numbers_of_every_type_go_in_and_out(echo):
    fed = {
        name: np.array([[0, 1], [2, 3]]).astype(name)
        for name in (
            *("float32", "float64", "bool", "int8", "int16", "int32", "int64"),
            *("uint8", "uint16", "uint32", "uint64"),
        )
    }
    # Not in the order of memory.
    fed["float32"] = np.array([[0, 2], [1, 3]], np.float32).T
    answer = {f"{name}_out": values for name, values in fed.items()}
    servable_check.ask(C_API, echo.path, [("numbers", fed, answer)])
    wrong = answer | {"uint64_out": answer["uint64_out"] + np.uint64(1)}
    with pytest.raises(RunError) as error:
        servable_check.ask(C_API, echo.path, [("numbers", fed, wrong)])
    assert str(error.value).splitlines()[1:] == [
        "  signature `numbers` at batch 2: `uint64_out` differs from the "
        "model in memory"
    ]


def test_messages_of_the_runtime_reach_the_user(image_model, tmp_path):
    fed = {"image_bytes": np.array([b"not an image"], object)}
    with pytest.raises(RunError) as error:
        servable_check.ask(C_API, image_model.path, [("image_bytes", fed, {})])
    assert str(error.value).startswith(
        "the export failed its check in a fresh process; no version was "
        "published. Exit code 1.\n"
    )
    assert "Unknown image file format" in str(error.value)

    copy = exported_models.copy_of(image_model.path, tmp_path)
    (data,) = (copy / "variables").glob("*.data-*")
    content = bytearray(data.read_bytes())
    content[100] ^= 1
    data.write_bytes(content)
    with pytest.raises(RunError, match="Checksum does not match"):
        servable_check.ask(C_API, copy, [])
