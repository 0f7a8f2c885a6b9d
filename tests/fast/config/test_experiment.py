"""The configuration: shipped files, rules of settings, JSON."""

import dataclasses
import json
import math
import re
import runpy
import typing

import pytest
from repository import ROOT

import tfmodels
from tfmodels import settings
from trainers.config import experiment
from trainers.config import files
from trainers.config import kinds
from trainers.config import tree as tree_lib
from trainers.config.data import ImageDataConfig
from trainers.config.export import ExportConfig
from trainers.config.optimizer import OptimizerConfig
from trainers.config.trainer import TrainerConfig
from trainers.errors import ConfigError

CONFIG_DIR = ROOT / "configs"
SHIPPED = [
    (file.name, variant)
    for file in sorted(CONFIG_DIR.glob("*.py"))
    for variant in runpy.run_path(str(file))["VARIANTS"]
]
LEAVES = {
    name.removeprefix("config."): field
    for name, field, _ in tree_lib.leaves(experiment.ExperimentConfig())
}
MODELS = ", ".join(kinds.KINDS["model"])
OBJECTIVES = ", ".join(kinds.KINDS["task"])
OWN = "or MODULE:NAME of your own"
# `task.objective` is the class of a part, and no field of it.
FIELDS = {
    k: v for k, v in LEAVES.items() if f"config.{k}" != tree_lib.OBJECTIVE
}
NUMBERS = [name for name, field in FIELDS.items() if field.type in (int, float)]


def make_config(**changes):
    """Returns a valid config with leaves changed: `data__path="x"`."""
    config = experiment.ExperimentConfig()
    config.data.path = "digits"
    for name, value in changes.items():
        set_leaf(config, name.replace("__", "."), value)
    return config


def set_leaf(config, name, value):
    *parts, leaf = name.split(".")
    for part in parts:
        config = getattr(config, part)
    setattr(config, leaf, value)


def problem_of(config):
    with pytest.raises(ConfigError) as error:
        experiment.validate(config)
    return str(error.value)


# Files in configs/.


@pytest.mark.parametrize("name, variant", SHIPPED)
def test_every_shipped_file_loads_and_is_valid(name, variant):
    config = files.load(f"configs/{name}:{variant}")
    assert type(config) is experiment.ExperimentConfig
    experiment.validate(config)


@pytest.mark.parametrize(
    ("objective", "metric"),
    [
        ("multi_label", "loss"),
        ("multi_label", "micro_f1"),
        ("regression", "loss"),
        ("regression", "mae"),
    ],
)
@pytest.mark.parametrize(("name", "variant"), SHIPPED)
def test_shipped_experiments_learn_labels_and_numbers_as_the_docs_say(
    name, variant, objective, metric
):
    config = runpy.run_path(str(CONFIG_DIR / name))["get_config"](variant)
    if config.data.per_token:
        return  # `configs/bert_tagger.py`.
    experiment.validate(
        config.with_overrides(
            {"task.objective": objective, "trainer.best_metric": metric}
        )
    )


@pytest.mark.parametrize(
    "file", sorted(CONFIG_DIR.glob("*.py")), ids=lambda file: file.stem
)
def test_the_pages_that_an_experiment_names_exist(file):
    text = file.read_text(encoding="utf-8")
    for page in re.findall(r"\bdocs/[\w/.-]+\.md\b", text):
        assert (ROOT / page).is_file(), page


def test_the_shipped_names_are_the_files():
    assert files.shipped() == [
        f"configs/{name}" for name in sorted({name for name, _ in SHIPPED})
    ]
    assert "configs/mnist_mlp.py" in files.shipped()


def test_every_shipped_file_has_a_smoke_variant():
    assert {name for name, _ in SHIPPED} == {
        name for name, variant in SHIPPED if variant == "smoke"
    }


@pytest.mark.parametrize("name, variant", SHIPPED)
def test_json_gives_the_same_config_back(name, variant):
    config = files.load(f"configs/{name}:{variant}")
    assert experiment.from_json(experiment.to_json(config)) == config


