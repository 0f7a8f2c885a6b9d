"""Reads labelled texts from files and from TFDS.

Each kind of file has a `TextFormat`. Its function `read_rows` yields rows and
reports unusable rows. `rows` turns rows into `Examples`. `file_splits` selects
the rows of train, validation and test.
"""

from tfmodels import settings
from trainers.config.data import TFDS
from trainers.data import paths
from trainers.data.texts import file_kinds
from trainers.data.texts import file_splits
from trainers.data.texts import rows
from trainers.data.texts import streams
from trainers.data.texts import tfds_texts
from trainers.errors import ConfigError


def check_files(data):
    """Checks that the files exist. Does not import TensorFlow.

    Files that TFDS can download are not checked.

    Args:
        data: `TextDataConfig`.

    Raises:
        ConfigError: A path does not exist, or the source is unknown.
    """
    if data.source not in TFDS:
        list_files(data)
    if data.path and data.source != "tfds":
        paths.resolve_path(data.path)
    if settings.is_own(data.source):
        rows.load_format(data.source)


def read_splits(data, objective):
    """Reads all splits of a run.

    Args:
        data: `TextDataConfig`.
        objective: `Objective`, which parses the target of each row.

    Returns:
        Dict of `Examples`: `train`, and `validation` and `test` if the run has
        them; and a list of the splits that were cut from the end of `train`.
        The feature `text` is `object[num_examples]` of bytes in UTF-8. The
        targets are `object[num_examples]`, results of `objective.parse`.

    Raises:
        ConfigError: A path, a column or a split does not exist.
        DataError: Rows cannot be used. The message has the first ten places.
    """
    if data.source in TFDS:
        return tfds_texts.read_splits(data, objective)
    return file_splits.read_splits(data, objective), []


def read_one(data, split, objective, run_data=None):
    """Reads one split, or another labelled file.

    Args:
        data: `TextDataConfig`.
        split: str. `train`, `validation` or `test` of the configuration, else
            the path of labelled data of the same kind, or a split
            specification for TFDS.
        objective: `Objective`, which parses the target of each row.
        run_data: `TextDataConfig` of the run that trained the model; `None`
            means `data`. Only TFDS uses it: if the data set of the run is
            another one, `test` is the split `test` of `data`.

    Returns:
        `Examples`, as in `read_splits`.

    Raises:
        ConfigError, DataError: See `read_splits`.
    """
    if data.source in TFDS:
        return tfds_texts.read_one(data, split, objective, run_data)
    return file_splits.read_one(data, split, objective)


def list_files(data):
    """Returns the paths of all files that `read_splits` reads, in order.

    For TFDS these are all files of the prepared version.

    Args:
        data: `TextDataConfig`.

    Returns:
        List of `pathlib.Path`.

    Raises:
        ConfigError: A path does not exist.
    """
    if data.source in TFDS:
        return tfds_texts.list_files(data)
    return file_splits.list_files(data)


def read_texts(path, data, flag="FILE", encoding_flag=rows.ENCODING):
    """Yields the texts of an unlabelled file while it is read.

    Files whose name says a kind of table, such as CSV, need only the columns of
    texts. Other files, and stdin, have one text on each line. The
    text is the line without its line end. A file whose name says that it is no
    text, such as .xlsx, is refused.

    Args:
        path: str. A file or pattern like `data.train`, or `-` for stdin.
        data: `TextDataConfig`.
        flag: str. Name of the path in error messages.
        encoding_flag: str. Name of the encoding in error messages.

    Yields:
        `(where, texts)`: the place of the row, for messages, and a dict by
        field, `text` or also `text_pair`, of bytes in UTF-8.

    Raises:
        ConfigError: There is no such file, or it is a folder.
        DataError: A row cannot be used. The rows before it are yielded first.
    """
    if path == streams.STDIN:
        yield from rows.read_plain_texts(path, data, encoding_flag)
        return
    for file in paths.find(path, flag):
        if file.is_dir():
            raise paths.wrong_kind(flag, "a file", path, "a folder")
        kind = file_kinds.kind_of(file)
        if kind is not None:
            yield from rows.read_texts(file, kind, data, encoding_flag)
        elif words := file_kinds.foreign_words(file):
            raise ConfigError(f"`{flag}`: {str(file)!r} {words}.")
        else:
            yield from rows.read_plain_texts(file, data, encoding_flag)
