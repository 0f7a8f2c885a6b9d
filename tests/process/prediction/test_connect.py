"""One function connects to a model, wherever it is."""

import numpy as np
import pytest

from trainers.errors import ConfigError
from trainers.errors import RefusedError
from trainers.prediction import connect
from trainers.prediction.rest import RestPredictor
from trainers.prediction.saved_model import Predictor


def test_a_path_and_an_address_answer_alike(image_export, served_image):
    image = np.full((1, 28, 28), 100, np.float32)
    answers = []
    for where, kind in (
        (image_export, Predictor),
        (str(image_export / "1"), Predictor),
        (served_image, RestPredictor),
    ):
        predictor = connect.connect(where)
        assert type(predictor) is kind
        answer = predictor("serving_default", {"image": image})
        answers.append(answer["probabilities"])
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_allclose(answers[0], answers[2], rtol=0, atol=1e-6)


def test_what_is_neither_is_said_to_be_no_export():
    with pytest.raises(ConfigError, match="^`--model_dir` must be an export"):
        connect.connect("localhost:8501/v1/models/m")


@pytest.mark.parametrize(
    "signature, inputs, words",
    [
        ("other", {"image": [[0.0]]}, "there is no signature `other`. "),
        (
            "image_bytes",
            {"image": [b""]},
            "the inputs of the signature `image_bytes` are image_bytes. "
            "Received: image.",
        ),
        (
            "image_bytes",
            {"image_bytes": [b"no image"]},
            "the signature `image_bytes` refuses the values: ",
        ),
        (
            "serving_default",
            {"image": [["a"]]},
            "the signature `serving_default` refuses the values: ",
        ),
        (
            "classify",
            {"inputs": [b"\xff\xff"]},
            "the signature `classify` cannot read the bytes",
        ),
    ],
)
def test_both_refuse_with_one_error(
    image_export, served_image, signature, inputs, words
):
    with pytest.raises(RefusedError) as error:
        connect.connect(image_export)(signature, inputs)
    assert str(error.value).startswith(words)
    with pytest.raises(RefusedError) as error:
        connect.connect(served_image)(signature, inputs)
    assert error.value.status in (400, 404)


def test_no_rows_have_no_answers(text_export, served_text):
    nothing = {"text": np.array([], object)}
    found, served = (
        connect.connect(where)("serving_default", nothing)
        for where in (text_export, served_text)
    )
    shapes = {name: value.shape for name, value in found.items()}
    assert shapes == {
        "logits": (0, 8),
        "probabilities": (0, 8),
        "class_id": (0,),
        "label": (0,),
    }
    assert {name: value.shape for name, value in served.items()} == shapes