def test_mnist_mlp_is_the_network_it_documents():
    config = files.load("configs/mnist_mlp.py")
    assert config == experiment.ExperimentConfig(
        seed=42,
        data=ImageDataConfig(
            source="tfds_directory",
            path="package://trainers.data.mnist_subset/1.0.0",
            train="",
            validation="",
            test="",
            global_batch_size=32,
        ),
        model=tfmodels.MnistMlpConfig(
            image_shape=(28, 28),
            hidden_dims=(64, 64),
            activation="relu",
            dropout=0.0,
            l2=0.0,
        ),
        optimizer=OptimizerConfig(
            name="adam",
            learning_rate=1e-3,
            schedule="constant",
            warmup_steps=0,
            beta_1=0.9,
            beta_2=0.999,
            epsilon=1e-7,
        ),
        trainer=TrainerConfig(
            epochs=10,
            strategy="auto",
            dtype_policy="float32",
            best_metric="loss",
            early_stopping_patience=0,
        ),
        export=ExportConfig(name="mnist_mlp"),
    )


@pytest.mark.parametrize(
    "variant, changes",
    [
        (
            "wide",
            {
                "model.hidden_dims": (256, 128),
                "optimizer.name": "momentum",
                "optimizer.learning_rate": 0.01,
                "optimizer.momentum": 0.9,
            },
        ),
        (
            "full",
            {
                "data.source": "tfds",
                "data.path": "mnist",
                "data.train": "train[:55000]",
                "data.validation": "train[55000:]",
                "data.test": "test",
            },
        ),
        (
            "smoke",
            {
                "data.train": "train[:500]",
                "data.validation": "validation[:100]",
                "data.test": "test[:100]",
                "trainer.epochs": 1,
            },
        ),
    ],
)
def test_variants_of_mnist_mlp_differ_in_what_they_document(variant, changes):
    expected = files.load("configs/mnist_mlp.py")
    for name, value in changes.items():
        set_leaf(expected, name, value)
    assert files.load(f"configs/mnist_mlp.py:{variant}") == expected


def test_two_loads_share_nothing():
    first = files.load("configs/mnist_mlp.py")
    first.model.hidden_dims = (1,)
    first.optimizer.name = "sgd"
    second = files.load("configs/mnist_mlp.py")
    assert second.model.hidden_dims == (64, 64)
    assert second.optimizer.name == "adam"


# Rules of one setting.


@pytest.mark.parametrize("name", LEAVES)
def test_every_setting_has_a_doc_and_a_default_that_follows_its_rule(name):
    field = LEAVES[name]
    doc = field.metadata["doc"]
    assert doc[0].isupper() and doc.endswith(".")
    assert settings.broken_rule(field, field.default) is None
    # Of the exact type: `--help` shows the default of a number as `0.0`.
    assert type(field.default) is (typing.get_origin(field.type) or field.type)


def test_the_default_config_lacks_nothing_but_its_data():
    assert problem_of(experiment.ExperimentConfig()) == (
        "`--config.data.path` must name the data. Received: ''. Set it to a "
        "file, a directory or a TFDS dataset, as --config.data.source says."
    )
    experiment.validate(make_config())


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_refuses_another_type(name):
    config = make_config()
    wrong = 3 if LEAVES[name].type is str else "3"
    set_leaf(config, name, wrong)
    words = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "text",
        tuple[int, ...]: "whole numbers, like 64,64",
        tuple[str, ...]: "names, separated by commas",
    }[LEAVES[name].type]
    assert problem_of(config) == (
        f"`--config.{name}` must be {words}. Received: {wrong!r}."
    )


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [True, None, (1,)])
def test_every_number_refuses_what_only_python_takes_for_one(name, value):
    config = make_config()
    set_leaf(config, name, value)
    words = "a whole number" if LEAVES[name].type is int else "a number"
    assert problem_of(config) == (
        f"`--config.{name}` must be {words}. Received: {value!r}."
    )


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400])
def test_every_number_refuses_nan_infinity_and_giants(name, value):
    config = make_config()
    set_leaf(config, name, value)
    problem = problem_of(config)
    assert problem.startswith(f"`--config.{name}` must be ")
    assert problem.endswith(f" Received: {value!r}.")


