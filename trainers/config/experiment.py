"""The configuration of an experiment: a tree of dataclasses."""

import dataclasses
import json

from tfmodels import MnistMlpConfig
from tfmodels import settings
from tfmodels.model_config import ModelConfig
from tfmodels.settings import setting
from trainers.config import kinds
from trainers.config import overrides
from trainers.config import rules
from trainers.config import tree as tree_lib
from trainers.config.data import DataConfig
from trainers.config.data import ImageDataConfig
from trainers.config.export import ExportConfig
from trainers.config.optimizer import OptimizerConfig
from trainers.config.trainer import TrainerConfig
from trainers.errors import ConfigError
from trainers.objectives.objective import ObjectiveConfig
from trainers.objectives.single_label import SingleLabelConfig


@dataclasses.dataclass(slots=True)
class ExperimentConfig:
    """All settings that decide a run. Read-only after `validate`.

    >>> from trainers.config import ImageDataConfig
    >>> config = ExperimentConfig(data=ImageDataConfig(path="photos"))
    >>> validate(config)
    >>> config.optimizer.name
    'adam'
    """

    seed: int = setting(
        42,
        "Seed of initial weights, order of examples, dropout and augmentation.",
        at_least=0,
        below=2**31,
    )
    data: DataConfig = dataclasses.field(default_factory=ImageDataConfig)
    task: ObjectiveConfig = dataclasses.field(default_factory=SingleLabelConfig)
    model: ModelConfig = dataclasses.field(default_factory=MnistMlpConfig)
    optimizer: OptimizerConfig = dataclasses.field(
        default_factory=OptimizerConfig
    )
    trainer: TrainerConfig = dataclasses.field(default_factory=TrainerConfig)
    export: ExportConfig = dataclasses.field(default_factory=ExportConfig)

    def with_overrides(self, values):
        """Returns a copy with other values; `validate` checks their rules.

        Args:
            values: dict. By name of the setting, such as
                `optimizer.learning_rate`, with or without `config.` before
                it: a value of its type, or the text of a flag, `"3e-4"`.

        Raises:
            ConfigError: A setting does not exist, or a value has a wrong type.

        >>> config = ExperimentConfig()
        >>> config.with_overrides({"trainer.epochs": 3}).trainer.epochs
        3
        >>> config.with_overrides({"seed": "7"}).seed
        7
        """
        named = {
            f"config.{name.removeprefix('config.')}": value
            for name, value in values.items()
        }
        return overrides.apply(self, named)


def check_types(config):
    """Checks the types of all parts and settings.

    Args:
        config: `ExperimentConfig`.

    Raises:
        ConfigError: One line for each part or setting of a wrong type.
    """
    _raise(_part_problems(config))
    _raise(
        # No flag: it would be too late, the file itself has to change.
        f"`{name}` must be {settings.type_words(field)}. Received: {value!r}."
        + _choices(field)
        for name, field, value in tree_lib.leaves(config)
        if not settings.has_type(value, field.type)
    )


def _choices(field):
    words = settings.choice_words(field)
    return f" Choices: {words}." if words else ""


def validate(config):
    """Checks every setting against its rule, then the settings together.

    Args:
        config: `ExperimentConfig`.

    Raises:
        ConfigError: One line for each problem: flag, rule, received value.
    """
    _raise(_part_problems(config))
    _raise(_problems(config))
    _raise(_cross_problems(config))


def _raise(problems):
    if problems := list(problems):
        raise ConfigError("\n".join(problems))


def _part_problems(config, prefix="config"):
    """Yields each branch of the tree that has a wrong class."""
    for field in dataclasses.fields(config):
        name, part = f"{prefix}.{field.name}", getattr(config, field.name)
        if tree_lib.has_kinds(field):
            problem = _kind_problem(field, part)
        elif dataclasses.is_dataclass(field.type):
            is_right = type(part) is field.type
            problem = f" must be of the class {field.type.__name__}"
            problem = None if is_right else problem
        else:
            continue
        if problem:
            yield f"`{name}`{problem}. Received: {part!r}."
        else:
            yield from _part_problems(part, name)


def _kind_problem(field, part):
    """Returns why a part of several kinds cannot be used, or `None`."""
    kind = type(part)
    if not isinstance(part, field.type) or not dataclasses.is_dataclass(kind):
        names = " or ".join(kinds.class_names(field.name))
        return (
            f" must be of the class {names}, or of a dataclass derived from "
            f"{field.type.__name__}"
        )
    # `config.json` contains the name of the class.
    name = kinds.name_of(field.name, kind)
    try:
        is_found = kinds.load(field.name, name, "") is kind
    except ConfigError:
        is_found = False
    if not is_found:
        return (
            " must be of a class that Python can import, for example from a "
            "file beside the config file, because the run is read again by "
            f"evaluation and export; {name} cannot be imported"
        )
    problem = tree_lib.kind_problem(field.name, kind)
    return f": {problem}" if problem else None


def _problems(config):
    """Yields each setting that breaks its own rule, in words."""
    for name, field, value in tree_lib.leaves(config):
        if rule := settings.broken_rule(field, value):
            yield f"`--{name}` must be {rule}. Received: {value!r}."


def _cross_problems(config):
    """Yields broken rules between several settings."""
    data, model = config.data, config.model
    if data.model_part and not hasattr(model, data.model_part):
        yield (
            f"`config.data` of {type(data).__name__} needs a `config.model` "
            f"with `{data.model_part}`. Received: {type(model).__name__}."
        )
        return
    if mismatches := list(rules.mismatches(config)):
        yield from mismatches
        return
    yield from data.problems(model)
    yield from model.problems()
    yield from config.task.problems(config)
    yield from rules.problems(config)


def ignored_settings(config, prefix="config"):
    """Yields, in words, each setting that was changed but has no effect.

    Args:
        config: `ExperimentConfig`, or a part of it.
        prefix: str. Flag name of `config` itself.
    """
    if isinstance(config, ExperimentConfig):
        yield from rules.ignored(config)
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        name = f"{prefix}.{field.name}"
        if dataclasses.is_dataclass(value):
            yield from ignored_settings(value, name)
        elif field.metadata["only_with"] and value != field.default:
            other, values = field.metadata["only_with"]
            found = getattr(config, other)
            is_own = isinstance(found, str) and settings.is_own(found)
            if found not in values and not is_own:
                words = " or ".join(value or "''" for value in values)
                yield (
                    f"`--{name}` has no effect: it is for --{prefix}.{other}="
                    f"{words}. Received: {value!r}."
                )


def to_json(config):
    """Returns the configuration as JSON text that `from_json` reads.

    Args:
        config: `ExperimentConfig`.
    """
    return json.dumps(tree_lib.to_tree(config), indent=2) + "\n"


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
    """Returns the `ExperimentConfig` of the nested dicts of `tree.to_tree`.

    Args:
        tree: dict. Settings by name.

    Raises:
        ConfigError: A setting or a kind is unknown; a part is not a dict.
    """
    return tree_lib.from_tree(ExperimentConfig, tree)
