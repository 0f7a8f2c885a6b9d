"""Texts of TensorFlow Datasets, from its catalogue or a directory.

The text is a single string feature. The label is a `ClassLabel`, a whole number
or a string. The names of a `ClassLabel` are the labels.
"""

import pathlib

import numpy as np

from trainers.data import checks
from trainers.data import examples
from trainers.data import split_specs
from trainers.data import tfds_data
from trainers.data.examples import Examples
from trainers.data.texts import rows
from trainers.data.texts import streams
from trainers.errors import ConfigError


def read_splits(data):
    """Reads all splits of a run; see `reading.read_splits`.

    Args:
        data: `TextDataConfig`.

    Returns:
        Dict of `Examples` by split, see `split_specs.resolve`.
    """
    source = _open(data)
    specs = split_specs.resolve_all(data, source.sizes)
    found = split_specs.read_all(source, specs)
    _check_cut(split_specs.cut(data, source.sizes), found)
    return found


def read_one(data, split, run_data):
    """Reads one split; see `reading.read_one`.

    Args:
        data: `TextDataConfig`.
        split: str. `train`, `validation` or `test`, else a split
            specification.
        run_data: `TextDataConfig` of the run that trained the model, or
            `None`.

    Returns:
        `Examples`.
    """
    return split_specs.read_one(_open(data), split, data, run_data)


def list_files(data):
    """Returns all files of the prepared version, sorted.

    Args:
        data: `TextDataConfig`.

    Returns:
        List of `pathlib.Path`.
    """
    directory = pathlib.Path(str(tfds_data.open_builder(data).data_dir))
    return sorted(file for file in directory.rglob("*") if file.is_file())


def _open(data):
    builder = tfds_data.open_builder(data)
    _check_columns(builder.info.features, data)

    def read(split, start, stop):
        return _read_rows(builder, data, split, start, stop)

    # The labels are str; `checks.name_labels` numbers them.
    return examples.Source(tfds_data.sizes(builder), None, read)


def _check_columns(features, data):
    """Refuses columns that are not a single text and a single label."""
    tfds_data.check_columns(features, data, ("text_column", "label_column"))
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
    """Returns whether a TFDS feature is a single value of a matching dtype."""
    # Shape and dtype are dicts if the feature is a dict.
    return feature.shape == () and is_kind(feature.tf_dtype)


def _is_string(dtype):
    return dtype.name == "string"


def _read_rows(builder, data, split, start, stop):
    """Returns the `Examples` of some rows of one split."""
    columns = (data.text_column, data.label_column)
    texts, numbers, places = tfds_data.read_columns(
        builder, data, columns, split, start, stop
    )
    label = builder.info.features[data.label_column]
    labels = _check_rows(texts, numbers, getattr(label, "names", None), places)
    return Examples(
        {"text": texts.astype(object)}, rows.as_objects(labels), places
    )


def _check_rows(texts, labels, names, places):
    """Returns the labels as str, or raises `DataError` for unusable rows."""
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
        lambda problem: f"{places[problem[0]]}: {problem[1]}",
    )
    return found


def _check_cut(cut, found):
    """Checks that splits cut from the end of `train` have its classes."""
    names = sorted({label for part in found.values() for label in part.targets})
    numbers = {name: number for number, name in enumerate(names)}
    numbered = {
        split: Examples(
            {}, np.asarray([numbers[x] for x in part.targets]), part.places
        )
        for split, part in found.items()
    }
    checks.check_cut(cut, numbered, names)
