"""Overrides from Python: `config.with_overrides`."""

import numpy as np
import pytest

from trainers.config import experiment
from trainers.config import files
from trainers.errors import ConfigError


def with_overrides(values):
    return experiment.ExperimentConfig().with_overrides(values)


@pytest.mark.parametrize(
    "name, value, expected",
    [
        ("seed", 7, 7),
        ("seed", "7", 7),
        ("seed", "0x10", 16),
        ("optimizer.learning_rate", "3e-4", 3e-4),
        ("optimizer.learning_rate", 3e-4, 3e-4),
        ("optimizer.learning_rate", 1, 1),
        ("trainer.jit_compile", "never", "never"),
        ("model.hidden_dims", "128,64", (128, 64)),
        ("model.hidden_dims", "[0x10, 2]", (16, 2)),
        ("model.hidden_dims", (8,), (8,)),
        ("model.hidden_dims", [8, 9], (8, 9)),
        ("data.path", "a=b", "a=b"),
        ("config.data.path", "a", "a"),
        ("seed", np.int64(7), 7),
        ("optimizer.learning_rate", np.float64(0.25), 0.25),
    ],
)
def test_a_value_or_its_text_replaces_a_setting(name, value, expected):
    part = with_overrides({name: value})
    for branch in name.removeprefix("config.").split("."):
        part = getattr(part, branch)
    assert part == expected
    assert type(part) is type(expected)


@pytest.mark.parametrize("value, expected", [(True, True), ("F", False)])
def test_a_boolean_or_its_text_replaces_a_setting(value, expected):
    config = files.load("configs/bert_classifier.py")
    changed = config.with_overrides({"data.quoting": value})
    assert changed.data.quoting is expected


@pytest.mark.parametrize("value", ["yes", 1])
def test_another_value_is_no_boolean(value):
    config = files.load("configs/bert_classifier.py")
    with pytest.raises(ConfigError) as error:
        config.with_overrides({"data.quoting": value})
    assert str(error.value) == (
        f"`--config.data.quoting` must be true or false. Received: {value!r}."
    )


def test_the_configuration_itself_stays_as_it_is():
    config = experiment.ExperimentConfig()
    changed = config.with_overrides({"trainer.epochs": 3, "seed": 1})
    assert (changed.trainer.epochs, changed.seed) == (3, 1)
    assert config == experiment.ExperimentConfig()
    assert changed.with_overrides({}) == changed
    assert changed.with_overrides({}) is not changed


@pytest.mark.parametrize(
    "values, message",
    [
        (
            {"optimizer.learning_rat": 1},
            "`--config.optimizer.learning_rat` is not a setting. Choices: "
            "--config.optimizer.learning_rate.",
        ),
        (
            {"seed": "1.5"},
            "`--config.seed` must be a whole number. Received: '1.5'.",
        ),
        (
            {"seed": 1.5},
            "`--config.seed` must be a whole number. Received: 1.5.",
        ),
        (
            {"data.path": None},
            "`--config.data.path` must be text. Received: None.",
        ),
        (
            {"data.path": 3},
            "`--config.data.path` must be text. Received: 3.",
        ),
        (
            {"seed": np.array([1, 2])},
            "`--config.seed` must be a whole number. Received: array([1, 2]).",
        ),
        (
            {"optimizer": {"name": "sgd"}},
            "`--config.optimizer` is not a setting. See --help for all.",
        ),
        (
            {"model.hidden_dims": "(1,2"},
            "`--config.model.hidden_dims` must be whole numbers, like 64,64. "
            "Received: '(1,2'.",
        ),
    ],
)
def test_a_wrong_name_or_type_is_an_error(values, message):
    with pytest.raises(ConfigError) as error:
        with_overrides(values)
    assert str(error.value) == message


def test_rules_are_checked_when_the_configuration_is_validated():
    config = with_overrides({"data.path": "x", "trainer.epochs": 0})
    with pytest.raises(ConfigError) as error:
        experiment.validate(config)
    assert str(error.value) == (
        "`--config.trainer.epochs` must be at least 1. Received: 0."
    )
