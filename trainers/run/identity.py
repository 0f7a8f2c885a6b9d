"""What makes two runs the same run: settings, data, classes, devices.

A run goes on from its checkpoint only where all of it is as it was, since
only then its end is the one that it would have had.
"""

import hashlib

import numpy as np

from trainers.config import experiment
from trainers.config import tree
from trainers.config.data import SPLITS
from trainers.errors import ConfigError


def identity(config, splits, assets, num_replicas):
    """Returns a JSON-like dict that differs where a result would.

    Args:
        config: `ExperimentConfig`.
        splits: `Splits` after loading, with tokens and no texts.
        assets: Text of each file that the task adds to the work directory.
        num_replicas: int.
    """
    return {
        "config": tree.to_tree(config),
        "data": {
            name: _of_examples(getattr(splits, name))
            for name in SPLITS
            if getattr(splits, name)
        },
        "classes": list(splits.class_names),
        "assets": {
            name: sha256(text.encode()) for name, text in assets.items()
        },
        "replicas": num_replicas,
    }


def differences(then, now):
    """Returns a line for each difference of two results of `identity`."""
    lines = list(config_differences(then["config"], now["config"]))
    if then["classes"] != now["classes"]:
        lines.append(
            f"the classes were {', '.join(then['classes'])}. "
            f"Received: {', '.join(now['classes'])}."
        )
    for name in sorted(then["assets"].keys() | now["assets"].keys()):
        if then["assets"].get(name) != now["assets"].get(name):
            lines.append(f"{name} has another content than it had.")
    for name in SPLITS:
        old, new = then["data"].get(name), now["data"].get(name)
        if old != new:
            counts = [f"{x['examples']:,}" if x else "no" for x in (old, new)]
            lines.append(
                f"the split {name} had {counts[0]} examples. Received: "
                f"{counts[1]}, "
                f"{'others' if counts[0] == counts[1] else 'not the same'}."
            )
    if then["replicas"] != now["replicas"]:
        lines.append(
            f"the run was on {then['replicas']} replicas. Received: "
            f"{now['replicas']}. See --config.trainer.strategy."
        )
    return lines


def check_same_config(then, now, workdir):
    """Compares two `ExperimentConfig`s, before any data is read.

    Raises:
        ConfigError: It names each difference.
    """
    trees = tree.to_tree(then), tree.to_tree(now)
    refuse(list(config_differences(*trees)), workdir)


def refuse(differences, workdir):
    """Raises `ConfigError` with the lines, if there are any."""
    if differences:
        raise ConfigError(
            f"`--workdir` {str(workdir)!r} holds a run that differs, and it "
            "can only go on as it began. Take the difference back, or choose "
            "another --workdir:\n" + "\n".join(differences)
        )


def config_differences(then, now):
    """Yields a line for each setting on which a result depends.

    Args:
        then, now: From `config.to_tree`, as they are or from JSON.
    """
    # The way over the dataclasses gives younger settings their defaults.
    then, now = map(experiment.from_tree, (then, now))
    for part in ("data", "task", "model"):
        kinds = [type(getattr(x, part)).__name__ for x in (then, now)]
        if kinds[0] != kinds[1]:
            yield f"`config.{part}` was {kinds[0]}. Received: {kinds[1]}."
    then, now = map(_lasting, (then, now))
    for name in dict.fromkeys((*then, *now)):
        old, new = then.get(name), now.get(name)
        if old != new:
            yield f"`--{name}` was {_value(old)}. Received: {_value(new)}."


def _lasting(config):
    """Returns the settings that must stay, values by flag."""
    return {
        name: value
        for name, field, value in tree.leaves(config)
        if not field.metadata["may_change"]
    }


def _value(value):
    return "nothing" if value is None else repr(value)


def _of_examples(examples):
    """Returns count and hash of examples, features and labels."""
    total = hashlib.sha256()
    for name, values in sorted(examples.features.items()):
        # Ragged texts are values and row splits.
        parts = [values]
        if hasattr(values, "flat_values"):
            parts = [values.flat_values.numpy(), values.row_splits.numpy()]
        for part in parts:
            total.update(f"{name} {part.dtype} {part.shape}\n".encode())
            total.update(_bytes(part))
    total.update(_bytes(examples.labels))
    return {"examples": len(examples), "sha256": total.hexdigest()}


def _bytes(array):
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def sha256(data):
    """Returns the SHA-256 sum of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
