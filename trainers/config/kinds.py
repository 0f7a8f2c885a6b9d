"""The table of kinds: models, inputs, objectives, sources and trackers.

A kind has a row here, or it is `MODULE:NAME` of a package of the user. A name
in the table and `MODULE:NAME` are used in the same places: in flags, and as
`kind` in `config.json`.

This module imports a kind when it is needed. TensorFlow takes seconds, and most
commands need few kinds.
"""

import hashlib
import importlib
import inspect
import pathlib
import sys

from trainers.errors import ConfigError

KINDS = {
    # Settings of inputs. They name the class of the inputs itself.
    "data": {
        "images": "trainers.config.data:ImageDataConfig",
        "texts": "trainers.config.data:TextDataConfig",
    },
    # Settings of objectives.
    "task": {
        "single_label": "trainers.objectives.single_label:SingleLabelConfig",
    },
    # Settings of models.
    "model": {
        "mnist_mlp": "tfmodels.mnist_mlp:MnistMlpConfig",
        "bert_classifier": "tfmodels.bert_classifier:BertClassifierConfig",
    },
    # Functions, see `trainers.data.images.loading`.
    "image_source": {
        "tfds": "trainers.data.images.tfds_images:open_source",
        "tfds_directory": "trainers.data.images.tfds_images:open_source",
        "idx": "trainers.data.images.idx:open_source",
        "npz": "trainers.data.images.npz:open_source",
        "image_folder": "trainers.data.images.image_folder:open_source",
    },
    # Kinds of files, see `trainers.data.texts.rows`.
    "text_format": {
        "csv": "trainers.data.texts.csv_file:CSV",
        "tsv": "trainers.data.texts.csv_file:TSV",
        "jsonl": "trainers.data.texts.json_lines:JSON_LINES",
        "tfrecord": "trainers.data.texts.tfrecord:TFRECORD",
        "text_folder": "trainers.data.texts.text_folder:TEXT_FOLDER",
    },
    # Classes, see `trainers.training.trackers.tracker`. The name of a tracker
    # that needs another package is also the name of an extra in `setup.cfg`.
    "tracker": {
        "tensorboard": "trainers.training.trackers.tensorboard:TensorBoard",
        "csv": "trainers.training.trackers.csv_file:Csv",
        "mlflow": "trainers.training.trackers.mlflow_store:Mlflow",
        "wandb": "trainers.training.trackers.wandb_run:Wandb",
    },
}
# By the end of a name, also with `.gz`: the text format of `files`.
SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".tfrecord": "tfrecord",
    ".tfrecords": "tfrecord",
}


def load(part, name, flag):
    """Imports a kind.

    Args:
        part: str. Key of `KINDS`.
        name: str. Name in the table, or `MODULE:NAME`.
        flag: str. Name of the setting in error messages.

    Returns:
        The object that the table or the user names.

    Raises:
        ConfigError: There is no such kind, or it cannot be imported.

    >>> load("model", "mnist_mlp", "config.model.kind").__name__
    'MnistMlpConfig'
    """
    # `config.json` can contain any object.
    path = KINDS[part].get(name, name) if isinstance(name, str) else ""
    module, _, attribute = path.partition(":")
    if not module or not attribute:
        raise ConfigError(
            f"`{flag}` must be one of {', '.join(KINDS[part])}, or "
            f"MODULE:NAME of your own. Received: {name!r}."
        )
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:
        # A module of the user can raise any error.
        raise ConfigError(
            f"`{flag}` must be importable. Received: {name!r}: "
            f"{type(error).__name__}: {' '.join(str(error).split())}. Python "
            "imports from the current directory and from those in PYTHONPATH."
        ) from error


def name_of(part, kind):
    """Returns the name of a class, as `load` takes it.

    Args:
        part: str. Key of `KINDS`.
        kind: Class.

    Returns:
        str. A name in the table, or `MODULE:NAME`.
    """
    path = f"{kind.__module__}:{kind.__qualname__}"
    names = {path: name for name, path in KINDS[part].items()}
    return names.get(path, path)


def class_names(part):
    """Returns the names of the classes in the table.

    Args:
        part: str. Key of `KINDS`.

    Returns:
        List of str.
    """
    return [path.partition(":")[2] for path in KINDS[part].values()]


def code_of(kind):
    """Returns what changes if the code of a kind changes, JSON-like.

    The code of this project changes only with its version, so the name is
    enough. A package of the user changes while he works on it.

    Args:
        kind: Class, or its `MODULE:NAME` after `load`.

    Returns:
        List of str: the path of the kind, and the SHA-256 sum of each file of
        the user that defines it or a class that it is derived from. Other files
        that they import do not count.
    """
    if isinstance(kind, str):
        path, modules = kind, {kind.partition(":")[0]}
    else:
        path = f"{kind.__module__}:{kind.__qualname__}"
        modules = {x.__module__ for x in getattr(kind, "__mro__", [kind])}
    files = [
        inspect.getfile(sys.modules[module])
        for module in sorted(modules - {"builtins"})
        if module.partition(".")[0] not in ("tfmodels", "trainers")
    ]
    codes = [pathlib.Path(file).read_bytes() for file in files]
    return [path, *(hashlib.sha256(code).hexdigest() for code in codes)]
