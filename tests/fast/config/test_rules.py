"""Configurations of texts: rules of several settings, JSON, what fits."""

import dataclasses
import json
import typing

import own_kinds
import pytest

import tfmodels
from trainers.config import experiment
from trainers.config import kinds
from trainers.config import tree as tree_lib
from trainers.config.data import ImageDataConfig
from trainers.config.data import TextDataConfig
from trainers.errors import ConfigError
from trainers.metrics import names


def make_config(**changes):
    """Returns a valid config with leaves changed: `data__path="x"`."""
    config = experiment.ExperimentConfig(
        data=TextDataConfig(train="mails.csv"),
        model=tfmodels.BertClassifierConfig(),
    )
    for name, value in changes.items():
        *parts, leaf = name.split("__")
        part = config
        for branch in parts:
            part = getattr(part, branch)
        setattr(part, leaf, value)
    return config


def problem_of(config):
    with pytest.raises(ConfigError) as error:
        experiment.validate(config)
    return str(error.value)


def test_the_default_config_of_texts_lacks_nothing_but_its_data():
    experiment.validate(make_config())
    assert problem_of(make_config(data__train="")) == (
        "`--config.data.train` must name a file or folder to learn from. "
        "Received: ''. Example: --config.data.train=mails.csv"
    )


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"data__train": "none"},
            "`--config.data.train` must name a file or folder to learn from. "
            "Received: 'none'. Example: --config.data.train=mails.csv",
        ),
        (
            {"data__source": "tfds"},
            "`--config.data.path` must name the data set for "
            "--config.data.source=tfds. Received: ''.",
        ),
        (
            {"data__source": "tfds_directory"},
            "`--config.data.path` must name the data set for "
            "--config.data.source=tfds_directory. Received: ''.",
        ),
        (
            {"data__validation_fraction": 0.5, "data__test_fraction": 0.5},
            "`--config.data.validation_fraction` and "
            "--config.data.test_fraction must leave examples for train: their "
            "sum must be below 1. Received: 0.5 and 0.5.",
        ),
        (
            {"model__encoder__num_heads": 3},
            "`--config.model.encoder.hidden_dim` must be a multiple of "
            "--config.model.encoder.num_heads. Received: 128 and 3.",
        ),
        (
            {"data__sequence_length": 513},
            "`--config.data.sequence_length` must be at most "
            "--config.model.encoder.max_sequence_length. Received: 513 and "
            "512.",
        ),
        (
            {"model__encoder__frozen_layers": 3},
            "`--config.model.encoder.frozen_layers` must be at most 2, the "
            "layers that the encoder has. Received: 3.",
        ),
        (
            {"optimizer__warmup_steps": 10, "optimizer__warmup_fraction": 0.5},
            "`--config.optimizer.warmup_steps` needs "
            "--config.optimizer.warmup_fraction=0, as both set the warm-up. "
            "Received: 10 and 0.5.",
        ),
        (
            {
                "optimizer__plateau_patience": 1,
                "optimizer__warmup_fraction": 0.5,
            },
            "`--config.optimizer.plateau_patience` replaces the schedule. It "
            "needs --config.optimizer.schedule=constant "
            "--config.optimizer.warmup_steps=0 "
            "--config.optimizer.warmup_fraction=0. Received: constant, 0 and "
            "0.5.",
        ),
        (
            {"data__validation": "none", "optimizer__plateau_patience": 1},
            "`--config.optimizer.plateau_patience` needs a validation split. "
            "Received: --config.data.validation=none.",
        ),
        (
            {"data__delimiter": "::"},
            "`--config.data.delimiter` must be one character, or tab. "
            "Received: '::'.",
        ),
        (
            {"data__validation": "none", "trainer__early_stopping_patience": 1},
            "`--config.trainer.early_stopping_patience` needs a validation "
            "split. Received: --config.data.validation=none.",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, message):
    assert problem_of(make_config(**changes)) == message


