"""One function connects to a model, wherever it is."""

import numpy as np
import pytest

from trainers.errors import ConfigError
from trainers.serving import predictors
from trainers.serving.predictor import Predictor
from trainers.serving.rest_predictor import RestPredictor


def test_a_path_and_an_address_answer_alike(image_export, served_image):
    image = np.full((1, 28, 28), 100, np.float32)
    answers = []
    for where, kind in (
        (image_export, Predictor),
        (str(image_export / "1"), Predictor),
        (served_image, RestPredictor),
    ):
        predictor = predictors.connect(where)
        assert type(predictor) is kind
        answer = predictor("serving_default", {"image": image})
        answers.append(answer["probabilities"])
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_allclose(answers[0], answers[2], rtol=0, atol=1e-6)


def test_what_is_neither_is_said_to_be_no_export():
    with pytest.raises(ConfigError, match="^`--model_dir` must be an export"):
        predictors.connect("localhost:8501/v1/models/m")