@pytest.mark.parametrize(
    "name",
    [name for name in FIELDS if "choices" in FIELDS[name].metadata["rule"]],
)
def test_every_choice_is_taken_and_nothing_else(name):
    choices = FIELDS[name].metadata["rule"]["choices"]
    is_tuple = typing.get_origin(FIELDS[name].type) is tuple
    for choice in choices:
        value = (choice,) if is_tuple else choice
        assert settings.broken_rule(FIELDS[name], value) is None
    config = make_config()
    wrong = (choices[0], "nonsense") if is_tuple else "nonsense"
    set_leaf(config, name, wrong)
    words = f"{'names from' if is_tuple else 'one of'} {', '.join(choices)}"
    if FIELDS[name].metadata["or_own"]:
        words += ", or MODULE:NAME of your own"
    assert problem_of(config) == (
        f"`--config.{name}` must be {words}. Received: {wrong!r}."
    )


@pytest.mark.parametrize(
    "text, value",
    [
        ("", ()),
        ("[]", ()),
        (" ", ()),
        ("csv", ("csv",)),
        ("csv,", ("csv",)),
        ("csv, my.module:Name", ("csv", "my.module:Name")),
        ("[tensorboard,csv]", ("tensorboard", "csv")),
    ],
)
def test_trackers_are_names_separated_by_commas(text, value):
    config = make_config().with_overrides({"trainer.trackers": text})
    assert config.trainer.trackers == value
    experiment.validate(config)
    assert experiment.from_json(experiment.to_json(config)) == config


@pytest.mark.parametrize(
    "name",
    ["", "CSV", "my.module", ":Name", "my module:Name", "a:b:c", "a/b:C"],
)
def test_a_tracker_has_a_name_of_the_table_or_a_path(name):
    problem = problem_of(make_config(trainer__trackers=(name,)))
    assert problem == (
        "`--config.trainer.trackers` must be names from tensorboard, csv, "
        "mlflow, wandb, or MODULE:NAME of your own. "
        f"Received: {(name,)!r}."
    )


def test_a_tracker_is_named_once():
    assert problem_of(make_config(trainer__trackers=("csv", "csv"))) == (
        "`--config.trainer.trackers` must name each tracker once. "
        "Received: ('csv', 'csv')."
    )


def test_a_source_can_be_of_a_package_of_the_user():
    experiment.validate(make_config(data__source="my.package:open_source"))
    for name in (":", "a:", ":b", "a:b:c"):
        config = make_config(data__source=name)
        assert problem_of(config).startswith("`--config.data.source` must be")


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("seed", -1, "at least 0 and below 2147483648"),
        ("seed", 2**31, "at least 0 and below 2147483648"),
        ("data.global_batch_size", 0, "at least 1"),
        ("data.global_batch_size", 2**63, "at least 1 and below 2**63"),
        ("data.random_shift", 1.1, "at least 0 and at most 1"),
        ("data.random_rotation", -1.0, "at least 0 and at most 180"),
        ("data.random_rotation", 181.0, "at least 0 and at most 180"),
        ("data.random_zoom", 1.0, "at least 0 and below 1"),
        ("model.hidden_dims", (64, 0), "at least 1"),
        ("model.image_shape", (0, 28), "at least 1"),
        ("model.dropout", 1.0, "at least 0 and below 1"),
        ("model.dropout", math.nan, "at least 0 and below 1"),
        ("model.l2", -0.1, "at least 0"),
        ("optimizer.learning_rate", 0.0, "above 0"),
        ("optimizer.learning_rate", -1e-3, "above 0"),
        ("optimizer.learning_rate", math.nan, "above 0 and below 2**63"),
        ("optimizer.learning_rate", math.inf, "above 0 and below 2**63"),
        ("optimizer.warmup_steps", -1, "at least 0"),
        ("optimizer.end_fraction", 1.5, "at least 0 and at most 1"),
        ("optimizer.momentum", 1.0, "at least 0 and below 1"),
        ("optimizer.beta_1", 1.0, "at least 0 and below 1"),
        ("optimizer.beta_2", 1.0, "at least 0 and below 1"),
        ("optimizer.epsilon", 0.0, "above 0"),
        ("optimizer.weight_decay", -1.0, "at least 0"),
        ("optimizer.ema_momentum", -0.1, "at least 0 and below 1"),
        ("optimizer.ema_momentum", 1.0, "at least 0 and below 1"),
        ("optimizer.plateau_patience", -1, "at least 0"),
        ("optimizer.plateau_factor", 0.0, "above 0 and below 1"),
        ("optimizer.plateau_factor", 1.0, "above 0 and below 1"),
        ("task.focal_gamma", -0.1, "at least 0 and at most 100"),
        ("task.focal_gamma", 100.1, "at least 0 and at most 100"),
        ("trainer.epochs", 0, "at least 1"),
        ("trainer.num_logical_cpus", -1, "at least 0 and at most 64"),
        ("trainer.num_logical_cpus", 65, "at least 0 and at most 64"),
        ("trainer.steps_per_execution", -1, "at least 0"),
        ("trainer.save_every_steps", -1, "at least 0"),
        ("trainer.save_every_seconds", -0.5, "at least 0"),
        (
            "trainer.start_timeout_seconds",
            1e10,
            "above 0 and at most 1000000",
        ),
        ("trainer.keep_checkpoints", 0, "at least 1"),
        ("trainer.early_stopping_patience", -1, "at least 0"),
        ("trainer.early_stopping_min_delta", -0.1, "at least 0"),
    ],
)
def test_a_number_past_its_bound_is_refused(name, value, words):
    config = make_config()
    set_leaf(config, name, value)
    assert problem_of(config) == (
        f"`--config.{name}` must be {words}. Received: {value!r}."
    )


