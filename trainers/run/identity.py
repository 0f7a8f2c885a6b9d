"""Decides whether two runs are the same: settings, data, classes, devices.

A run resumes from a checkpoint only if all of these are unchanged. Otherwise
its result would differ from that of an uninterrupted run.
"""

import hashlib

from tfmodels import settings
from trainers.config import experiment
from trainers.config import overrides
from trainers.config import tree
from trainers.config import user_code
from trainers.config.data import SPLITS
from trainers.errors import ConfigError
from trainers.run import contents


def identity(config, splits, state, assets, num_replicas):
    """Returns a JSON-like dict that differs if the result of a run differs.

    Args:
        config: `ExperimentConfig`.
        splits: `Splits` after loading, with tokens in place of texts.
        state: JSON-like. `state` of the objective, such as the class names.
        assets: dict. Text by name of each file that the task adds to the work
            directory.
        num_replicas: int.
    """
    code = _code(config)
    return {
        "config": tree.to_tree(config),
        "data": {
            name: {"examples": len(examples), "sha256": examples.sha256()}
            for name in SPLITS
            if (examples := getattr(splits, name))
        },
        "classes": state,
        "assets": {
            name: sha256(text.encode()) for name, text in assets.items()
        },
        "replicas": num_replicas,
        # Without code of the user or files, as older versions wrote it.
        **({"code": code} if code else {}),
        **({"files": files} if (files := contents.sums(config)) else {}),
    }


def _code(config):
    """Returns the SHA-256 sums of the modules of the user, by their names.

    Those of trackers do not count, as they do not change the result.
    """
    data = config.data
    found = [type(data), data.inputs, type(config.task), type(config.model)]
    found.append(type(config.task.make_objective()))
    source = getattr(data, "source", "")
    if isinstance(source, str) and settings.is_own(source):
        found.append(source)
    sums = {}
    for kind in found:
        sums |= user_code.modules_of(kind)
    return sums


def differences(then, now, may_differ=()):
    """Returns a line for each difference of two results of `identity`.

    Args:
        then: dict. From the checkpoint.
        now: dict. From the current command.
        may_differ: Tuple of str. Settings that do not count, by flag.
    """
    lines = list(config_differences(then["config"], now["config"], may_differ))
    if then["classes"] != now["classes"]:
        lines.append(
            f"the classes were {_words(then['classes'])}. "
            f"Received: {_words(now['classes'])}."
        )
    # Not in older runs. A module of one run alone has no other code: another
    # module has changed to import it.
    old, new = then.get("code", {}), now.get("code", {})
    lines += [
        f"the code of the module {name} has changed."
        for name in sorted(old.keys() & new.keys())
        if old[name] != new[name]
    ]
    for name in sorted(then["assets"].keys() | now["assets"].keys()):
        if then["assets"].get(name) != now["assets"].get(name):
            lines.append(f"{name} has changed.")
    for name in SPLITS:
        old, new = then["data"].get(name), now["data"].get(name)
        if old != new:
            counts = [f"{x['examples']:,}" if x else "no" for x in (old, new)]
            lines.append(
                f"the split {name} had {counts[0]} examples. Received: "
                f"{counts[1]} examples, "
                f"{'other ones' if counts[0] == counts[1] else 'not the same'}."
            )
    paths = list(_path_differences(then, now))
    is_other = then["data"] != now["data"]
    lines = [
        line
        for name, line in paths
        if name not in may_differ
        and (is_other or name not in contents.OF_EXAMPLES)
    ] + lines
    if then["replicas"] != now["replicas"]:
        lines.append(
            f"the run was on {then['replicas']} replicas. Received: "
            f"{now['replicas']}. Give it as many: GPUs with "
            "CUDA_VISIBLE_DEVICES, workers with --num_workers or TF_CONFIG."
        )
    return lines


def _path_differences(then, now):
    """Yields the name and a line for each path that names something else.

    What the files contain decides, as far as it is known. For paths of
    examples, it is not known here.
    """
    sums = [x.get("files", {}) for x in (then, now)]
    old, new = (_paths(experiment.from_tree(x["config"])) for x in (then, now))
    for name in filter(new.__contains__, old):
        is_known = name in sums[0] and name in sums[1]
        if is_known and sums[0][name] == sums[1][name]:
            continue
        if old[name] != new[name]:
            yield (
                name,
                f"`--{name}` was {_value(old[name])}. "
                f"Received: {_value(new[name])}.",
            )
        elif is_known:
            yield (
                name,
                f"the content of `--{name}` {_value(new[name])} has changed.",
            )


def is_same(then, now):
    """Returns whether two `ExperimentConfig`s name the same run, by text.

    Args:
        then, now: `ExperimentConfig`.
    """
    trees = tree.to_tree(then), tree.to_tree(now)
    has_same_paths = _paths(then) == _paths(now)
    return has_same_paths and not any(config_differences(*trees))


def _paths(config):
    # Older versions wrote `~` into `config.json`.
    return contents.paths(overrides.with_home(config))


def check_same_config(then, now, workdir):
    """Compares two configurations before any data is read.

    Paths are compared later, by what they name, see `differences`.

    Args:
        then: `ExperimentConfig` of the run.
        now: `ExperimentConfig` of the current command.
        workdir: Path, for the error message.

    Raises:
        ConfigError: Settings differ; the message names each.
    """
    trees = tree.to_tree(then), tree.to_tree(now)
    refuse(list(config_differences(*trees)), workdir)


def refuse(differences, workdir):
    """Raises an error if there are differences.

    Args:
        differences: List of str. Lines for the message.
        workdir: Path, for the message.

    Raises:
        ConfigError: The list is not empty.
    """
    if differences:
        raise ConfigError(
            f"`--workdir` {str(workdir)!r} contains a run that differs, and a "
            "run can only resume unchanged. Undo the differences, or choose "
            "another --workdir:\n" + "\n".join(differences)
        )


def config_differences(then, now, may_differ=()):
    """Yields a line for each different setting that can change the result.

    Paths do not count, see `differences`.

    Args:
        then, now: dict. From `tree.to_tree`, directly or through JSON.
        may_differ: Tuple of str. Settings that do not count, by flag.
    """
    # The dataclasses give newer settings their defaults.
    then, now = map(experiment.from_tree, (then, now))
    for part in ("data", "model"):
        kinds = [type(getattr(x, part)).__name__ for x in (then, now)]
        if kinds[0] != kinds[1]:
            yield f"`config.{part}` was {kinds[0]}. Received: {kinds[1]}."
    then, now = map(_fixed_settings, (then, now))
    for name in dict.fromkeys((*then, *now)):
        old, new = then.get(name), now.get(name)
        if old != new and name not in may_differ:
            yield f"`--{name}` was {_value(old)}. Received: {_value(new)}."


def _words(state):
    if isinstance(state, list):
        return ", ".join(map(str, state))
    return str(state)


def _fixed_settings(config):
    """Returns the settings that must not change, values by flag."""
    return {
        name: value
        for name, field, value in tree.leaves(config)
        if not field.metadata["may_change"] and not field.metadata["is_path"]
    }


def _value(value):
    return "nothing" if value is None else repr(value)


def sha256(data):
    """Returns the SHA-256 sum in hexadecimal.

    Args:
        data: bytes.
    """
    return hashlib.sha256(data).hexdigest()
