"""Parquet and Arrow files, with or without the structure of Feather.

The columns contain strings, or bytes in the encoding of the settings. Labels
can also be whole numbers, true or false. The values of a dictionary are read as
themselves.
"""

import functools

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
        open_fn: Function from a file to the names of its columns, and a
            function from names to batches.

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
        names, read_fn = open_fn(file)
        for field, name in columns.items():
            if name not in names:
                raise columns_lib.missing(field, name, file, names)
        for batch in read_fn(list(columns.values())):
            # Damaged offsets would read memory of others.
            batch.validate(full=True)
            for row in batch.to_pylist():
                number += 1
                try:
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


def _open_parquet(file):
    from pyarrow import parquet

    opened = parquet.ParquetFile(file)

    def read(names):
        return opened.iter_batches(_BATCH_ROWS, columns=names)

    return opened.schema_arrow.names, read


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

    return opened.schema.names, read


PARQUET = TextFormat(
    functools.partial(read_rows, source="parquet", open_fn=_open_parquet),
    place=", row ",
)
ARROW = TextFormat(
    functools.partial(read_rows, source="arrow", open_fn=_open_arrow),
    place=", row ",
)