@pytest.mark.parametrize(
    "name, value",
    [
        ("seed", 0),
        ("seed", 2**31 - 1),
        ("data.global_batch_size", 1),
        ("data.random_shift", 1.0),
        ("data.random_rotation", 180),
        ("model.hidden_dims", ()),
        ("model.hidden_dims", [8, 8]),
        ("model.dropout", 0),
        ("optimizer.learning_rate", 1),
        ("optimizer.end_fraction", 0.0),
        ("optimizer.end_fraction", 1.0),
        ("optimizer.ema_momentum", 0.0),
        ("optimizer.ema_momentum", math.nextafter(1, 0)),
        ("optimizer.plateau_patience", 1),
        ("optimizer.plateau_factor", math.nextafter(0, 1)),
        ("optimizer.plateau_factor", math.nextafter(1, 0)),
        ("trainer.epochs", 1),
        ("trainer.save_every_steps", 1),
        ("trainer.save_every_seconds", 0),
        ("trainer.keep_checkpoints", 1),
    ],
)
def test_a_number_at_its_bound_is_taken(name, value):
    config = make_config()
    set_leaf(config, name, value)
    experiment.validate(config)


def test_a_setting_without_a_rule_refuses_nan_as_well():
    @dataclasses.dataclass
    class Free:
        share: float = settings.setting(0.0, "Anything.")

    (field,) = dataclasses.fields(Free)
    assert settings.broken_rule(field, -1e9) is None
    assert settings.broken_rule(field, math.nan) == "below 2**63"


def test_every_problem_gets_a_line():
    config = make_config(
        seed=-1, trainer__epochs="10", optimizer__name="rmsprop"
    )
    assert problem_of(config).splitlines() == [
        "`--config.seed` must be at least 0 and below 2147483648. "
        "Received: -1.",
        "`--config.optimizer.name` must be one of sgd, momentum, adam, "
        "adamw. Received: 'rmsprop'.",
        "`--config.trainer.epochs` must be a whole number. Received: '10'.",
    ]


# Rules of several settings, and of the tree.


@pytest.mark.parametrize("shape", [(), (28,), (28, 28, 1), (28, 28, 3, 1)])
def test_an_image_is_grey_or_has_three_colours(shape):
    assert problem_of(make_config(model__image_shape=shape)) == (
        "`--config.model.image_shape` must be height,width for grey or "
        f"height,width,3 for colour images. Received: {shape!r}."
    )
    experiment.validate(make_config(model__image_shape=(28, 28, 3)))


