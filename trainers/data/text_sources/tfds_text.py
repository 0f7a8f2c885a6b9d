"""Texts of TensorFlow Datasets: of the catalogue, or a directory on disk.

The text is a single string feature; a label is a `ClassLabel`, whose names are
the labels, a whole number or a string.
"""

import dataclasses
import logging
import pathlib
from collections.abc import Callable

import numpy as np

from trainers.data import checks
from trainers.data import examples as examples_lib
from trainers.data import sources
from trainers.data import splits
from trainers.data.examples import Examples
from trainers.data.text_sources import rows
from trainers.data.text_sources import streams
from trainers.errors import ConfigError
from trainers.errors import DataError


@dataclasses.dataclass
class _Source:
    """An opened data set.

    Attributes:
        sizes: Number of examples of each split.
        read: `(split, start, stop) -> Examples`.
    """

    sizes: dict[str, int]
    read: Callable[[str, int, int], Examples]


def read_splits(data):
    """Reads all splits, as `splits.resolve` takes them; see `text_sources`."""
    source = _open(data)
    specs = {
        name: splits.resolve(name, data, source.sizes) for name in splits.SPLITS
    }
    _warn_of_unused(specs, source.sizes)
    found = {
        name: _read(source, spec, f"--config.data.{name}")
        for name, spec in specs.items()
        if spec != "none" or name == "train"
    }
    _check_cut(splits.cut(data, source.sizes), found)
    return found


def read_one(data, split, run_data):
    """Reads one split; see `text_sources`."""
    source = _open(data)
    spec, flag = split, "--split"
    if split in splits.SPLITS:
        if run_data is None or _place(data) == _place(run_data):
            spec = splits.resolve(split, data, source.sizes)
        else:
            spec = splits.resolve_for_other_data(split, data, run_data)
        flag = "--split" if spec == split else f"--config.data.{split}"
    if spec == "none":
        raise ConfigError(
            "`--split` must be a split that the run has, and "
            f"--config.data.{split} is none. Received: {split!r}. Choices: "
            f"{', '.join(source.sizes)}."
        )
    return _read(source, spec, flag)


def list_files(data):
    """Returns all files of the prepared version; see `text_sources`."""
    directory = pathlib.Path(str(_open_builder(data).data_dir))
    return sorted(file for file in directory.rglob("*") if file.is_file())


def _place(data):
    return data.source, data.path, data.data_dir


def _open(data):
    builder = _open_builder(data)
    _check_columns(builder.info.features, data)

    def read(split, start, stop):
        return _read_rows(builder, data, split, start, stop)

    infos = builder.info.splits.items()
    return _Source({name: info.num_examples for name, info in infos}, read)


def _open_builder(data):
    """Returns the TFDS builder of data that are on this machine."""
    import tensorflow_datasets as tfds

    if data.source == "tfds_directory":
        path = sources.resolve_path(data.path)
        try:
            return tfds.builder_from_directory(str(path))
        except Exception as error:
            # Besides what files and JSON raise, protobuf's own.
            raise ConfigError(
                "`--config.data.path` must be a directory that TFDS wrote, "
                "with dataset_info.json in it: .../NAME/VERSION. Received: "
                f"{path}: {_one_line(error)[:200]}"
            ) from error
    try:
        builder = tfds.builder(data.path, data_dir=data.data_dir or None)
    except tfds.core.DatasetNotFoundError:
        raise ConfigError(
            "`--config.data.path` must be a data set of the TFDS catalogue "
            f"(https://www.tensorflow.org/datasets). Received: {data.path!r}."
        ) from None
    except Exception as error:
        # A version or configuration that the data set does not have, or a
        # catalogue of others (`huggingface:NAME`) without network.
        raise ConfigError(
            f"`--config.data.path={data.path}`: {_one_line(error)}"
        ) from error
    # Without a network it repeats each of ten tries, for minutes.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    try:
        builder.download_and_prepare()
    except Exception as error:
        # TFDS lets errors of many libraries through.
        raise ConfigError(
            f"`--config.data.path={data.path}` is not on this machine and "
            "could not be downloaded; it needs the network once, or "
            "--config.data.data_dir=DIR with the prepared data set. "
            f"{type(error).__name__}: {_one_line(error)[:200]}"
        ) from error
    return builder


def _one_line(error):
    return " ".join(str(error).split())


