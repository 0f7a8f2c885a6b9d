"""Converts a configuration to flags and nested dicts, and back."""

import dataclasses
import functools
import logging

from tfmodels import settings
from tfmodels.settings import setting
from trainers.config import kinds
from trainers.errors import ConfigError

# The objective is a setting: the kind of the part `task`.
OBJECTIVE = "config.task.objective"
_OBJECTIVE = settings.named(
    setting(
        "single_label",
        "What the targets are, which decides the loss, the metrics and the "
        "answers.",
        choices=tuple(kinds.KINDS["task"]),
        or_own=True,
    ),
    "objective",
    str,
)
# Settings that have another name today.
MOVED = {
    f"config.task.{name}": f"config.data.{name}"
    for name in ("random_shift", "random_rotation", "random_zoom")
}
# Names of `config.task.kind` in older runs.
_OLD_TASKS = ("image_classification", "text_classification")

# Settings that the `config.json` of an older run can contain, with their
# default and the reason why a run can do without them.
_REMOVED = {
    "config.data.service": (
        "",
        "training makes its batches itself, in an order that it can repeat",
    ),
}

# Values of settings that older runs have without having written them.
_BEFORE = {"config.data.padded_lengths": "many"}


def leaves(config, prefix="config"):
    """Yields `(flag name, dataclass field, value)` of every setting.

    Args:
        config: `ExperimentConfig`, or a part of it.
        prefix: str. Flag name of `config` itself.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        name = f"{prefix}.{field.name}"
        if has_kinds(field) or dataclasses.is_dataclass(field.type):
            if f"{name}.{_OBJECTIVE.name}" == OBJECTIVE:
                yield OBJECTIVE, _OBJECTIVE, kinds.name_of("task", type(value))
            yield from leaves(value, name)
        else:
            yield name, field, value


def has_kinds(field):
    """Returns whether a part of an experiment is one of several kinds.

    Args:
        field: `dataclasses.Field`.
    """
    # The type of such a field is a base class, which has no settings.
    is_class = isinstance(field.type, type) and field.name in kinds.KINDS
    return is_class and not dataclasses.is_dataclass(field.type)


def _key_of_kind(part):
    """Returns where the dict of a part has the name of its kind."""
    return _OBJECTIVE.name if part == "task" else "kind"


def to_tree(config):
    """Returns an `ExperimentConfig` as nested dicts, with the names of kinds.

    Args:
        config: `ExperimentConfig`.
    """
    tree = dataclasses.asdict(config)
    for field in filter(has_kinds, dataclasses.fields(config)):
        part = field.name
        kind = kinds.name_of(part, type(getattr(config, part)))
        tree[part] = {_key_of_kind(part): kind} | tree[part]
    return tree


def _upgraded(tree):
    """Returns the dicts of `to_tree` as this version writes them."""
    return _with_objective(_with_jit_choice(tree))


def _with_jit_choice(tree):
    """Takes `jit_compile` from a run that had it as a bool."""
    trainer = tree.get("trainer")
    if not isinstance(trainer, dict):
        return tree
    was = trainer.get("jit_compile")
    if not isinstance(was, bool):
        return tree
    choice = "always" if was else "never"
    return tree | {"trainer": trainer | {"jit_compile": choice}}


def _with_objective(tree):
    """Takes the settings of a run from before objectives were a setting.

    `task` had a kind, and contained the settings that change images.
    """
    task = tree.get("task")
    if not isinstance(task, dict) or task.get("kind") not in _OLD_TASKS:
        return tree
    task = dict(task)
    data = dict(_object(tree.get("data", {}), "config.data"))
    del task["kind"]
    for old, new in MOVED.items():
        name = old.rpartition(".")[2]
        if name in task:
            data[new.rpartition(".")[2]] = task.pop(name)
    return tree | {
        "data": data,
        "task": {_OBJECTIVE.name: "single_label"} | task,
    }


def from_tree(kind, tree, name="config"):
    """Returns the dataclass of the nested dicts of `to_tree`.

    It reads the dicts that older versions wrote.

    A setting that is missing in the dicts gets its default, or its value in
    `_BEFORE`. An older version wrote them before the setting existed.

    Args:
        kind: Class of the result, such as `ExperimentConfig`.
        tree: dict. Values by name of the field.
        name: str. Flag name of the result.

    Raises:
        ConfigError: A setting or a kind is unknown; a part is not a dict.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}
    before = ((key, f"{name}.{key}") for key in fields)
    values = {key: _BEFORE[flag] for key, flag in before if flag in _BEFORE}
    tree = _object(tree, name)
    for key, value in (_upgraded(tree) if name == "config" else tree).items():
        flag = f"{name}.{key}"
        if flag in _REMOVED:
            _ignore(flag, value)
            continue
        if key not in fields:
            raise ConfigError(
                f"`{flag}` is not a setting of this version. "
                f"Choices: {', '.join(fields)}."
            )
        part = fields[key].type
        if has_kinds(fields[key]):
            part, value = _pick_kind(fields[key], value, flag)
        if dataclasses.is_dataclass(part):
            value = from_tree(part, value, flag)
        values[key] = tuple(value) if isinstance(value, list) else value
    return kind(**values)


