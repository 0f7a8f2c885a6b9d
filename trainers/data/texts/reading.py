"""Where labelled texts come from: one module a kind of file, and TFDS.

A module for a kind of file has `read_rows`, which yields rows one by one and
reports those that cannot be used, and `PLACE`, how a row is found again.
`rows` makes `Examples` of them, `file_splits` decides which rows are train,
validation and test.
"""

from trainers.config.data import TFDS
from trainers.data import paths
from trainers.data.texts import file_splits
from trainers.data.texts import rows
from trainers.data.texts import streams
from trainers.data.texts import tfds_texts


def read_splits(data):
    """Reads all splits of a run.

    Args:
        data: `TextDataConfig`.

    Returns:
        Dict of `Examples`: `train` and, where there is one, `validation` and
        `test`. The feature `text` is `object[num_examples]` of bytes in UTF-8;
        labels are `object[num_examples]` of str, not empty, without white
        space around them.

    Raises:
        ConfigError: A path, a column or a split does not exist.
        DataError: Rows cannot be used; the first ten places are named.
    """
    if data.source in TFDS:
        return tfds_texts.read_splits(data)
    return file_splits.read_splits(data)


def read_one(data, split, run_data=None):
    """Reads one split, or another labelled file.

    Args:
        data: `TextDataConfig`.
        split: `train`, `validation` or `test` for what the configuration
            calls so; else the path of labelled data of the same kind, or a
            split as TFDS writes it.
        run_data: `TextDataConfig` of the run that made the model; `None` means
            `data`. Matters for TFDS alone: if it is another data set, `test`
            is that data set's own.

    Returns:
        `Examples`, with errors as in `read_splits`.
    """
    if data.source in TFDS:
        return tfds_texts.read_one(data, split, run_data)
    return file_splits.read_one(data, split)


def list_files(data):
    """Returns the paths of all files that `read_splits` reads, in order.

    For TFDS these are all files of the prepared version.
    """
    if data.source in TFDS:
        return tfds_texts.list_files(data)
    return file_splits.list_files(data)


def read_texts(path, data, flag="FILE"):
    """Yields `(where, text)` of an unlabelled file, as it is read.

    Files whose names end like CSV, TSV, JSON lines or TFRecord need only the
    column `data.text_column`. Any other, and `-` for stdin, holds one text a
    line, which is passed on without its line end, valid UTF-8 or not.

    Args:
        path: Like `data.train`, but no folder; or `-`.
        data: `TextDataConfig`.
        flag: What to call the path in an error.

    Yields:
        Place of the text, for messages, and its bytes.

    Raises:
        DataError: A row cannot be used; what came before is yielded.
    """
    if path == streams.STDIN:
        yield from streams.read_plain_texts(path)
        return
    for file in paths.find(path, flag):
        if file.is_dir():
            raise paths.wrong_kind(flag, "a file", path, "a folder")
        kind = paths.kind_by_name(file)
        if kind is None:
            yield from streams.read_plain_texts(file)
        else:
            yield from rows.read_texts(file, kind, data)
