"""Texts of TensorFlow Datasets, from its catalogue or a directory.

A text is a single string feature. The label is a `ClassLabel`, a whole number
or a string. The names of a `ClassLabel` are the labels. An objective that takes
JSON gets numbers as they are, also fractions.
"""

import pathlib

from trainers.data import examples
from trainers.data import split_specs
from trainers.data import tfds_data
from trainers.data.examples import Examples
from trainers.data.texts import columns as columns_lib
from trainers.data.texts import decoding
from trainers.data.texts import rows
from trainers.errors import ConfigError
from trainers.errors import raise_problems


def read_splits(data, objective):
    """Reads all splits of a run; see `reading.read_splits`.

    Args:
        data: `TextDataConfig`.
        objective: `Objective`, which parses the target of each row.

    Returns:
        Dict of `Examples` by split, see `split_specs.resolve`, and the names
        of the splits that were cut from the end of `train`.
    """
    source = _open(data, objective)
    specs = split_specs.resolve_all(data, source.sizes)
    found = split_specs.read_all(source, specs)
    return found, split_specs.cut(data, source.sizes)


def read_one(data, split, objective, run_data):
    """Reads one split; see `reading.read_one`.

    Args:
        data: `TextDataConfig`.
        split: str. `train`, `validation` or `test`, else a split
            specification.
        objective: `Objective`, which parses the target of each row.
        run_data: `TextDataConfig` of the run that trained the model, or
            `None`.

    Returns:
        `Examples`.
    """
    source = _open(data, objective)
    return split_specs.read_one(source, split, data, run_data)


def list_files(data):
    """Returns all files of the prepared version, sorted.

    Args:
        data: `TextDataConfig`.

    Returns:
        List of `pathlib.Path`.
    """
    directory = pathlib.Path(str(tfds_data.open_builder(data).data_dir))
    return sorted(file for file in directory.rglob("*") if file.is_file())


def _open(data, objective):
    if objective.target_columns(data).keys() != {"label"}:
        raise ConfigError(
            f"`--config.data.source={data.source}` has one label for each "
            "text, and the objective needs the columns "
            f"{', '.join(objective.target_columns(data))}. Files with columns, "
            "such as .csv with --config.data.source=files, can have them."
        )
    builder = tfds_data.open_builder(data)
    columns = columns_lib.labelled(data, objective, with_split=False)
    _check_columns(builder.info.features, data, columns)

    def read(split, start, stop):
        place = split, start, stop
        return _read_rows(builder, data, objective, columns, place)

    # The labels are words; the objective numbers them.
    return examples.Source(tfds_data.sizes(builder), None, read)


def _check_columns(features, data, columns):
    """Refuses columns that are not single texts and a single label."""
    tfds_data.check_columns(features, data, [f"{x}_column" for x in columns])
    for field in columns.keys() & columns_lib.TEXTS:
        feature = features[columns[field]]
        if not _is_one(feature, _is_string):
            raise ConfigError(
                f"`{columns.flag(field)}` must be a text feature. Received: "
                f"{columns[field]!r}, {feature}."
            )
    label = features[data.label_column]

    def is_label(dtype):
        is_number = dtype.is_floating and columns.takes_json
        return _is_string(dtype) or dtype.is_integer or is_number

    if not _is_one(label, is_label):
        fraction = "number" if columns.takes_json else "whole number"
        raise ConfigError(
            "`--config.data.label_column` must be a single class label, "
            f"{fraction} or string. Received: {data.label_column!r}, {label}."
        )


def _is_one(feature, is_kind):
    """Returns whether a TFDS feature is a single value of a matching dtype."""
    # Shape and dtype are dicts if the feature is a dict.
    return feature.shape == () and is_kind(feature.tf_dtype)


def _is_string(dtype):
    return dtype.name == "string"


def _read_rows(builder, data, objective, columns, place):
    """Returns the `Examples` of some rows of one split."""
    *arrays, places = tfds_data.read_columns(
        builder, data, tuple(columns.values()), *place
    )
    fields = dict(zip(columns, arrays, strict=True))
    label = builder.info.features[data.label_column]
    targets = _parse_rows(
        fields, getattr(label, "names", None), places, objective
    )
    texts = {
        field: array.astype(object)
        for field, array in fields.items()
        if field in columns_lib.TEXTS
    }
    return Examples(texts, rows.as_objects(targets), places)


def _parse_rows(fields, names, places, objective):
    """Returns the targets, or raises `DataError` for unusable rows."""
    found, problems = [], []
    lists = [array.tolist() for array in fields.values()]
    for row, cells in enumerate(zip(*lists, strict=True)):
        values = dict(zip(fields, cells, strict=True))
        try:
            for field in values.keys() & columns_lib.TEXTS:
                _decode(values[field])
            values["label"] = _label(values["label"], names, objective)
            found.append(objective.parse(values))
        except ValueError as error:
            problems.append((row, str(error)))
    raise_problems(
        "rows that cannot be used",
        problems,
        lambda problem: f"{places[problem[0]]}: {problem[1]}",
    )
    return found


def _label(label, names, objective):
    """Returns a label as the objective takes it."""
    if names and not 0 <= label < len(names):
        raise ValueError(f"label {label} is none of the {len(names)} classes")
    if names:
        return names[label]
    if isinstance(label, bytes):
        return _decode(label)
    return label if objective.takes_json else str(label)


def _decode(content):
    """Returns UTF-8 as a str, or raises `ValueError` with the problem."""
    text = decoding.decode(content, "utf-8")
    if problem := decoding.problem(text, "utf-8"):
        raise ValueError(problem)
    return text
