"""Selects the files, or the rows of files, for train, validation and test."""

import collections

import numpy as np

from trainers.config.data import SPLITS
from trainers.data import paths
from trainers.data import targets
from trainers.data.texts import hash_split
from trainers.data.texts import number_names
from trainers.data.texts import rows
from trainers.data.texts import text_folder
from trainers.errors import ConfigError
from trainers.errors import DataError

_HELD_OUT = ("validation", "test")
# Kinds of files with a word on each line.
_SENTENCES = ("conll", "conllu")
_SPLIT_OR_FILE = (
    "train, validation, test, or a labelled file, folder or pattern that exists"
)


def read_splits(data, objective):
    """Reads all splits of a run; see `reading.read_splits`.

    Args:
        data: `TextDataConfig`.
        objective: `Objective`, which parses the target of each row.

    Returns:
        Dict of `Examples` by split.
    """
    files = _find_all(data)
    number_names.check(sum(files.values(), []), data, objective)
    found = _read_train(data, files["train"], objective)
    for name in _HELD_OUT:
        if name in files:
            found[name], _ = rows.read_labelled(files[name], data, objective)
    return {name: found[name] for name in SPLITS if name in found}


def read_one(data, split, objective):
    """Reads one split or another labelled file; see `reading.read_one`.

    Args:
        data: `TextDataConfig`.
        split: str. `train`, `validation` or `test`, else a path.
        objective: `Objective`, which parses the target of each row.

    Returns:
        `Examples`.
    """
    if split not in SPLITS:
        paths.find(split, "--split", _SPLIT_OR_FILE)
        files = _find(split, "--split", data)
        return rows.read_labelled(files, data, objective)[0]
    _check_split_column(data)
    given = split in _HELD_OUT and getattr(data, split)
    if given == "none":
        names = [n for n in SPLITS if getattr(data, n) != "none"]
        raise _no_split(split, f"--config.data.{split} is none", names)
    if given:
        files = _find(given, f"--config.data.{split}", data)
        return rows.read_labelled(files, data, objective)[0]
    found = _read_train(data, _find_train(data), objective)
    if split not in found:
        reason = f"no row has it in column {data.split_column!r}"
        raise _no_split(split, reason, [n for n in SPLITS if n in found])
    return found[split]


def list_files(data):
    """Returns the files that `read_splits` reads.

    Args:
        data: `TextDataConfig`.

    Returns:
        List of `pathlib.Path`, in a fixed order.
    """
    listed = []
    for found in _find_all(data).values():
        for file, kind in found:
            listed += (
                text_folder.list_texts(file) if kind == paths.FOLDER else [file]
            )
    return listed


def _no_split(split, reason, names):
    return ConfigError(
        f"`--split` must be a split that the run has, and {reason}. Received: "
        f"{split!r}. Choices: {', '.join(names)}, or a labelled file."
    )


def _find_all(data):
    """Returns `(file, kind)` pairs for each split that has files."""
    _check_split_column(data)
    files = {"train": _find_train(data)}
    for name in _HELD_OUT:
        path = getattr(data, name)
        if path not in ("", "none"):
            files[name] = _find(path, f"--config.data.{name}", data)
    return files


def _find_train(data):
    if data.train in ("", "none"):
        raise ConfigError(
            "`--config.data.train` must name a file, a pattern or a folder to "
            f"learn from. Received: {data.train!r}."
        )
    files = _find(data.train, "--config.data.train", data)
    folders = [file for file, kind in files if kind == paths.FOLDER]
    if folders and data.split_column:
        raise ConfigError(
            "`--config.data.split_column` must be empty for a folder of texts. "
            f"Received: {data.split_column!r} with {str(folders[0])!r}."
        )
    return files


def _find(path, flag, data):
    """Returns `(file, kind)` pairs, after a check of the folders.

    The check is here because its errors name the flag.
    """
    files = paths.find_labelled(path, data, flag)
    for file, kind in files:
        if kind == paths.FOLDER:
            text_folder.list_texts(file, flag)
    return files


def _check_split_column(data):
    if not data.split_column:
        return
    for name in _HELD_OUT:
        if getattr(data, name):
            raise ConfigError(
                f"`--config.data.{name}` must be empty where "
                f"--config.data.split_column={data.split_column} says which "
                f"rows are {name}. Received: {getattr(data, name)!r}."
            )


def _read_train(data, files, objective):
    """Returns the splits that the files of `train` contain."""
    if data.split_column:
        return _split_by_column(data, files, objective)
    fractions = {
        name: getattr(data, f"{name}_fraction")
        for name in ("test", "validation")
        if not getattr(data, name)
    }
    if sum(fractions.values()) >= 1:
        raise ConfigError(
            "`--config.data.validation_fraction` and "
            "--config.data.test_fraction must be below 1 together, to leave "
            "rows to train. Received: "
            f"{data.validation_fraction} and {data.test_fraction}."
        )
    examples, _ = rows.read_labelled(files, data, objective)
    if not fractions:
        return {"train": examples}
    strata = objective.strata(examples.targets)
    chosen = hash_split.cut(
        hash_split.contents(examples.features), strata, fractions
    )
    for name, fraction in fractions.items():
        if not chosen[name]:
            # Perhaps these are no labels: then no split helps.
            targets.fit(objective, {"train": examples})
            num_labels = len(set(strata))
            advice = ""
            if len(examples) == 1 and files[0][1] in _SENTENCES:
                advice = " A blank line must be between two sentences."
            raise ConfigError(
                f"`--config.data.{name}` must be a file, or none: the "
                f"{len(examples)} rows of {data.train}, with {num_labels} "
                f"different labels and {_num_texts(examples)} different texts, "
                f"are too few to cut {fraction} of each class out of them. "
                f"Received: ''.{advice}"
            )
    return {
        name: examples.take(np.asarray(numbers))
        for name, numbers in chosen.items()
    }


def _num_texts(examples):
    texts = hash_split.contents(examples.features)
    return len(set(map(hash_split.text_key, texts)))


def _split_by_column(data, files, objective):
    examples, splits = rows.read_labelled(
        files, data, objective, with_split=True
    )
    numbers = collections.defaultdict(list)
    for row, split in enumerate(splits):
        numbers[split].append(row)
    if "train" not in numbers:
        found = [f"{len(numbers[n])} {n}" for n in SPLITS if n in numbers]
        raise DataError(
            f"{data.train}: no row has train in column "
            f"{data.split_column!r}. Received: {', '.join(found)}."
        )
    return {
        name: examples.take(np.asarray(chosen))
        for name, chosen in numbers.items()
    }
