"""Settings of the data and its inputs: one dataclass for each kind."""

import dataclasses
import typing

from tfmodels.settings import setting
from trainers.config.kinds import KINDS
from trainers.runtime import text_encoding

SPLITS = ("train", "validation", "test")
TFDS = ("tfds", "tfds_directory")
# Formats of `TaggedTextDataConfig` alone.
_TAGGED = ("conll", "conllu")
FILES = (
    "files",
    *(name for name in KINDS["text_format"] if name not in _TAGGED),
)


class DataConfig:
    """What every kind of data has. Its settings are a dataclass of this class.

    Other code needs one setting of every kind, `global_batch_size`: int, at
    least 1. It is the number of examples in a training step, summed over all
    devices. The other settings are for the inputs. Two names have a meaning if
    a kind has them: `validation`, where `none` means no such split, and
    `label_column`, the column of the target in a file.

    An objective that cannot learn from some kind of data asks for its name,
    `kinds.name_of("data", type(config.data))`.

    Attributes:
        inputs: str. `MODULE:CLASS` of the inputs, a class of
            `tasks.inputs.inputs.Inputs`.
        check_files: str. `MODULE:NAME` of a function from the settings that
            raises `ConfigError` if a file does not exist. It does not import
            TensorFlow. An empty text means that nothing is checked early.
        model_part: str. The setting that a model for these inputs has.
        per_token: bool. Whether each token of a text has a target of its own.
            Data, objective and model must agree, see `config.rules`.
    """

    __slots__ = ()
    inputs: typing.ClassVar[str] = ""
    check_files: typing.ClassVar[str] = ""
    model_part: typing.ClassVar[str] = ""
    per_token: typing.ClassVar[bool] = False

    def problems(self, model):
        """Yields the broken rules between several settings, a line for each.

        Args:
            model: Model part of the `ExperimentConfig`.
        """
        return ()

    def why_no_validation(self):
        """Returns the setting that means no validation split, or `None`.

        Returns:
            str, such as "--config.data.validation=none".
        """
        if getattr(self, "validation", "") == "none":
            return "--config.data.validation=none"
        return None


@dataclasses.dataclass(slots=True)
class ImageDataConfig(DataConfig):
    """Where labelled images come from, how they are changed and batched.

    >>> data = ImageDataConfig(source="image_folder", path="photos")
    >>> data.global_batch_size
    32
    """

    inputs: typing.ClassVar[str] = "trainers.tasks.inputs.images:Images"
    check_files: typing.ClassVar[str] = (
        "trainers.data.images.loading:check_files"
    )
    model_part: typing.ClassVar[str] = "image_shape"

    source: str = setting(
        "tfds_directory",
        "Kind of `path`.",
        choices=tuple(KINDS["image_source"]),
        or_own=True,
    )
    path: str = setting(
        "",
        "Name of a TFDS dataset, or a file or directory; `package://PKG/DIR` "
        "is inside an installed Python package.",
        is_path=True,
        schemes=("package",),
    )
    data_dir: str = setting(
        "",
        "Directory of the `tfds` datasets; empty means ~/tensorflow_datasets.",
        only_with=("source", ("tfds",)),
        is_path=True,
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
    random_shift: float = setting(
        0.0,
        "Largest random shift of a training image, as a share of height and "
        "width.",
        at_least=0,
        at_most=1,
    )
    random_rotation: float = setting(
        0.0,
        "Largest random rotation of a training image in degrees, in both "
        "directions.",
        at_least=0,
        at_most=180,
    )
    random_zoom: float = setting(
        0.0,
        "Largest random zoom of a training image, as a share of the size, in "
        "and out.",
        at_least=0,
        below=1,
    )
    global_batch_size: int = setting(
        32, "Examples in a training step, summed over all devices.", at_least=1
    )

    def problems(self, model):
        """Yields the broken rules between several settings.

        Args:
            model: Config of a model with `image_shape`.
        """
        shape = model.image_shape
        if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] != 3):
            yield (
                "`--config.model.image_shape` must be height,width for grey or "
                f"height,width,3 for colour images. Received: {shape!r}."
            )
        if not self.path:
            yield (
                "`--config.data.path` must name the data. Received: ''. Set it "
                "to a file, a directory or a TFDS dataset, as "
                "--config.data.source says."
            )