@pytest.mark.parametrize(
    "name",
    ["", "-", "_.", "a/b", "a b", "..", ".a", "a\n", "модель", "modèle", "m²"],
)
def test_the_name_of_an_export_is_the_name_of_a_directory(name):
    assert problem_of(make_config(export__name=name)) == (
        "`--config.export.name` must be letters from a to z, digits, `_`, `-` "
        "and `.`, with a letter or digit, and must not begin with `.`. "
        f"Received: {name!r}."
    )
    for right in ("mnist-mlp_2.1", "Model", "-a", "_7"):
        experiment.validate(make_config(export__name=right))


@pytest.mark.parametrize(
    "sizes", [(), (2, 1), (1, 2, 2, 4), tuple(range(1, 102))]
)
def test_the_batch_sizes_of_a_server_increase(sizes):
    assert problem_of(make_config(export__allowed_batch_sizes=sizes)) == (
        "`--config.export.allowed_batch_sizes` must be increasing numbers, "
        f"like 1,2,4,8, at most 100 of them. Received: {sizes!r}."
    )
    experiment.validate(make_config(export__allowed_batch_sizes=(3,)))


@pytest.mark.parametrize("sizes", [(0, 1), (1, 1025)])
def test_a_batch_has_a_row_and_at_most_1024(sizes):
    assert problem_of(make_config(export__allowed_batch_sizes=sizes)) == (
        "`--config.export.allowed_batch_sizes` must be at least 1 and at most "
        f"1024. Received: {sizes!r}."
    )


def test_an_exponential_schedule_does_not_end_at_zero():
    config = make_config(
        optimizer__schedule="exponential", optimizer__end_fraction=0.0
    )
    assert problem_of(config) == (
        "`--config.optimizer.end_fraction` must be above 0 for the schedule "
        "`exponential`. Received: 0."
    )
    config.optimizer.schedule = "linear"
    experiment.validate(config)


def test_early_stopping_needs_a_validation_split():
    config = make_config(
        data__validation="none", trainer__early_stopping_patience=2
    )
    assert problem_of(config) == (
        "`--config.trainer.early_stopping_patience` needs a validation "
        "split. Received: --config.data.validation=none."
    )
    config.trainer.early_stopping_patience = 0
    experiment.validate(config)


@pytest.mark.parametrize(
    "changes, received",
    [
        ({"schedule": "linear"}, "linear, 0 and 0.0"),
        ({"schedule": "cosine"}, "cosine, 0 and 0.0"),
        ({"warmup_steps": 1}, "constant, 1 and 0.0"),
        ({"warmup_fraction": 0.1}, "constant, 0 and 0.1"),
    ],
    ids=["linear", "cosine", "steps", "fraction"],
)
def test_a_plateau_takes_the_place_of_a_schedule(changes, received):
    changes = {f"optimizer__{name}": value for name, value in changes.items()}
    config = make_config(optimizer__plateau_patience=2, **changes)
    assert problem_of(config) == (
        "`--config.optimizer.plateau_patience` replaces the schedule. It needs "
        "--config.optimizer.schedule=constant "
        "--config.optimizer.warmup_steps=0 "
        f"--config.optimizer.warmup_fraction=0. Received: {received}."
    )
    config.optimizer.plateau_patience = 0
    experiment.validate(config)


def test_a_plateau_needs_a_validation_split():
    config = make_config(data__validation="none", optimizer__plateau_patience=2)
    assert problem_of(config) == (
        "`--config.optimizer.plateau_patience` needs a validation split. "
        "Received: --config.data.validation=none."
    )
    config.optimizer.schedule = "linear"
    config.trainer.early_stopping_patience = 1
    assert [line.split(" ")[2] for line in problem_of(config).splitlines()] == [
        "the",
        "a",
        "a",
    ]
    config.optimizer = OptimizerConfig()
    config.trainer.early_stopping_patience = 0
    experiment.validate(config)


