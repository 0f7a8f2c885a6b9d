"""Texts of TensorFlow Datasets, from its catalogue or a directory.

The texts are single string features. The label is a `ClassLabel`, a whole
number or a string. The names of a `ClassLabel` are the labels. An objective
that takes JSON also gets other numbers, bools, and lists.
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
from trainers.objectives import other_objectives


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
    columns = columns_lib.labelled(data, objective, False)
    builder = tfds_data.open_builder(data)
    _check_columns(builder.info.features, data, columns)

    def read(split, start, stop):
        return _read_rows(builder, data, objective, columns, split, start, stop)

    # The labels are words; the objective numbers them.
    return examples.Source(tfds_data.sizes(builder), None, read)


def _check_columns(features, data, columns):
    """Refuses features of another kind than texts and targets have."""
    for field, name in columns.items():
        flag = columns.flag(field)
        if name not in features:
            raise ConfigError(
                f"`{flag}` must be a feature of {data.path}. "
                f"Received: {name!r}. Choices: {', '.join(sorted(features))}."
            )
        feature = features[name]
        # Shape and dtype are dicts if the feature is a dict.
        shape, dtype, hint = feature.shape, feature.tf_dtype, ""
        if field in columns_lib.TEXTS:
            is_right = shape == () and dtype.name == "string"
            words = "a text feature"
        elif columns.takes_json:
            is_right = isinstance(shape, tuple) and len(shape) < 2
            words = "class labels, numbers, bools or strings, one or a list"
        else:
            is_right = shape == () and (
                dtype.name == "string" or dtype.is_integer
            )
            words = "a single class label, whole number or string"
            if isinstance(shape, tuple) and len(shape) == 1:
                hint = other_objectives.hint([])
            elif shape == () and dtype.is_floating:
                hint = other_objectives.hint(0.5)
        if not is_right:
            raise ConfigError(
                f"`{flag}` must be {words}. Received: {name!r}, {feature}"
                f"{hint}."
            )


def _read_rows(builder, data, objective, columns, split, start, stop):
    """Returns the `Examples` of some rows of one split."""
    *arrays, places = tfds_data.read_columns(
        builder, data, tuple(columns.values()), split, start, stop
    )
    read = dict(zip(columns, arrays, strict=True))
    names = {}
    for field, name in columns.items():
        feature = builder.info.features[name]
        # A list of class labels has them in `feature`.
        feature = getattr(feature, "feature", feature)
        names[field] = getattr(feature, "names", None)
    targets = _parse_rows(read, names, places, objective)
    return Examples(
        {
            field: read[field].astype(object)
            for field in columns
            if field in columns_lib.TEXTS
        },
        rows.as_objects(targets),
        places,
    )


def _parse_rows(read, names, places, objective):
    """Returns the targets, or raises `DataError` for unusable rows.

    Args:
        read: Dict by field of an array with a row for each example.
        names: Dict by field of the names of numbers, or `None`.
        places: `Places`.
        objective: `Objective`, which parses the target of each row.
    """
    found, problems = [], []
    columns = [column.tolist() for column in read.values()]
    for row, values in enumerate(zip(*columns, strict=True)):
        try:
            parsed = {
                field: _value(field, value, names[field], objective.takes_json)
                for field, value in zip(read, values, strict=True)
            }
            found.append(objective.parse(parsed))
        except ValueError as error:
            problems.append((row, str(error)))
    raise_problems(
        "rows that cannot be used",
        problems,
        lambda problem: f"{places[problem[0]]}: {problem[1]}",
    )
    return found


def _value(field, value, names, takes_json):
    """Returns a value of a row, or raises `ValueError` with its problem."""
    if isinstance(value, list):
        return [_value(field, item, names, takes_json) for item in value]
    if isinstance(value, bytes):
        text = _decode(value)
        return value if field in columns_lib.TEXTS else text
    if names and not 0 <= value < len(names):
        raise ValueError(f"{field} {value} is none of the {len(names)} classes")
    if names:
        return names[value]
    return value if takes_json else str(value)


def _decode(content):
    """Returns UTF-8 as a str, or raises `ValueError` with the problem."""
    text = decoding.decode(content, "utf-8")
    if problem := decoding.problem(text, "utf-8"):
        raise ValueError(problem)
    return text
