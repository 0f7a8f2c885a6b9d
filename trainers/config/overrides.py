"""Replaces settings of a configuration by name."""

import copy
import dataclasses
import difflib
import logging
import numbers

from tfmodels import settings
from trainers.config import kinds
from trainers.config import tree
from trainers.errors import ConfigError


def apply(config, values):
    """Returns a copy of a configuration with other values.

    Args:
        config: `ExperimentConfig`; read, not changed.
        values: dict. By flag name such as `config.optimizer.learning_rate`,
            a value of the setting's type, or the text of a flag.

    Raises:
        ConfigError: A setting does not exist, or a value has a wrong type.
    """
    values = {tree.MOVED.get(name, name): x for name, x in values.items()}
    config = copy.deepcopy(config)
    if tree.OBJECTIVE in values:
        _set_objective(config, values.pop(tree.OBJECTIVE))
    fields = {name: field for name, field, _ in tree.leaves(config)}
    for name, value in values.items():
        if name not in fields:
            raise unknown_setting(name, fields)
        field = fields[name]
        received = value
        if isinstance(value, str):
            value = settings.parse(value, field.type)
        elif isinstance(value, numbers.Number) and hasattr(value, "item"):
            value = value.item()  # NumPy's, as a search makes them.
        if value is None or not settings.has_type(value, field.type):
            raise ConfigError(
                f"`--{name}` must be {settings.type_words(field)}. "
                f"Received: {received!r}."
            )
        if isinstance(value, list):
            value = tuple(value)  # Not the caller's own.
        _set(config, name, value)
    return with_home(config)


def with_home(config):
    """Returns a copy with the home directory in place of `~` in paths.

    Args:
        config: `ExperimentConfig`; read, not changed.
    """
    config = copy.deepcopy(config)
    for name, field, value in list(tree.leaves(config)):
        found = settings.with_home(field, value)
        if found != value:
            _set(config, name, found)
    return config


def _set(config, name, value):
    *branches, leaf = name.split(".")[1:]
    for branch in branches:
        config = getattr(config, branch)
    setattr(config, leaf, value)


def _set_objective(config, name):
    """Replaces the objective; the new one gets the changed settings."""
    if not isinstance(name, str):
        raise ConfigError(
            f"`--{tree.OBJECTIVE}` must be text. Received: {name!r}."
        )
    before = config.task
    if kinds.name_of("task", type(before)) == name:
        return
    (field,) = (f for f in dataclasses.fields(config) if f.name == "task")
    config.task = tree.load_kind(field, name, f"--{tree.OBJECTIVE}")()
    kept = {field.name for field in dataclasses.fields(config.task)}
    for field in dataclasses.fields(before):
        value = getattr(before, field.name)
        if value == field.default:
            continue
        if field.name in kept:
            setattr(config.task, field.name, value)
        else:
            logging.getLogger(__name__).warning(
                "`--config.task.%s` is no setting of the objective %s and is "
                "dropped. Received: %r.",
                field.name,
                name,
                value,
            )


def unknown_setting(name, names):
    """Returns the `ConfigError` for a name that is not a setting.

    Args:
        name: str. Flag name, without dashes.
        names: Iterable of str. Names of all settings.
    """
    return ConfigError(f"`--{name}` is not a setting. {suggest(name, names)}")


def suggest(name, choices):
    """Returns the choices nearest to a wrong name, in words.

    Args:
        name: str. What was received.
        choices: Iterable of str. Names of flags, without dashes.
    """
    branch, _, leaf = name.rpartition(".")
    leaves = {choice: choice.rpartition(".")[2] for choice in choices}
    branches = sorted({choice.rpartition(".")[0] for choice in choices})
    branch = "".join(difflib.get_close_matches(branch, branches, n=1))
    siblings = [c for c in choices if c.startswith(branch)]
    similar = difflib.get_close_matches(
        leaf, [leaves[c] for c in siblings], cutoff=0.7
    )
    near = (
        [c for c in siblings if leaves[c] in similar]
        # The right leaf under the wrong branch: `config.learning_rate`.
        or [c for c in choices if leaves[c] == leaf]
        # A branch: `config.optimizer`.
        or [c for c in choices if c.startswith(f"{name}.")]
        or siblings
    )
    if len(near) > 12:
        return "See --help for all."
    return f"Choices: {', '.join('--' + choice for choice in near)}."
