"""Parquet and Arrow files, with or without the structure of Feather.

The columns contain strings, or bytes in the encoding of the settings. Labels
can also be whole numbers, true or false. The values of a dictionary are read as
themselves. If the metadata says that a column is a `ClassLabel` of `datasets`
of Hugging Face, its numbers are read as the names of their classes.
"""

import functools
import json

from trainers.data.texts import columns as columns_lib
from trainers.data.texts import file_kinds
from trainers.data.texts import objects
from trainers.data.texts.objects import ProblemError
from trainers.data.texts.text_format import TextFormat
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.runtime import libraries

_BATCH_ROWS = 1024


def read_rows(file, data, columns, report, *, source, open_fn):
    """Yields the rows of one file; see `rows`.

    Args:
        file: Path of the file.
        data: `TextDataConfig`.
        columns: Dict from `columns`.
        report: Function of the number and the problem of an unusable row.
        source: str. The kind of the file.
        open_fn: Function from a file to its schema, and a function from names
            of columns to batches.

    Yields:
        `(number, values)`.

    Raises:
        ConfigError: The file does not have the columns, or the package pyarrow
            is missing.
        DataError: The file is damaged, or of another kind.
    """
    try:
        import pyarrow
    except ModuleNotFoundError:
        raise ConfigError(
            f"`--config.data.source`: {str(file)!r} needs the package "
            f"'pyarrow'. Run: pip install '{libraries.DISTRIBUTION}[parquet]'"
        ) from None
    number = 0
    try:
        schema, read_fn = open_fn(file)
        for field, name in columns.items():
            if name not in schema.names:
                raise columns_lib.missing(columns, field, file, schema.names)
        named = _class_labels(schema, columns)
        for batch in read_fn(list(columns.values())):
            # Damaged offsets would read memory of others.
            batch.validate(full=True)
            for row in _rows(batch):
                number += 1
                try:
                    for name, names in named.items():
                        row[name] = _class_name(row[name], name, names)
                    values = objects.read_values(row, columns, data.encoding)
                except ProblemError as problem:
                    report(number, problem.args[0])
                else:
                    yield number, values
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise DataError(
                f"{file}, row {number + 1}: cannot be read: {error.strerror}"
            ) from None
        if not number:
            words = file_kinds.not_rows_words(file, columns, source)
            if words:
                raise DataError(f"{file}: {words}") from None
        words = " ".join(str(error).split())[:200]
        raise DataError(
            f"{file}, row {number + 1}: is damaged, cut off or of another "
            f"kind: {words}"
        ) from None


def _rows(batch):
    """Returns a dict of each row, with types for values that Python lacks."""
    try:
        return batch.to_pylist()
    except (ArithmeticError, LookupError, ValueError):
        return [
            {name: _value(batch[name][i]) for name in batch.schema.names}
            for i in range(batch.num_rows)
        ]


def _value(scalar):
    try:
        return scalar.as_py()
    except (ArithmeticError, LookupError, ValueError):
        # Such as nanoseconds, or a day after the year 9999.
        return scalar.type


def _open_parquet(file):
    from pyarrow import parquet

    opened = parquet.ParquetFile(file)

    def read(names):
        return opened.iter_batches(_BATCH_ROWS, columns=names)

    return opened.schema_arrow, read


def _open_arrow(file):
    import pyarrow
    from pyarrow import ipc

    source = pyarrow.memory_map(str(file))
    try:
        opened = ipc.open_file(source)
    except pyarrow.ArrowInvalid:
        # Without an end that lists its parts, as `datasets` of Hugging Face
        # writes it.
        source.seek(0)
        opened = ipc.open_stream(source)
        batches = opened
    else:
        batches = map(opened.get_batch, range(opened.num_record_batches))

    def read(names):
        return (batch.select(names) for batch in batches)

    return opened.schema, read


def _class_labels(schema, columns):
    """Returns the names of the classes by column, of targets in `columns`."""
    try:
        metadata = json.loads(schema.metadata[b"huggingface"])
        features = dict(metadata["info"]["features"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    named = {}
    for field, name in columns.items():
        feature = features.get(name)
        if field in columns_lib.TEXTS or not isinstance(feature, dict):
            continue
        if columns.takes_json and isinstance(feature.get("feature"), dict):
            feature = feature["feature"]  # Of a list of labels.
        names = feature.get("names")
        is_list = isinstance(names, list) and names
        if feature.get("_type") == "ClassLabel" and is_list:
            named[name] = tuple(map(str, names))
    return named


def _class_name(number, column, names):
    """Returns the class of a number; other values are left as they are."""
    if isinstance(number, list):
        return [_class_name(item, column, names) for item in number]
    if not isinstance(number, int):
        return number
    if number == -1:
        raise ProblemError(
            f"{column!r} is -1, which means that the row has no label. Leave "
            "such rows out"
        )
    if not 0 <= number < len(names):
        raise ProblemError(
            f"{column!r} must be the number of one of {len(names)} classes, "
            f"from 0 to {len(names) - 1}. Received: {number}"
        )
    return names[number]


def number_names(file, columns, *, open_fn):
    """Returns the names of the classes of columns with numbers.

    Args:
        file: Path of the file.
        columns: Dict from `columns`.
        open_fn: As for `read_rows`.

    Returns:
        As `TextFormat.number_names`. It is empty if the file cannot be read.
    """
    try:
        import pyarrow

        schema, _ = open_fn(file)
    except (ModuleNotFoundError, OSError):
        return {}
    except pyarrow.ArrowException:
        return {}
    named = _class_labels(schema, columns)
    return {
        name: named.get(name, ())
        for name in columns.values()
        if schema.get_field_index(name) >= 0
        and pyarrow.types.is_integer(schema.field(name).type)
    }


def _make(source, open_fn):
    return TextFormat(
        functools.partial(read_rows, source=source, open_fn=open_fn),
        place=", row ",
        number_names=functools.partial(number_names, open_fn=open_fn),
    )


PARQUET = _make("parquet", _open_parquet)
ARROW = _make("arrow", _open_arrow)
