"""The configuration of an experiment: a tree of dataclasses.

No `from __future__ import annotations` here, see `config_parts.py`.
"""

import dataclasses
import json
import typing

import tfmodels
from tfmodels import settings
from tfmodels.settings import setting
from trainers.config_parts import DataConfig
from trainers.config_parts import ExportConfig
from trainers.config_parts import ImageClassificationConfig
from trainers.config_parts import OptimizerConfig
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
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    task: ImageClassificationConfig = dataclasses.field(
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
TASK_CONFIGS = {"image_classification": ImageClassificationConfig}
_KINDS = {"task": TASK_CONFIGS, "model": tfmodels.MODEL_CONFIGS}


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


def _part_problems(config):
    """Yields each branch of the tree that is not of its class."""
    for field in dataclasses.fields(ExperimentConfig):
        if field.name in _KINDS:
            kinds = list(_KINDS[field.name].values())
        elif dataclasses.is_dataclass(field.type):
            kinds = [field.type]
        else:
            continue
        part = getattr(config, field.name)
        if type(part) not in kinds:
            yield (
                f"`config.{field.name}` must be of the class "
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
    shape = config.model.image_shape
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] != 3):
        yield (
            "`--config.model.image_shape` must be height,width for grey or "
            f"height,width,3 for colour images. Received: {shape!r}."
        )
    if not config.data.path:
        yield (
            "`--config.data.path` must name the data. Received: ''. Set it to "
            "a file, a directory or a TFDS dataset, as --config.data.source "
            "says."
        )
    name = config.export.name
    if not name or not name.replace("_", "").replace("-", "").isalnum():
        yield (
            "`--config.export.name` must be letters, digits, `_` and `-`. "
            f"Received: {name!r}."
        )
    if config.trainer.strategy == "multi_worker":
        yield (
            "`--config.trainer.strategy=multi_worker` is not in this version: "
            "stock Keras 3 cannot run `model.fit` under it. Choices: auto, "
            "one_device, mirrored, tpu."
        )
    optimizer = config.optimizer
    if optimizer.schedule == "exponential" and optimizer.end_fraction == 0:
        yield (
            "`--config.optimizer.end_fraction` must be above 0 for the "
            "schedule `exponential`. Received: 0."
        )
    if config.trainer.early_stopping_patience and (
        config.data.validation == "none"
    ):
        yield (
            "`--config.trainer.early_stopping_patience` needs a validation "
            "split. Received: --config.data.validation=none."
        )


def ignored_settings(config):
    """Yields, in words, each setting that was changed but has no effect."""
    for part in dataclasses.fields(config):
        settings_of_part = getattr(config, part.name)
        if not dataclasses.is_dataclass(settings_of_part):
            continue
        for field in dataclasses.fields(settings_of_part):
            value = getattr(settings_of_part, field.name)
            only_with = field.metadata["only_with"]
            if only_with is None or value == field.default:
                continue
            other, values = only_with
            if getattr(settings_of_part, other) not in values:
                yield (
                    f"`--config.{part.name}.{field.name}` has no effect: it "
                    f"is for --config.{part.name}.{other}="
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
    kind = tree.pop("kind", None)
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
