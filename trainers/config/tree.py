"""Converts a configuration to flags and nested dicts, and back."""

import dataclasses
import functools
import logging
import typing

from trainers.config.kinds import KINDS
from trainers.errors import ConfigError

# Settings that the `config.json` of an older run can contain, with their
# default and the reason why a run can do without them.
_REMOVED = {
    "config.data.service": (
        "",
        "training makes its batches itself, in an order that it can repeat",
    ),
}


def leaves(config, prefix="config"):
    """Yields `(flag name, dataclass field, value)` of every setting.

    Args:
        config: `ExperimentConfig`, or a part of it.
        prefix: str. Flag name of `config` itself.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        name = f"{prefix}.{field.name}"
        if field.type is typing.Any or dataclasses.is_dataclass(field.type):
            yield from leaves(value, name)
        else:
            yield name, field, value


def to_tree(config):
    """Returns an `ExperimentConfig` as nested dicts, with the names of kinds.

    Args:
        config: `ExperimentConfig`.
    """
    tree = dataclasses.asdict(config)
    for part, kinds in KINDS.items():
        names = {kind: name for name, kind in kinds.items()}
        tree[part] = {"kind": names[type(getattr(config, part))]} | tree[part]
    return tree


def from_tree(kind, tree, name="config"):
    """Returns the dataclass of the nested dicts of `to_tree`.

    A setting that is missing in the dicts gets its default. An older version
    wrote them before the setting existed.

    Args:
        kind: Class of the result, such as `ExperimentConfig`.
        tree: dict. Values by name of the field.
        name: str. Flag name of the result.

    Raises:
        ConfigError: A setting or a kind is unknown; a part is not a dict.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}
    values = {}
    for key, value in _object(tree, name).items():
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
        if part is typing.Any:
            part, value = _pick_kind(KINDS[key], value, flag)
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
