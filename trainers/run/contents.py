"""What the paths in settings name, so that a run can find it elsewhere."""

import contextlib
import dataclasses
import hashlib
import json
import pathlib

from tfmodels import package_paths
from tfmodels.bert import presets
from tfmodels.bert.config import EncoderConfig
from trainers.config import tree
from trainers.config.data import SPLITS
from trainers.run.step_directories import StepDirectories
from trainers.runtime import atomic

# These name examples. The hash of the examples decides whether they are equal.
OF_EXAMPLES = tuple(
    f"config.data.{name}" for name in (*SPLITS, "path", "data_dir")
)
EXTENDED = "config.trainer.extend_from"
_PRESET = {f.name: f for f in dataclasses.fields(EncoderConfig)}["preset"]


def sums(config):
    """Returns the SHA-256 sums of what paths name that are not of examples.

    Args:
        config: `ExperimentConfig`.

    Returns:
        Dict by flag. It does not contain what does not exist here.
    """
    total = {}
    for name, field, value in tree.leaves(config):
        if not field.metadata["is_path"] or field.metadata["may_change"]:
            continue
        if name in OF_EXAMPLES or not value:
            continue
        if name == EXTENDED:
            total |= _sum_of_run(name, value)
            continue
        found = (value,) if isinstance(value, str) else value
        if all(map(_exists, found)):
            parts = [_sum_of(path, field is _PRESET) for path in found]
            total[name] = _sum_of_text("".join(parts))
    return total


def _sum_of_run(name, path):
    """Returns a sum of the last checkpoint of a run; `{}` if it is gone."""
    directories = StepDirectories(pathlib.Path(path, "checkpoints"))
    for found in directories.paths().values():
        with contextlib.suppress(OSError):
            return {name: _sum_of_file(found / atomic.MANIFEST)}
    return {}


def _exists(path):
    try:
        return package_paths.find(path).exists()
    except LookupError:
        return False


def _sum_of(path, is_preset=False):
    """Returns the SHA-256 sum of a file, or of the files of a folder.

    For a pretrained encoder, only the files that are read count. For other
    folders, hidden files and Markdown do not count: copies often lack them.
    """
    root = package_paths.find(path)
    if root.is_file():
        return _sum_of_file(root)
    found = presets.files(path) if is_preset else {}
    found = found or {
        file.relative_to(root).as_posix(): file for file in _files_below(root)
    }
    lines = [f"{name}\0{_sum_of_file(file)}\n" for name, file in found.items()]
    return _sum_of_text("".join(sorted(lines)))


def _files_below(folder, above=()):
    """Yields the regular files of a folder, also behind links."""
    place = folder.resolve()
    if not folder.is_dir() or place in above:
        return  # Such as a pipe, or a link to a folder around it.
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_file() and entry.suffix != ".md":
            yield entry
        yield from _files_below(entry, (*above, place))


def _sum_of_text(text):
    return hashlib.sha256(text.encode()).hexdigest()


def _sum_of_file(file):
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def with_paths_of(config, saved):
    """Returns a config with the paths of the run, outside of the data.

    Files of the work directory contain these paths, and their sums are in the
    checkpoints.

    Args:
        config: `ExperimentConfig` of the current command.
        saved: `ExperimentConfig` of the run.
    """
    then = {name: value for name, _, value in tree.leaves(saved)}
    return config.with_overrides(
        {
            name: then[name]
            for name, field, _ in tree.leaves(config)
            if field.metadata["is_path"]
            and not field.metadata["may_change"]
            and name not in OF_EXAMPLES
            and name != EXTENDED
            and name in then
        }
    )


def with_texts_of(assets, config, saved):
    """Returns the files of a task with the paths of another config.

    Args:
        assets: dict. Text by name, made with `config`.
        config, saved: `ExperimentConfig`. They differ in paths only.
    """
    then = {name: value for name, _, value in tree.leaves(saved)}
    for name, field, value in tree.leaves(config):
        was = then.get(name)
        if field.metadata["is_path"] and was and value and value != was:
            # The value of this setting alone: a path can be a common word.
            key = json.dumps(name.rpartition(".")[2])
            was, now = (
                f"{key}: {json.dumps(was)}",
                f"{key}: {json.dumps(value)}",
            )
            assets = {n: text.replace(now, was) for n, text in assets.items()}
    return assets


def paths(config):
    """Returns the settings that are paths, values by flag.

    Args:
        config: `ExperimentConfig`.
    """
    return {
        name: value
        for name, field, value in tree.leaves(config)
        if field.metadata["is_path"] and not field.metadata["may_change"]
    }
