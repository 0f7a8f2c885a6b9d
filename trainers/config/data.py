"""Where examples come from: a dataclass for each kind of data."""

import dataclasses

from tfmodels.settings import setting

SPLITS = ("train", "validation", "test")
TFDS = ("tfds", "tfds_directory")
_FILES = ("files", "csv", "tsv", "jsonl", "tfrecord", "text_folder")


@dataclasses.dataclass(slots=True)
class ImageDataConfig:
    """Where labelled images come from and how they are grouped."""

    source: str = setting(
        "tfds_directory",
        "Kind of `path`.",
        choices=(*TFDS, "idx", "npz", "image_folder"),
    )
    path: str = setting(
        "",
        "Name of a TFDS dataset, or a file or directory; `package://PKG/DIR` "
        "is inside an installed Python package.",
    )
    data_dir: str = setting(
        "",
        "Where `tfds` keeps its datasets; empty means ~/tensorflow_datasets.",
        only_with=("source", ("tfds",)),
    )
    train: str = setting(
        "",
        "Examples to learn from, as TFDS writes splits: `train[:90%]`. Empty "
        "means the split `train`, less what validation and test take of it.",
    )
    validation: str = setting(
        "",
        "Examples that choose the best epoch, or `none`. Empty means the "
        "split `validation`, else a tenth of `train`.",
    )
    test: str = setting(
        "",
        "Examples that measure the result, or `none`. Empty means the split "
        "`test`, else a tenth of `train`.",
    )
    image_column: str = setting(
        "image",
        "Feature of a TFDS dataset to read.",
        only_with=("source", TFDS),
    )
    label_column: str = setting(
        "label",
        "Feature that holds the label.",
        only_with=("source", TFDS),
    )
    global_batch_size: int = setting(
        32, "Examples in a training step, over all devices.", at_least=1
    )


@dataclasses.dataclass(slots=True)
class TextDataConfig:
    """Where labelled texts come from and how they are cut and grouped."""

    source: str = setting(
        "files",
        "Kind of `train`, `validation` and `test`. `files` goes by their "
        "names: .csv, .tsv, .jsonl, .tfrecord (and .gz), or a folder of class "
        "folders of .txt.",
        choices=(*_FILES, *TFDS),
    )
    path: str = setting(
        "",
        "Name or directory of a TFDS data set, of which `train`, `validation` "
        "and `test` are splits.",
        only_with=("source", TFDS),
    )
    data_dir: str = setting(
        "",
        "Where `tfds` keeps its datasets; empty means ~/tensorflow_datasets.",
        only_with=("source", ("tfds",)),
    )
    train: str = setting(
        "",
        "File, pattern or folder to learn from; `package://PKG/FILE` is "
        "inside an installed Python package. For TFDS, a split.",
    )
    validation: str = setting(
        "",
        "The same for what chooses the best epoch, or `none`. Empty takes "
        "`validation_fraction` of `train`.",
    )
    test: str = setting(
        "",
        "The same for what measures the result, or `none`. Empty takes "
        "`test_fraction` of `train`.",
    )
    validation_fraction: float = setting(
        0.1,
        "Share of `train` that becomes `validation` where that is empty, of "
        "each class, by a hash of the text. (Of TFDS, a tenth from the end.)",
        above=0,
        below=1,
        only_with=("source", _FILES),
    )
    test_fraction: float = setting(
        0.1,
        "The same for `test`.",
        above=0,
        below=1,
        only_with=("source", _FILES),
    )
    split_column: str = setting(
        "",
        "Column of `train` that says train, validation or test for each row; "
        "empty if there is none.",
        only_with=("source", ("files", "csv", "tsv", "jsonl", "tfrecord")),
    )
    text_column: str = setting("text", "Column or feature with the text.")
    label_column: str = setting("label", "Column or feature with the label.")
    header: bool = setting(
        True,
        "Whether the first row of CSV and TSV names the columns; if not, they "
        "are called 0, 1, 2, ...",
        only_with=("source", ("files", "csv", "tsv")),
    )
    delimiter: str = setting(
        "",
        "Character between the fields of CSV and TSV; empty means a comma, and "
        "a tab for TSV.",
        only_with=("source", ("files", "csv", "tsv")),
    )
    quoting: bool = setting(
        True,
        "Whether CSV and TSV fields may stand in double quotes; if not, a "
        "quote is a character like others.",
        only_with=("source", ("files", "csv", "tsv")),
    )
    sequence_length: int = setting(
        128,
        "Most tokens of a text, with the two around it; the rest is cut off.",
        at_least=3,
    )
    max_bytes: int = setting(
        100_000,
        "Most bytes of a text that are read, in training and in serving.",
        at_least=1,
        at_most=10_000_000,
    )
    global_batch_size: int = setting(
        32, "Examples in a training step, over all devices.", at_least=1
    )
    cache_dir: str = setting(
        "",
        "Where tokenized data is kept for the next run; empty means "
        "~/.cache/tfmodels-trainers, `none` keeps nothing.",
        may_change=True,
    )
