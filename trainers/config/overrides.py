"""Replaces settings of a configuration by name."""

import copy
import difflib
import numbers

from tfmodels import settings
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
    fields = {name: field for name, field, _ in tree.leaves(config)}
    config = copy.deepcopy(config)
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
        part = config
        for branch in name.split(".")[1:-1]:
            part = getattr(part, branch)
        setattr(part, field.name, value)
    return config


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
