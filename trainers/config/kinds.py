"""The table of kinds: models, inputs, objectives, sources and trackers.

A kind has a row here, or it is `MODULE:NAME` of a package of the user. A name
in the table and `MODULE:NAME` are used in the same places: in flags, and as
`kind` in `config.json`.

This module imports a kind when it is needed. TensorFlow takes seconds, and most
commands need few kinds.
"""

import functools
import importlib

from trainers.errors import ConfigError

KINDS = {
    # Settings of inputs. They name the class of the inputs itself.
    "data": {
        "images": "trainers.config.data:ImageDataConfig",
        "texts": "trainers.config.data:TextDataConfig",
        "text_pairs": "trainers.config.text_pairs:TextPairDataConfig",
        "tagged_texts": "trainers.config.tagged_data:TaggedTextDataConfig",
    },
    # Settings of objectives.
    "task": {
        "single_label": "trainers.objectives.single_label:SingleLabelConfig",
        "multi_label": "trainers.objectives.multi_label:MultiLabelConfig",
        "regression": "trainers.objectives.regression:RegressionConfig",
        "tags": "trainers.objectives.tags:TagsConfig",
    },
    # Settings of models.
    "model": {
        "mnist_mlp": "tfmodels.mnist_mlp:MnistMlpConfig",
        "bert_classifier": "tfmodels.bert_classifier:BertClassifierConfig",
        "bert_tagger": "tfmodels.bert_tagger:BertTaggerConfig",
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
        "json": "trainers.data.texts.json_array:JSON",
        "parquet": "trainers.data.texts.arrow_file:PARQUET",
        "arrow": "trainers.data.texts.arrow_file:ARROW",
        "tfrecord": "trainers.data.texts.tfrecord:TFRECORD",
        "text_folder": "trainers.data.texts.text_folder:TEXT_FOLDER",
        "conll": "trainers.data.texts.conll_file:CONLL",
        "conllu": "trainers.data.texts.conllu_file:CONLLU",
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
# By the end of a name, also before `.gz`: the text format of `files`.
SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".tfrecord": "tfrecord",
    ".tfrecords": "tfrecord",
    ".conll": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".bio": "conll",
    ".bioes": "conll",
    ".conllu": "conllu",
}


def load(part, name, flag):
    """Imports a kind.

    Args:
        part: str. Key of `KINDS`. With another word, only `MODULE:NAME` is a
            name.
        name: str. Name in the table, or `MODULE:NAME`.
        flag: str. Where the name is from, for error messages: a flag with its
            dashes, or a place in `config.json` without dashes.

    Returns:
        The object that the table or the user names. `NAME` can have dots, as
        that of a class inside of a class.

    Raises:
        ConfigError: There is no such kind, or it cannot be imported.

    >>> load("model", "mnist_mlp", "config.model.kind").__name__
    'MnistMlpConfig'
    """
    # `config.json` can contain any object.
    names = KINDS.get(part, {})
    path = names.get(name, name) if isinstance(name, str) else ""
    module, _, attribute = path.partition(":")
    if not module or not attribute:
        words = "MODULE:NAME of your own"
        if names:
            words = f"one of {', '.join(names)}, or {words}"
        raise ConfigError(f"`{flag}` must be {words}. Received: {name!r}.")
    if module == "__main__":
        raise ConfigError(
            f"`{flag}` must be importable. Received: {name!r}: `__main__` is "
            "another program in each command. Move it into a file that the "
            "program imports."
        )
    try:
        found = importlib.import_module(module)
        return functools.reduce(getattr, attribute.split("."), found)
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
