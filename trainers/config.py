"""The configuration of an experiment: a tree of dataclasses.

No `from __future__ import annotations` here, see `config_parts.py`.
"""

import dataclasses
import json
import typing

import tfmodels
from tfmodels import settings
from tfmodels.settings import setting
from trainers import config_rules
from trainers.config_data import ImageDataConfig
from trainers.config_data import TextDataConfig
from trainers.config_parts import ExportConfig
from trainers.config_parts import ImageClassificationConfig
from trainers.config_parts import OptimizerConfig
from trainers.config_parts import TextClassificationConfig
from trainers.config_parts import TrainerConfig
from trainers.errors import ConfigError


@dataclasses.dataclass(slots=True)
class ExperimentConfig:
    """Everything that decides a run. Read-only after `validate`."""

    seed: int = setting(
        42,
        "Source of initial weights, order, dropout and augmentation.",
        at_least=0,
        below=2**31,
    )
    data: typing.Any = dataclasses.field(default_factory=ImageDataConfig)
    task: typing.Any = dataclasses.field(
        default_factory=ImageClassificationConfig
    )
    model: typing.Any = dataclasses.field(
        default_factory=tfmodels.MnistMlpConfig
    )
    optimizer: OptimizerConfig = dataclasses.field(
        default_factory=OptimizerConfig
    )
    trainer: TrainerConfig = dataclasses.field(default_factory=TrainerConfig)
    export: ExportConfig = dataclasses.field(default_factory=ExportConfig)


# Names in `config.json` of the parts that come in several kinds.
DATA_CONFIGS = {"images": ImageDataConfig, "texts": TextDataConfig}
TASK_CONFIGS = {
    "image_classification": ImageClassificationConfig,
    "text_classification": TextClassificationConfig,
}
_KINDS = {
    "data": DATA_CONFIGS,
    "task": TASK_CONFIGS,
    "model": tfmodels.MODEL_CONFIGS,
}
# What a task is fed with, and the part of a model that takes it.
_FITS = {
    ImageClassificationConfig: (ImageDataConfig, "image_shape"),
    TextClassificationConfig: (TextDataConfig, "encoder"),
}


def leaves(config, prefix="config"):
    """Yields `(flag name, dataclass field, value)` of every setting."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        name = f"{prefix}.{field.name}"
        if field.type is typing.Any or dataclasses.is_dataclass(field.type):
            yield from leaves(value, name)
        else:
            yield name, field, value


def check_types(config):
    """Checks what every other function here relies on.

    Raises:
        ConfigError: One line for each part or setting of a wrong type.
    """
    _raise(_part_problems(config))
    _raise(
        f"`--{name}` must be {settings.type_words(field)}. Received: {value!r}."
        for name, field, value in leaves(config)
        if not settings.has_type(value, field.type)
    )


def validate(config):
    """Checks every setting against its rule, then the settings together.

    Raises:
        ConfigError: One line a problem: flag, rule, what was received.
    """
    _raise(_part_problems(config))
    _raise(_problems(config))
    _raise(_cross_problems(config))


def _raise(problems):
    if problems := list(problems):
        raise ConfigError("\n".join(problems))


def _part_problems(config, prefix="config"):
    """Yields each branch of the tree that is not of its class."""
    for field in dataclasses.fields(config):
        if field.type is typing.Any:
            kinds = list(_KINDS[field.name].values())
        elif dataclasses.is_dataclass(field.type):
            kinds = [field.type]
        else:
            continue
        name, part = f"{prefix}.{field.name}", getattr(config, field.name)
        if type(part) in kinds:
            yield from _part_problems(part, name)
        else:
            yield (
                f"`{name}` must be of the class "
                f"{' or '.join(kind.__name__ for kind in kinds)}. "
                f"Received: {part!r}."
            )


def _problems(config):
    """Yields each setting that breaks its own rule, in words."""
    for name, field, value in leaves(config):
        if rule := settings.broken_rule(field, value):
            yield f"`--{name}` must be {rule}. Received: {value!r}."


def _cross_problems(config):
    """Rules that need more than one setting."""
    data_kind, model_part = _FITS[type(config.task)]
    if type(config.data) is not data_kind or not hasattr(
        config.model, model_part
    ):
        yield (
            f"`config.task` {type(config.task).__name__} needs "
            f"`config.data` of {data_kind.__name__} and a `config.model` with "
            f"`{model_part}`. Received: {type(config.data).__name__} and "
            f"{type(config.model).__name__}."
        )
        return
    if data_kind is ImageDataConfig:
        yield from config_rules.image_problems(config)
    else:
        yield from config_rules.text_problems(config)
    yield from config_rules.problems(config)


def ignored_settings(config, prefix="config"):
    """Yields, in words, each setting that was changed but has no effect."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        name = f"{prefix}.{field.name}"
        if dataclasses.is_dataclass(value):
            yield from ignored_settings(value, name)
        elif field.metadata["only_with"] and value != field.default:
            other, values = field.metadata["only_with"]
            if getattr(config, other) not in values:
                yield (
                    f"`--{name}` has no effect: it is for --{prefix}.{other}="
                    f"{' or '.join(values)}. Received: {value!r}."
                )


def to_tree(config):
    """Returns the configuration as nested dicts."""
    tree = dataclasses.asdict(config)
    for part, kinds in _KINDS.items():
        names = {kind: name for name, kind in kinds.items()}
        tree[part] = {"kind": names[type(getattr(config, part))]} | tree[part]
    return tree


def to_json(config):
    """Returns the configuration as JSON text that `from_json` reads."""
    return json.dumps(to_tree(config), indent=2) + "\n"


def from_json(text):
    """Returns the `ExperimentConfig` that `to_json` wrote.

    Args:
        text: str, or bytes in UTF-8.

    Raises:
        ConfigError: The text is not such JSON; a setting is unknown.
    """
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"It is not JSON: {error}.") from None
    return from_tree(tree)


def from_tree(tree):
    """Returns the `ExperimentConfig` of the nested dicts of `to_tree`."""
    return _from_tree(ExperimentConfig, tree, "config")


def _from_tree(kind, tree, name):
    fields = {field.name: field for field in dataclasses.fields(kind)}
    values = {}
    # A setting that is younger than the file keeps its default.
    for key, value in _object(tree, name).items():
        if key not in fields:
            raise ConfigError(
                f"`{name}.{key}` is not a setting of this version. "
                f"Choices: {', '.join(fields)}."
            )
        part = fields[key].type
        if kind is ExperimentConfig and key in _KINDS:
            part, value = _pick_kind(_KINDS[key], value, f"{name}.{key}")
        if dataclasses.is_dataclass(part):
            value = _from_tree(part, value, f"{name}.{key}")
        values[key] = tuple(value) if isinstance(value, list) else value
    return kind(**values)


def _pick_kind(kinds, tree, name):
    tree = dict(_object(tree, name))
    # Version 0.1 had one kind of data, and no name for it.
    default = "images" if kinds is DATA_CONFIGS else None
    kind = tree.pop("kind", default)
    if kind not in list(kinds):
        raise ConfigError(
            f"`{name}.kind` must be one of {', '.join(kinds)}. "
            f"Received: {kind!r}."
        )
    return kinds[kind], tree


def _object(tree, name):
    if not isinstance(tree, dict):
        raise ConfigError(f"`{name}` must be an object. Received: {tree!r}.")
    return tree