@dataclasses.dataclass(slots=True)
class TextDataConfig(DataConfig):
    """Where labelled texts come from, how they are split, cut and batched.

    >>> data = TextDataConfig(train="mails.csv", sequence_length=256)
    >>> data.validation_fraction, data.test_fraction
    (0.1, 0.1)
    """

    inputs: typing.ClassVar[str] = "trainers.tasks.inputs.texts:Texts"
    check_files: typing.ClassVar[str] = (
        "trainers.data.texts.reading:check_files"
    )
    model_part: typing.ClassVar[str] = "encoder"

    source: str = setting(
        "files",
        "Kind of `train`, `validation` and `test`. `files` selects the kind by "
        "the name: .csv, .tsv, .jsonl, .json, .parquet, .arrow, .tfrecord, or "
        "a folder with a folder of .txt files for each class. Files of lines "
        "can be packed: .gz, .bz2, .xz, .zip.",
        choices=(*FILES, *TFDS),
        or_own=True,
    )
    path: str = setting(
        "",
        "Name or directory of a TFDS dataset. `train`, `validation` and `test` "
        "are splits of it.",
        only_with=("source", TFDS),
        is_path=True,
        schemes=("package",),
    )
    data_dir: str = setting(
        "",
        "Directory of the `tfds` datasets; empty means ~/tensorflow_datasets.",
        only_with=("source", ("tfds",)),
        is_path=True,
    )
    train: str = setting(
        "",
        "File, pattern or folder to train on; `package://PKG/FILE` is inside "
        "an installed Python package. For TFDS, a split.",
        is_path=True,
        schemes=("package",),
    )
    validation: str = setting(
        "",
        "The same for the split that selects the best epoch, or `none`. Empty "
        "takes `validation_fraction` of `train`.",
        is_path=True,
        schemes=("package",),
    )
    test: str = setting(
        "",
        "The same for the split that measures the result, or `none`. Empty "
        "takes `test_fraction` of `train`.",
        is_path=True,
        schemes=("package",),
    )
    validation_fraction: float = setting(
        0.1,
        "Share of `train` that becomes `validation` if that is empty. It is "
        "taken from each class by a hash of the text. (TFDS: always a tenth, "
        "from the end.)",
        above=0,
        below=1,
        only_with=("source", FILES),
    )
    test_fraction: float = setting(
        0.1,
        "The same for `test`.",
        above=0,
        below=1,
        only_with=("source", FILES),
    )
    split_column: str = setting(
        "",
        "Column of `train` with the split of each row: train, validation or "
        "test. Empty means that there is no such column.",
        only_with=(
            "source",
            tuple(name for name in FILES if name != "text_folder"),
        ),
    )
    encoding: str = setting(
        "utf-8",
        "Encoding of the texts in files, a name that Python knows, such as "
        "cp1252, gb18030 or utf-16. UTF-8 can begin with a byte order mark.",
        only_with=("source", FILES),
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
        "Character between the fields of a CSV or TSV file, or `tab`. Empty "
        "means that of Excel's first line `sep=;`, else a comma for CSV and a "
        "tab for TSV.",
        only_with=("source", ("files", "csv", "tsv")),
    )
    quoting: bool = setting(
        True,
        "Whether CSV and TSV fields can be in double quotes. If not, a quote "
        "is an ordinary character.",
        only_with=("source", ("files", "csv", "tsv")),
    )
    backslash_escapes: bool = setting(
        False,
        'Whether CSV and TSV files have \\" for a quote and \\\\ for a '
        "backslash in a cell. Other backslashes are ordinary characters.",
        only_with=("source", ("files", "csv", "tsv")),
    )
    sequence_length: int = setting(
        128,
        "Largest number of tokens of a text, including the two special tokens "
        "around it. Longer texts are cut.",
        at_least=3,
    )
    padded_lengths: str = setting(
        "auto",
        "Lengths to which a training batch is padded. `many`: 23 up to 512, "
        "with little padding. `few`: powers of 2 from 32. `one`: "
        "`sequence_length`. `auto` means `few` if XLA compiles the training "
        "step, as it compiles each length, `one` on TPUs, otherwise `many`. A "
        "run keeps what it began with.",
        choices=("auto", "many", "few", "one"),
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
        is_path=True,
    )

    def problems(self, model):
        """Yields the broken rules between several settings.

        Args:
            model: Config of a model with `encoder`.
        """
        encoder = model.encoder
        is_tfds = self.source in TFDS
        if is_tfds and not self.path:
            yield (
                "`--config.data.path` must name the data set for "
                f"--config.data.source={self.source}. Received: ''."
            )
        if not is_tfds and self.train in ("", "none"):
            yield (
                "`--config.data.train` must name a file or folder to learn "
                f"from. Received: {self.train!r}. Example: "
                "--config.data.train=mails.csv"
            )
        if not self.text_column:
            yield (
                "`--config.data.text_column` must name the column with the "
                "text. Received: ''."
            )
        forbidden = {'"', "\r", "\n"}
        if self.backslash_escapes:
            forbidden.add("\\")
        is_word = self.delimiter in ("tab", "\\t")
        is_one = len(self.delimiter) <= 1 and self.delimiter not in forbidden
        if not (is_word or is_one):
            yield (
                "`--config.data.delimiter` must be one character, or tab. "
                f"Received: {self.delimiter!r}."
            )
        if rule := text_encoding.problem(self.encoding):
            yield (
                f"`--config.data.encoding` must be {rule}. Received: "
                f"{self.encoding!r}."
            )
        if self.validation_fraction + self.test_fraction >= 1:
            yield (
                "`--config.data.validation_fraction` and "
                "--config.data.test_fraction must leave examples for train: "
                "their sum must be below 1. Received: "
                f"{self.validation_fraction} and {self.test_fraction}."
            )
        # A preset has its own sizes. The inputs check them.
        if (
            not encoder.preset
            and self.sequence_length > encoder.max_sequence_length
        ):
            yield (
                "`--config.data.sequence_length` must be at most "
                "--config.model.encoder.max_sequence_length. Received: "
                f"{self.sequence_length} and {encoder.max_sequence_length}."
            )