def test_a_part_of_another_class_is_refused():
    config = make_config(data=None, model=ExportConfig())
    data_classes = " or ".join(kinds.class_names("data"))
    model_classes = " or ".join(kinds.class_names("model"))
    assert problem_of(config).splitlines() == [
        f"`config.data` must be of the class {data_classes}, or of a dataclass "
        "derived from DataConfig. Received: None.",
        f"`config.model` must be of the class {model_classes}, or of a "
        f"dataclass derived from ModelConfig. Received: {ExportConfig()!r}.",
    ]


def test_a_part_in_the_place_of_a_setting_is_refused():
    assert problem_of(make_config(seed=ExportConfig())) == (
        f"`--config.seed` must be a whole number. Received: {ExportConfig()!r}."
    )


def test_a_misspelt_setting_cannot_be_set():
    config = make_config()
    with pytest.raises(AttributeError, match="no attribute 'learningrate'"):
        config.optimizer.learningrate = 0.1
    with pytest.raises(AttributeError, match="no attribute 'hidden_dim'"):
        config.model.hidden_dim = (8,)


# JSON.


def test_json_names_the_kinds_of_data_and_model_and_the_objective():
    tree = json.loads(experiment.to_json(make_config()))
    assert list(tree) == [
        "seed",
        "data",
        "task",
        "model",
        "optimizer",
        "trainer",
        "export",
    ]
    assert tree["data"]["kind"] == "images"
    assert tree["task"] == {
        "objective": "single_label",
        "label_smoothing": 0.0,
        "class_weights": "none",
        "focal_gamma": 0.0,
    }
    assert tree["model"] == {
        "kind": "mnist_mlp",
        "image_shape": [28, 28],
        "hidden_dims": [64, 64],
        "activation": "relu",
        "dropout": 0.0,
        "l2": 0.0,
    }


def test_json_keeps_every_setting():
    config = make_config(
        seed=7,
        data__path='a "quoted" pfad/文',
        model__hidden_dims=(),
        model__image_shape=(4, 4, 3),
        optimizer__learning_rate=0.1 + 0.2,
        optimizer__ema_momentum=0.999,
        trainer__jit_compile="always",
        trainer__resume="must",
        trainer__save_every_seconds=0.1,
        data__random_zoom=0.5,
        export__name="other",
    )
    assert experiment.from_json(experiment.to_json(config)) == config
    as_bytes = experiment.to_json(config).encode()
    assert experiment.from_json(as_bytes) == config


def test_json_of_before_checkpoints_gets_the_defaults():
    config = make_config(trainer__epochs=3)
    tree = tree_lib.to_tree(config)
    for part, names in {
        "optimizer": ["ema_momentum", "plateau_patience", "plateau_factor"],
        "trainer": [
            "deterministic_ops",
            "resume",
            "save_every_steps",
            "save_every_seconds",
            "keep_checkpoints",
        ],
    }.items():
        for name in names:
            del tree[part][name]
    assert experiment.from_tree(tree) == config
    assert config.trainer.deterministic_ops == "auto"
    assert config.trainer.resume == "auto"
    assert config.trainer.save_every_steps == 0
    assert config.trainer.save_every_seconds == 300.0
    assert config.trainer.keep_checkpoints == 2


def test_json_of_an_older_version_gets_the_defaults():
    text = '{"data": {"kind": "images", "path": "digits"}}'
    assert experiment.from_json(text) == make_config()


def test_a_removed_setting_is_ignored_with_a_warning(caplog):
    text = '{"data": {"kind": "images", "path": "digits", "service": "%s"}}'
    assert experiment.from_json(text % "") == make_config()
    assert caplog.messages == []
    for _ in range(2):
        assert experiment.from_json(text % "host:5050") == make_config()
    assert caplog.messages == [
        "`--config.data.service` is ignored: the setting no longer exists, "
        "and training makes its batches itself, in an order that it can "
        "repeat. Received: 'host:5050'."
    ]