def _ignore(flag, value):
    """Warns of a removed setting that had an effect."""
    default, reason = _REMOVED[flag]
    if value != default:
        _warn_once(
            f"`--{flag}` is ignored: the setting no longer exists, and "
            f"{reason}. Received: {value!r}."
        )


@functools.cache
def _warn_once(message):
    # A command reads `config.json` several times.
    logging.getLogger(__name__).warning(message)


def _pick_kind(field, tree, name):
    tree = dict(_object(tree, name))
    key = _key_of_kind(field.name)
    # The kinds of tasks had other names in older runs, see `_upgraded`.
    kind = tree.pop(key, tree.pop("kind", None))
    return load_kind(field, kind, f"{name}.{key}"), tree


def kind_problem(part, kind):
    """Returns why the settings of a kind cannot be flags, or `None`.

    Args:
        part: str. Name of the part of the experiment, such as `task`.
        kind: Class. A dataclass.
    """
    if problem := settings.declaration_problem(kind):
        return problem
    names = [field.name for field in dataclasses.fields(kind)]
    for name in names:
        if name in _reserved(part):
            return (
                f"`{kind.__name__}.{name}` must have another name: "
                f"`config.{part}.{name}` has a meaning of its own"
            )
    if part == "data" and "global_batch_size" not in names:
        return (
            f"`{kind.__name__}` must have the setting "
            "`global_batch_size: int = setting(32, ..., at_least=1)`"
        )
    return None


def _reserved(part):
    """Returns the names that have a meaning in the dict of a part."""
    yield from ("kind", _key_of_kind(part))
    for flag in (*MOVED, *_REMOVED):
        branch, _, name = flag.rpartition(".")
        if branch == f"config.{part}":
            yield name


def load_kind(field, name, flag):
    """Returns the class of a part of an experiment.

    Args:
        field: `dataclasses.Field` of the part, which `has_kinds`.
        name: str. As for `kinds.load`.
        flag: str. As for `kinds.load`.

    Raises:
        ConfigError: There is no such class, or its fields are no settings.
    """
    kind = kinds.load(field.name, name, flag)
    is_class = isinstance(kind, type) and issubclass(kind, field.type)
    if not is_class or not dataclasses.is_dataclass(kind):
        raise ConfigError(
            f"`{flag}` must be a dataclass derived from "
            f"{field.type.__module__}.{field.type.__name__}. "
            f"Received: {name!r}."
        )
    if problem := kind_problem(field.name, kind):
        raise ConfigError(f"`{flag}`: {problem}. Received: {name!r}.")
    return kind


def _object(tree, name):
    if not isinstance(tree, dict):
        raise ConfigError(f"`{name}` must be an object. Received: {tree!r}.")
    return tree