@pytest.mark.parametrize(
    "changes",
    [
        {"data__train": "", "data__source": "tfds", "data__path": "imdb"},
        {"data__validation_fraction": 0.5, "data__test_fraction": 0.4},
        {"data__sequence_length": 512},
        {"model__encoder__frozen_layers": 2},
        {"model__encoder__frozen_layers": -1},
        {"model__encoder__vocabulary": __file__},
        # With a preset, the sizes are its own.
        {
            "model__encoder__preset": "bert_tiny_en_uncased",
            "model__encoder__num_heads": 3,
            "model__encoder__frozen_layers": 12,
        },
        {"optimizer__warmup_fraction": 0.5},
        {"optimizer__plateau_patience": 1, "optimizer__plateau_factor": 0.1},
        {"optimizer__ema_momentum": 0.999},
        {"trainer__save_every_steps": 0, "trainer__save_every_seconds": 0.0},
    ],
)
def test_settings_at_their_limits_are_taken(changes):
    experiment.validate(make_config(**changes))


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("data__sequence_length", 2, "at least 3"),
        ("data__max_bytes", 0, "at least 1 and at most 10000000"),
        ("data__max_bytes", 10_000_001, "at least 1 and at most 10000000"),
        ("data__validation_fraction", 0.0, "above 0 and below 1"),
        ("data__test_fraction", 1.0, "above 0 and below 1"),
        ("task__label_smoothing", 1.0, "at least 0 and below 1"),
        ("model__dropout", 1.0, "at least 0 and below 1"),
        ("model__encoder__dropout", 1.0, "at least 0 and below 1"),
        ("model__encoder__frozen_layers", -2, "at least -1"),
        ("model__encoder__vocabulary_size", 99, "at least 100"),
        ("optimizer__warmup_fraction", 1.0, "at least 0 and below 1"),
        ("optimizer__global_clipnorm", -1.0, "at least 0"),
        ("optimizer__accumulation_steps", 0, "at least 1"),
        ("optimizer__ema_momentum", 1.0, "at least 0 and below 1"),
        ("trainer__keep_checkpoints", 0, "at least 1"),
    ],
)
def test_a_number_past_its_bound_is_refused(name, value, words):
    assert problem_of(make_config(**{name: value})) == (
        f"`--config.{name.replace('__', '.')}` must be {words}. "
        f"Received: {value!r}."
    )


def test_every_setting_of_texts_has_a_doc_and_a_default_of_its_type():
    for name, field, value in tree_lib.leaves(make_config()):
        doc = field.metadata["doc"]
        assert doc[0].isupper() and doc.rstrip(")").endswith("."), name
        assert type(value) is (typing.get_origin(field.type) or field.type), (
            name
        )


# The best metric.


@pytest.mark.parametrize(
    "name",
    [
        *names.METRICS,
        *(f"per_class/spam/{m}" for m in names.PER_CLASS.metrics),
        "per_class/a/b/recall",
    ],
)
def test_every_metric_can_choose_the_best_epoch(name):
    experiment.validate(make_config(trainer__best_metric=name))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "f1",
        "val_loss",
        "per_class",
        "per_class/spam",
        "per_class/recall",
        "per_class//recall",
        "per_class/spam/accuracy",
        "per_class/spam/support",
        "confusion_matrix",
    ],
)
def test_another_best_metric_is_refused(name):
    assert problem_of(make_config(trainer__best_metric=name)) == (
        "`--config.trainer.best_metric` must be one of loss, accuracy, "
        "macro_precision, macro_recall, macro_f1, micro_precision, "
        "micro_recall, micro_f1, weighted_precision, weighted_recall, "
        "weighted_f1, roc_auc, pr_auc, or per_class/NAME/METRIC with one of "
        f"precision, recall, f1, roc_auc, pr_auc. Received: {name!r}."
    )


# Parts that fit together.

IMAGES = {
    "data": ImageDataConfig(path="digits"),
    "model": tfmodels.MnistMlpConfig(),
}


@pytest.mark.parametrize(
    "part, message",
    [
        (
            "data",
            "`config.data` of ImageDataConfig needs a `config.model` with "
            "`image_shape`. Received: BertClassifierConfig.",
        ),
        (
            "model",
            "`config.data` of TextDataConfig needs a `config.model` with "
            "`encoder`. Received: MnistMlpConfig.",
        ),
    ],
)
def test_data_and_model_have_to_fit(part, message):
    assert problem_of(make_config(**{part: IMAGES[part]})) == message
    experiment.validate(make_config(**IMAGES))


def test_an_objective_has_rules_and_metrics_of_its_own():
    config = make_config(
        task=own_kinds.OwnObjectiveConfig(),
        trainer__epochs=2,
        trainer__best_metric="accuracy",
    )
    assert problem_of(config) == (
        "Not from 2 epochs.\n"
        "`--config.trainer.best_metric` must be one of loss. Received: "
        "'accuracy'."
    )