@pytest.mark.parametrize(
    "text, message",
    [
        (
            '{"sead": 1}',
            "`config.sead` is not a setting of this version. Choices: seed, "
            "data, task, model, optimizer, trainer, export.",
        ),
        (
            '{"export": {"nam": "x"}}',
            "`config.export.nam` is not a setting of this version. "
            "Choices: name, check, allowed_batch_sizes, max_entities.",
        ),
        (
            '{"model": {"kind": "mnist_cnn"}}',
            f"`config.model.kind` must be one of {MODELS}, {OWN}. "
            "Received: 'mnist_cnn'.",
        ),
        (
            '{"task": {"label_smoothing": 0.1}}',
            f"`config.task.objective` must be one of {OBJECTIVES}, {OWN}. "
            "Received: None.",
        ),
        (
            '{"model": {"kind": ["mnist_mlp"]}}',
            f"`config.model.kind` must be one of {MODELS}, {OWN}. "
            "Received: ['mnist_mlp'].",
        ),
        ("[]", "`config` must be an object. Received: []."),
        ("null", "`config` must be an object. Received: None."),
        ('{"data": 3}', "`config.data` must be an object. Received: 3."),
        ('{"model": []}', "`config.model` must be an object. Received: []."),
        ("", "It is not JSON: Expecting value: line 1 column 1 (char 0)."),
        (
            '{"seed": 1,',
            "It is not JSON: Expecting property name enclosed in double "
            "quotes: line 1 column 12 (char 11).",
        ),
        (
            b'{"seed": "\xff"}',
            "It is not JSON: 'utf-8' codec can't decode byte 0xff in "
            "position 10: invalid start byte.",
        ),
        (
            "[" * 100_000,
            "It is not JSON: maximum recursion depth exceeded while decoding "
            "a JSON array from a unicode string.",
        ),
    ],
)
def test_json_that_is_no_configuration_is_refused(text, message):
    with pytest.raises(ConfigError) as error:
        experiment.from_json(text)
    assert str(error.value) == message


def test_values_in_json_follow_the_rules_as_well():
    config = experiment.from_json(
        '{"seed": "1", "optimizer": {"learning_rate": NaN}, '
        '"data": {"kind": "images", "path": "x", "train": ["a"]}}'
    )
    assert problem_of(config).splitlines() == [
        "`--config.seed` must be a whole number. Received: '1'.",
        "`--config.data.train` must be text. Received: ('a',).",
        "`--config.optimizer.learning_rate` must be above 0 and below 2**63. "
        "Received: nan.",
    ]


def test_a_wrong_type_gets_the_choices():
    """`jit_compile` was true or false."""
    config = make_config(trainer__jit_compile=True)
    with pytest.raises(ConfigError) as error:
        experiment.check_types(config)
    assert str(error.value) == (
        "`config.trainer.jit_compile` must be text. Received: True. "
        "Choices: auto, always, background, never."
    )


def test_settings_without_effect_are_named():
    config = experiment.ExperimentConfig()
    assert list(experiment.ignored_settings(config)) == []
    config.optimizer.momentum = 0.5
    config.optimizer.end_fraction = 0.5
    config.data.data_dir = "x"
    assert list(experiment.ignored_settings(config)) == [
        "`--config.data.data_dir` has no effect: it is for "
        "--config.data.source=tfds. Received: 'x'.",
        "`--config.optimizer.end_fraction` has no effect: it is for "
        "--config.optimizer.schedule=cosine or linear or exponential. "
        "Received: 0.5.",
        "`--config.optimizer.momentum` has no effect: it is for "
        "--config.optimizer.name=momentum. Received: 0.5.",
    ]
    config.optimizer.name = "momentum"
    config.optimizer.schedule = "cosine"
    config.data.source = "tfds"
    assert list(experiment.ignored_settings(config)) == []


def test_parameter_servers_are_refused_with_the_reason():
    config = experiment.ExperimentConfig()
    config.data.path = "x"
    config.trainer.strategy = "parameter_server"
    with pytest.raises(ConfigError) as error:
        experiment.validate(config)
    assert str(error.value) == (
        "`--config.trainer.strategy` must be one of auto, one_device, "
        "mirrored, multi_worker, tpu: Keras 3 cannot train under "
        "ParameterServerStrategy. Received: 'parameter_server'."
    )