def _check_columns(features, data):
    """Refuses columns that are not one text and one label."""
    for field in ("text_column", "label_column"):
        column = getattr(data, field)
        if column not in features:
            raise ConfigError(
                f"`--config.data.{field}` must be a feature of {data.path}. "
                f"Received: {column!r}. Choices: {', '.join(sorted(features))}."
            )
    if not _is_one(features[data.text_column], _is_string):
        raise ConfigError(
            "`--config.data.text_column` must be a text feature. Received: "
            f"{data.text_column!r}, {features[data.text_column]}."
        )
    label = features[data.label_column]
    if not _is_one(label, lambda x: _is_string(x) or x.is_integer):
        raise ConfigError(
            "`--config.data.label_column` must be a single class label, whole "
            f"number or string. Received: {data.label_column!r}, {label}."
        )


def _is_one(feature, is_kind):
    """Returns whether a TFDS feature is a single value of a kind of dtype."""
    # Shape and dtype are dicts where the feature is one.
    return feature.shape == () and is_kind(feature.tf_dtype)


def _is_string(dtype):
    return dtype.name == "string"


def _read(source, spec, flag):
    """Reads what a split specification like `train[:90%]` selects."""
    ranges = splits.ranges(spec, source.sizes, flag)
    if not ranges:
        choices = [f"{n} ({s} examples)" for n, s in source.sizes.items()]
        if flag in ("--config.data.validation", "--config.data.test"):
            choices.append("none")
        raise ConfigError(
            f"`{flag}` must select at least one example. Received: {spec!r}. "
            f"Choices: {', '.join(choices)}."
        )
    return examples_lib.concatenate([source.read(*part) for part in ranges])


def _read_rows(builder, data, split, start, stop):
    """Returns the `Examples` of some rows of one split."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    dataset = builder.as_dataset(
        split=tfds.core.ReadInstruction(
            split, from_=start, to=stop, unit="abs"
        ),
        shuffle_files=False,
    )
    # Only the two columns: others may have shapes that do not batch.
    pairs = dataset.map(
        lambda row: (row[data.text_column], row[data.label_column])
    )
    try:
        batches = list(pairs.batch(1024).as_numpy_iterator())
    except tf.errors.OpError as error:
        # Without the names of graph nodes around it.
        reason = error.message.rpartition("}} ")[2].partition(" [Op:")[0]
        raise DataError(
            f"{data.path}, split {split}: cannot be read: {reason}"
        ) from None
    texts, numbers = map(np.concatenate, zip(*batches, strict=True))

    def where(row):
        return f"{data.path}, split {split}, item {start + row}"

    label = builder.info.features[data.label_column]
    labels = _check_rows(texts, numbers, getattr(label, "names", None), where)
    return Examples(
        {"text": texts.astype(object)}, rows.as_objects(labels), where
    )


def _check_rows(texts, labels, names, where):
    """Returns the labels as str; raises `DataError` for unusable rows."""
    found, problems = [], []
    for row, (text, label) in enumerate(
        zip(texts, labels.tolist(), strict=True)
    ):
        problem = None
        try:
            text.decode()
            word = label.decode() if isinstance(label, bytes) else str(label)
        except UnicodeDecodeError as error:
            problem, word = streams.not_utf8(error), ""
        else:
            if names and not 0 <= label < len(names):
                problem = f"label {label} is none of the {len(names)} classes"
            elif names:
                word = names[label]
            elif not word.strip():
                problem = "the label is empty"
        if problem:
            problems.append((row, problem))
        found.append(word if names else word.strip())
    checks.raise_problems(
        "rows that cannot be used",
        problems,
        lambda problem: f"{where(problem[0])}: {problem[1]}",
    )
    return found


def _check_cut(cut, found):
    """Checks that splits cut from the end of `train` hold its classes."""
    names = sorted({label for part in found.values() for label in part.labels})
    numbers = {name: number for number, name in enumerate(names)}
    numbered = {
        split: Examples(
            {}, np.asarray([numbers[x] for x in part.labels]), part.where
        )
        for split, part in found.items()
    }
    checks.check_cut(cut, numbered, names)


def _warn_of_unused(specs, sizes):
    used = set()
    for name, spec in specs.items():
        if spec == "none":
            used.add(name)  # Left out on purpose.
            continue
        parts = splits.ranges(spec, sizes, f"--config.data.{name}")
        used |= {split for split, _, _ in parts}
    if unused := sorted(sizes.keys() - used):
        logging.getLogger(__name__).warning(
            "splits of the data that are not used: %s. Name them with "
            "--config.data.train, .validation or .test.",
            ", ".join(unused),
        )