def test_an_encoder_of_another_class_is_refused():
    assert problem_of(make_config(model__encoder=None)) == (
        "`config.model.encoder` must be of the class EncoderConfig. "
        "Received: None."
    )
    with pytest.raises(ConfigError):
        experiment.check_types(make_config(model__encoder=None))


# JSON.


def test_json_keeps_every_setting_of_texts():
    config = make_config(
        data__train='a "b".csv',
        data__header=False,
        data__sequence_length=64,
        task__class_weights="spam=2,ham=0.5",
        task__label_smoothing=0.1,
        model__pooling="mean",
        model__encoder__hidden_dim=16,
        model__encoder__lowercase=False,
        optimizer__warmup_fraction=0.1,
        trainer__best_metric="per_class/spam/recall",
    )
    text = experiment.to_json(config)
    assert experiment.from_json(text) == config
    tree = json.loads(text)
    assert [tree[part]["kind"] for part in ("data", "model")] == [
        "texts",
        "bert_classifier",
    ]
    assert tree["task"]["objective"] == "single_label"
    assert tree["model"]["encoder"]["hidden_dim"] == 16
    assert "kind" not in tree["model"]["encoder"]


def test_json_with_a_setting_of_another_kind_of_data_is_refused():
    config = experiment.ExperimentConfig(**IMAGES)
    tree = tree_lib.to_tree(config)
    assert experiment.from_tree(tree) == config
    tree["data"]["sequence_length"] = 3
    with pytest.raises(ConfigError) as error:
        experiment.from_tree(tree)
    choices = ", ".join(
        field.name for field in dataclasses.fields(ImageDataConfig)
    )
    assert str(error.value) == (
        "`config.data.sequence_length` is not a setting of this version. "
        f"Choices: {choices}."
    )


@pytest.mark.parametrize("kind", [None, "", "text", ["texts"]])
def test_json_with_another_kind_of_data_is_refused(kind):
    tree = tree_lib.to_tree(make_config())
    tree["data"]["kind"] = kind
    with pytest.raises(ConfigError) as error:
        experiment.from_tree(tree)
    assert str(error.value) == (
        f"`config.data.kind` must be one of {', '.join(kinds.KINDS['data'])}, "
        f"or MODULE:NAME of your own. Received: {kind!r}."
    )


def test_json_without_a_kind_of_data_is_refused():
    tree = tree_lib.to_tree(make_config())
    del tree["data"]["kind"]
    with pytest.raises(ConfigError) as error:
        experiment.from_tree(tree)
    assert str(error.value) == (
        f"`config.data.kind` must be one of {', '.join(kinds.KINDS['data'])}, "
        "or MODULE:NAME of "
        "your own. Received: None."
    )


@pytest.mark.parametrize(
    "tree, message",
    [
        (
            {"encoder": 3},
            "`config.model.encoder` must be an object. Received: 3.",
        ),
        (
            {"encoder": {"hidden": 3}},
            "`config.model.encoder.hidden` is not a setting of this version. "
            "Choices: preset, family, vocabulary, vocabulary_size, lowercase, "
            "num_layers, num_heads, hidden_dim, intermediate_dim, "
            "max_sequence_length, activation, dropout, implementation, "
            "recompute_activations, frozen_layers.",
        ),
    ],
)
def test_json_with_another_encoder_is_refused(tree, message):
    with pytest.raises(ConfigError) as error:
        experiment.from_tree({"model": {"kind": "bert_classifier"} | tree})
    assert str(error.value) == message


# Settings without effect.


def test_nested_settings_without_effect_are_named():
    config = make_config(
        model__encoder__preset="bert_tiny_en_uncased",
        model__encoder__hidden_dim=64,
        model__encoder__dropout=0.2,
        data__path="mails",
    )
    assert list(experiment.ignored_settings(config)) == [
        "`--config.data.path` has no effect: it is for "
        "--config.data.source=tfds or tfds_directory. Received: 'mails'.",
        "`--config.model.encoder.hidden_dim` has no effect: it is for "
        "--config.model.encoder.preset=''. Received: 64.",
    ]
    config.model.encoder.preset = ""
    config.data.source = "tfds"
    assert list(experiment.ignored_settings(config)) == []
