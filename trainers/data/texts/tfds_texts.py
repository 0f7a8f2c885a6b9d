"""Texts of TensorFlow Datasets, from its catalogue or a directory.

The text is a single string feature. The label is a `ClassLabel`, a whole number
or a string. The names of a `ClassLabel` are the labels.
"""

import pathlib

from trainers.data import examples
from trainers.data import split_specs
from trainers.data import tfds_data
from trainers.data.examples import Examples
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
    _check_columns(builder.info.features, data)

    def read(split, start, stop):
        return _read_rows(builder, data, objective, split, start, stop)

    # The labels are words; the objective numbers them.
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


def _read_rows(builder, data, objective, split, start, stop):
    """Returns the `Examples` of some rows of one split."""
    columns = (data.text_column, data.label_column)
    texts, numbers, places = tfds_data.read_columns(
        builder, data, columns, split, start, stop
    )
    label = builder.info.features[data.label_column]
    targets = _parse_rows(
        texts, numbers, getattr(label, "names", None), places, objective
    )
    return Examples(
        {"text": texts.astype(object)}, rows.as_objects(targets), places
    )


def _parse_rows(texts, labels, names, places, objective):
    """Returns the targets, or raises `DataError` for unusable rows."""
    found, problems = [], []
    for row, (text, label) in enumerate(
        zip(texts, labels.tolist(), strict=True)
    ):
        try:
            _decode(text)
            is_text = isinstance(label, bytes)
            word = _decode(label) if is_text else str(label)
            if names and not 0 <= label < len(names):
                raise ValueError(
                    f"label {label} is none of the {len(names)} classes"
                )
            word = names[label] if names else word
            found.append(objective.parse({"label": word}))
        except ValueError as error:
            problems.append((row, str(error)))
    raise_problems(
        "rows that cannot be used",
        problems,
        lambda problem: f"{places[problem[0]]}: {problem[1]}",
    )
    return found


def _decode(content):
    """Returns UTF-8 as a str, or raises `ValueError` with the problem."""
    text = decoding.decode(content, "utf-8")
    if problem := decoding.problem(text, "utf-8"):
        raise ValueError(problem)
    return text
