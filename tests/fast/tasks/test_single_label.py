"""One class for each example: for images what it is for texts."""

import numpy as np
import pytest

from trainers import tasks
from trainers.config import ExperimentConfig
from trainers.config.task import ImageClassificationConfig
from trainers.config.task import TextClassificationConfig
from trainers.errors import ConfigError
from trainers.tasks.objectives.single_label import SingleLabel

NAMES = ["cat", "dog", "猫"]
LOGITS = np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0], [0, 0, 0]], np.float32)
TARGETS = np.array([0, 2, 2], np.int32)


def losses(config):
    objective = SingleLabel(config).fitted(NAMES, TARGETS)
    return objective.example_losses(TARGETS, LOGITS).numpy()


@pytest.mark.parametrize(
    "settings",
    [{}, {"label_smoothing": 0.2}, {"class_weights": "balanced"}],
    ids=str,
)
def test_images_and_texts_have_one_loss(settings):
    found = losses(ImageClassificationConfig(**settings))
    np.testing.assert_array_equal(
        found, losses(TextClassificationConfig(**settings))
    )
    if settings:
        assert (found != losses(ImageClassificationConfig())).any()


def test_what_is_fitted_is_another_objective():
    before = SingleLabel(ImageClassificationConfig(class_weights="dog=3"))
    after = before.fitted(NAMES, TARGETS)
    assert before.names is None
    assert (after.names, after.num_outputs) == (NAMES, 3)
    target = np.array([1], np.int32)
    ratio = after.example_losses(target, LOGITS[:1]) / SingleLabel(
        ImageClassificationConfig(), NAMES
    ).example_losses(target, LOGITS[:1])
    np.testing.assert_allclose(ratio, [3], rtol=1e-6)
    with pytest.raises(ConfigError, match="Names: ham, spam"):
        before.fitted(["ham", "spam"], TARGETS)


def test_perfect_answers_give_the_best_metrics():
    names = ["cat", "dog", "owl"]
    objective = SingleLabel(ImageClassificationConfig(), names)
    targets = np.array([0, 1, 2, 2, 1, 0], np.int32)
    logits = np.eye(3, dtype=np.float32)[targets] * 100
    kept = objective.summarize(targets, logits)
    metrics = objective.measure(kept)
    assert metrics["loss"] == pytest.approx(0)
    for name in ("accuracy", "macro_f1", "roc_auc", "pr_auc"):
        assert metrics[name] == 1.0
    assert metrics["num_examples"] == 6
    assert "owl" in objective.text_report(kept)
    (picture,) = objective.pictures(metrics).values()
    assert picture.dtype == np.uint8
    assert [objective.describe(target) for target in targets[:3]] == names


def test_the_task_of_images_smooths_labels():
    config = ExperimentConfig()
    config.task.label_smoothing = 0.5
    task = tasks.make_task(config)
    smooth = task.objective.restored(NAMES).example_losses(TARGETS, LOGITS)
    assert (smooth.numpy() != losses(ImageClassificationConfig())).any()
