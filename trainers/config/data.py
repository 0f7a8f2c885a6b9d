"""Settings of the data: one dataclass for each kind."""

import dataclasses

from tfmodels.settings import setting

SPLITS = ("train", "validation", "test")
TFDS = ("tfds", "tfds_directory")
_FILES = ("files", "csv", "tsv", "jsonl", "tfrecord", "text_folder")


@dataclasses.dataclass(slots=True)
class ImageDataConfig:
    """Where labelled images come from and how they are batched.

    >>> data = ImageDataConfig(source="image_folder", path="photos")
    >>> data.global_batch_size
    32
    """

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
        "Directory of the `tfds` datasets; empty means ~/tensorflow_datasets.",
        only_with=("source", ("tfds",)),
    )
    train: str = setting(
        "",
        "Split to train on, in the notation of TFDS: `train[:90%]`. Empty "
        "means the split `train`, without what validation and test take from "
        "it.",
    )
    validation: str = setting(
        "",
        "Split that selects the best epoch, or `none`. Empty means the split "
        "`validation`, or a tenth of `train` if there is none.",
    )
    test: str = setting(
        "",
        "Split that measures the result, or `none`. Empty means the split "
        "`test`, or a tenth of `train` if there is none.",
    )
    image_column: str = setting(
        "image",
        "Feature of a TFDS dataset to read.",
        only_with=("source", TFDS),
    )
    label_column: str = setting(
        "label",
        "Feature of a TFDS dataset with the label.",
        only_with=("source", TFDS),
    )
    global_batch_size: int = setting(
        32, "Examples in a training step, summed over all devices.", at_least=1
    )


@dataclasses.dataclass(slots=True)
class TextDataConfig:
    """Where labelled texts come from, how they are split, cut and batched.

    >>> data = TextDataConfig(train="mails.csv", sequence_length=256)
    >>> data.validation_fraction, data.test_fraction
    (0.1, 0.1)
    """

    source: str = setting(
        "files",
        "Kind of `train`, `validation` and `test`. `files` selects the kind by "
        "the name: .csv, .tsv, .jsonl, .tfrecord (each also with .gz), or a "
        "folder with a folder of .txt files for each class.",
        choices=(*_FILES, *TFDS),
    )
    path: str = setting(
        "",
        "Name or directory of a TFDS dataset. `train`, `validation` and `test` "
        "are splits of it.",
        only_with=("source", TFDS),
    )
    data_dir: str = setting(
        "",
        "Directory of the `tfds` datasets; empty means ~/tensorflow_datasets.",
        only_with=("source", ("tfds",)),
    )
    train: str = setting(
        "",
        "File, pattern or folder to train on; `package://PKG/FILE` is inside "
        "an installed Python package. For TFDS, a split.",
    )
    validation: str = setting(
        "",
        "The same for the split that selects the best epoch, or `none`. Empty "
        "takes `validation_fraction` of `train`.",
    )
    test: str = setting(
        "",
        "The same for the split that measures the result, or `none`. Empty "
        "takes `test_fraction` of `train`.",
    )
    validation_fraction: float = setting(
        0.1,
        "Share of `train` that becomes `validation` if that is empty. It is "
        "taken from each class by a hash of the text. (TFDS: always a tenth, "
        "from the end.)",
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
        "Column of `train` with the split of each row: train, validation or "
        "test. Empty means that there is no such column.",
        only_with=("source", ("files", "csv", "tsv", "jsonl", "tfrecord")),
    )
    text_column: str = setting("text", "Column or feature with the text.")
    label_column: str = setting("label", "Column or feature with the label.")
    header: bool = setting(
        True,
        "Whether the first row of a CSV or TSV file names the columns. If not, "
        "their names are 0, 1, 2, ...",
        only_with=("source", ("files", "csv", "tsv")),
    )
    delimiter: str = setting(
        "",
        "Character between the fields of a CSV or TSV file. Empty means a "
        "comma for CSV and a tab for TSV.",
        only_with=("source", ("files", "csv", "tsv")),
    )
    quoting: bool = setting(
        True,
        "Whether CSV and TSV fields can be in double quotes. If not, a quote "
        "is an ordinary character.",
        only_with=("source", ("files", "csv", "tsv")),
    )
    sequence_length: int = setting(
        128,
        "Largest number of tokens of a text, including the two special tokens "
        "around it. Longer texts are cut.",
        at_least=3,
    )
    max_bytes: int = setting(
        100_000,
        "Largest number of bytes that are read of a text, in training and in "
        "serving.",
        at_least=1,
        at_most=10_000_000,
    )
    global_batch_size: int = setting(
        32, "Examples in a training step, summed over all devices.", at_least=1
    )
    cache_dir: str = setting(
        "",
        "Directory that stores tokenized data for later runs. Empty means "
        "~/.cache/tfmodels-trainers, `none` stores nothing.",
        may_change=True,
    )
