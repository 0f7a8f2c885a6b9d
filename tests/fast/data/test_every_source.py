"""What every source of `--config.data.source` must do.

A new source needs a row in `TABLE` and nothing else here.
"""

import csv
import dataclasses
import json
import pathlib
import shutil
import struct
import typing

import numpy as np
import pyarrow
import pytest
import single_labels
import tensorflow as tf
import tensorflow_datasets as tfds
from pyarrow import feather
from pyarrow import parquet

from tfmodels import MnistMlpConfig
from trainers import tasks
from trainers.config import experiment
from trainers.config import kinds
from trainers.config.data import SPLITS
from trainers.data.images import loading as image_loading
from trainers.data.texts import loading as text_loading
from trainers.data.texts import reading
from trainers.errors import ConfigError
from trainers.errors import DataError

IMAGE_SHAPE = (4, 3)
# Of the data sets that TFDS writes here.
NAME, VERSION = "same_examples", "1.0.0"


@dataclasses.dataclass(frozen=True)
class Row:
    """How a test writes one kind of source, and what reading it promises.

    Attributes:
        write: From a directory and `{split: [(content, label)]}` to files.
        settings: From a directory and the names of the splits to what the
            data config says besides `source`.
        place: From a directory, a split, its examples and a row number to what
            `where` tells.
        faults: By the name of a fault, a function that makes it in row 1 of
            `train` in a directory and returns the type of the error and the
            place that its message names.
        is_mixed: Whether the order is by a hash of the name of the file.
        has_names: Whether the files contain class names; if not, labels are
            positions in the list of names.
    """

    write: typing.Callable
    settings: typing.Callable
    place: typing.Callable
    faults: dict
    is_mixed: bool = False
    has_names: bool = True


# --- The examples ------------------------------------------------------------


def make_images(count, seed):
    """Returns different grey images."""
    rng = np.random.default_rng(seed)
    return list(rng.integers(0, 256, (count, *IMAGE_SHAPE), np.uint8))


def labelled(contents, labels):
    return list(zip(contents, labels, strict=True))


# By kind of data and split, in the order of writing. All classes are in train.
EXAMPLES = {
    "images": {
        "train": labelled(make_images(5, seed=1), "20102"),
        "validation": labelled(make_images(3, seed=2), "102"),
        "test": labelled(make_images(2, seed=3), "01"),
    },
    "texts": {
        "train": [
            ('two\r\nlines, "quoted",\tand more\n', "good"),
            ("plain", "good"),
            ("größe \u2028 😀", "bad"),
            ("", "good"),
            ("  spaces  ", "bad"),
        ],
        "validation": [("three", "bad"), ("four", "good"), ("five", "bad")],
        "test": [("six\n\n", "good"), ("seven", "bad")],
    },
}
CLASS_NAMES = {"images": ["0", "1", "2"], "texts": ["bad", "good"]}


def make_examples(kind, labels):
    """Returns different contents with these labels."""
    contents = (
        make_images(len(labels), seed=4)
        if kind == "images"
        else [f"text {number}" for number in range(len(labels))]
    )
    return labelled(contents, labels)


# --- Writers of images -------------------------------------------------------


def write_idx_file(file, array):
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    header = bytes([0, 0, 0x08, array.ndim])
    file.write_bytes(header + shape + array.astype(np.uint8).tobytes())


def idx_file(directory, split, content="images-idx3"):
    name = "t10k" if split == "test" else split
    return directory / f"{name}-{content}-ubyte"


def write_idx(directory, splits):
    for split, examples in splits.items():
        images = np.array([image for image, _ in examples])
        labels = np.array([int(label) for _, label in examples])
        write_idx_file(idx_file(directory, split), images)
        write_idx_file(idx_file(directory, split, "labels-idx1"), labels)


def empty_idx(directory):
    file = idx_file(directory, "train")
    write_idx_file(file, np.zeros((0, *IMAGE_SHAPE)))
    return DataError, f"{file}: "


def unlabelled_idx(directory):
    idx_file(directory, "train", "labels-idx1").unlink()
    return DataError, f"{idx_file(directory, 'train')}: "


def broken_idx(directory):
    file = idx_file(directory, "train")
    file.write_bytes(file.read_bytes()[:-1])
    return DataError, f"{file}: "


def write_npz(directory, splits):
    names = class_names_of(splits)
    arrays = {"class_names": np.array(names)}
    for split, examples in splits.items():
        arrays[f"x_{split}"] = np.array([image for image, _ in examples])
        arrays[f"y_{split}"] = np.array([names.index(x) for _, x in examples])
    np.savez(directory / "data.npz", **arrays)


def class_names_of(splits):
    """Returns the names of numbered classes, by value, or of others."""
    labels = {label for examples in splits.values() for _, label in examples}
    is_number = all(label.isdigit() for label in labels)
    return sorted(labels, key=int if is_number else None)


def change_npz(directory, change):
    """Rewrites the archive after `change` of the dict of its arrays."""
    with np.load(directory / "data.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    change(arrays)
    np.savez(directory / "data.npz", **arrays)
    return DataError, f"{directory}/data.npz, split train, row 1: "


def empty_npz(directory):
    def change(arrays):
        for name in ("x_train", "y_train"):
            arrays[name] = arrays[name][:0]

    change_npz(directory, change)
    return ConfigError, f"{directory}/data.npz"


def unlabelled_npz(directory):
    def change(arrays):
        arrays["y_train"][1] = -1

    return change_npz(directory, change)


def broken_npz(directory):
    def change(arrays):
        arrays["x_train"] = arrays["x_train"].astype(np.int16)
        arrays["x_train"][1, 2, 1] = 256

    return change_npz(directory, change)


def write_image_folder(directory, splits):
    for split, examples in splits.items():
        for number, (image, label) in enumerate(examples):
            file = directory / split / label / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(tf.io.encode_png(image[..., np.newaxis]).numpy())


def row_1(directory, suffix):
    """Returns the file of row 1 of train in a folder of class folders."""
    (file,) = directory.glob(f"train/*/1{suffix}")
    return file


def empty_folder(directory):
    """Leaves only the class folders."""
    for file in directory.glob("*/*/*"):
        file.unlink()
    return ConfigError, f"Received: '{directory}"


def unlabelled_image(directory):
    file = row_1(directory, ".png")
    file.rename(directory / "1.png")
    return DataError, f"{directory}/1.png"


def broken_image(directory):
    file = row_1(directory, ".png")
    file.write_bytes(file.read_bytes()[:-20])
    return DataError, str(file)


# --- Writers of texts --------------------------------------------------------


def write_csv(file, examples, delimiter=","):
    with open(file, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        writer.writerows([("text", "label"), *examples])


def write_tsv(file, examples):
    write_csv(file, examples, "\t")


def write_jsonl(file, examples):
    lines = [
        json.dumps({"text": text, "label": label}, ensure_ascii=False)
        for text, label in examples
    ]
    file.write_bytes("".join(f"{line}\n" for line in lines).encode())


def write_json(file, examples):
    rows = [{"text": text, "label": label} for text, label in examples]
    file.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")


def arrow_table(examples):
    texts, labels = zip(*examples, strict=True)
    return pyarrow.table({"text": texts, "label": labels})


def write_parquet(file, examples):
    parquet.write_table(arrow_table(examples), file, row_group_size=2)


def write_arrow(file, examples):
    feather.write_feather(arrow_table(examples), str(file), chunksize=2)


def arrow_faults(name, write):
    """Returns the faults of a file of columns."""

    def damage(directory, change):
        rows = [[text, label] for text, label in EXAMPLES["texts"]["train"]]
        change(rows[1])
        write(directory / name, rows)
        return DataError, f"{directory}/{name}, row 2: "

    def empty(directory):
        table = arrow_table(EXAMPLES["texts"]["train"])
        table = table.slice(0, 0)
        if write is write_parquet:
            parquet.write_table(table, directory / name)
        else:
            feather.write_feather(table, str(directory / name))
        return DataError, f"{directory}/{name}: "

    return {
        "empty": empty,
        "unlabelled": lambda directory: damage(
            directory, lambda row: row.__setitem__(1, None)
        ),
        "broken": lambda directory: damage(
            directory, lambda row: row.__setitem__(0, None)
        ),
    }


def bytes_feature(text):
    value = tf.train.BytesList(value=[text.encode()])
    return tf.train.Feature(bytes_list=value)


def write_tfrecord(file, examples):
    write_records(
        file,
        [
            tf.train.Example(
                features=tf.train.Features(
                    feature={
                        "text": bytes_feature(text),
                        "label": bytes_feature(label),
                    }
                )
            ).SerializeToString()
            for text, label in examples
        ],
    )


def write_records(file, records):
    with tf.io.TFRecordWriter(str(file)) as writer:
        for record in records:
            writer.write(record)


def write_text_folder(folder, examples):
    for number, (text, label) in enumerate(examples):
        file = folder / label / f"{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())


def line_of_table(examples, number):
    """Returns the line where a row of CSV begins, counted from 1."""
    before = [text for text, _ in examples[:number]]
    return 2 + len(before) + sum(text.count("\n") for text in before)


PLACES = {
    "csv": lambda file, examples, number: (
        f"{file}, line {line_of_table(examples, number)}"
    ),
    "jsonl": lambda file, examples, number: f"{file}, line {number + 1}",
    "json": lambda file, examples, number: f"{file}, item {number + 1}",
    "columns": lambda file, examples, number: f"{file}, row {number + 1}",
    "tfrecord": lambda file, examples, number: f"{file}, record {number + 1}",
    "folder": lambda file, examples, number: (
        f"{file}/{examples[number][1]}/{number}.txt"
    ),
}


def replace(file, old, new):
    content = file.read_bytes()
    assert content.count(old) == 1
    file.write_bytes(content.replace(old, new))


def line_faults(name, place, *, nothing=b"", labelled, unlabelled):
    """Returns the faults of a file with one example a line.

    Args:
        name: Name of the file of `train`.
        place: Key of `PLACES`.
        nothing: Content without a row.
        labelled, unlabelled: Row 1 as it is, and without its label.
    """

    def damage(directory, change):
        change(directory / name)
        examples = EXAMPLES["texts"]["train"]
        where = PLACES[place](directory / name, examples, 1)
        return DataError, f"{where}: "

    def empty(directory):
        (directory / name).write_bytes(nothing)
        return DataError, f"{directory}/{name}: "

    return {
        "empty": empty,
        "unlabelled": lambda directory: damage(
            directory, lambda file: replace(file, labelled, unlabelled)
        ),
        "broken": lambda directory: damage(
            directory, lambda file: replace(file, b"plain", b"pl\xffin")
        ),
    }


def csv_faults(name, delimiter=b","):
    return line_faults(
        name,
        "csv",
        nothing=delimiter.join((b"text", b"label\n")),
        labelled=delimiter.join((b"plain", b"good\n")),
        unlabelled=delimiter.join((b"plain", b"\n")),
    )


def empty_tfrecord(directory):
    write_records(directory / "train.tfrecord", [])
    return DataError, f"{directory}/train.tfrecord: "


def unlabelled_tfrecord(directory):
    def change(features):
        del features["label"]

    change_record(directory / "train.tfrecord", change)
    return DataError, f"{directory}/train.tfrecord, record 2: "


def broken_tfrecord(directory):
    file = directory / "train.tfrecord"
    records = read_records(file)
    records[1] = b"\xff\xff"
    write_records(file, records)
    return DataError, f"{file}, record 2: "


def read_records(file):
    return list(tf.data.TFRecordDataset(str(file)).as_numpy_iterator())


def change_record(file, change):
    """Rewrites a file after `change` of the features of its record 1."""
    records = read_records(file)
    example = tf.train.Example.FromString(records[1])
    change(example.features.feature)
    records[1] = example.SerializeToString()
    write_records(file, records)


def unlabelled_text(directory):
    row_1(directory, ".txt").rename(directory / "train" / "1.txt")
    return DataError, f"\n  {directory}/train/1.txt"


def broken_text(directory):
    file = row_1(directory, ".txt")
    file.write_bytes(b"pl\xffin")
    return DataError, f"{file}: "


def files_row(names, writers, places, faults, **kwargs):
    """Returns the row of sources whose settings name a path for each split.

    Args:
        names: Name of the file or folder by split.
        writers: Function that writes it, by split.
        places: Key of `PLACES`, by split.
        faults: See `Row`.
        **kwargs: See `Row`.
    """

    def write(directory, splits):
        for split, examples in splits.items():
            writers[split](directory / names[split], examples)

    def settings(directory, splits):
        return {split: str(directory / names[split]) for split in splits}

    def place(directory, split, examples, number):
        file = directory / names[split]
        return PLACES[places[split]](file, examples, number)

    return Row(write, settings, place, faults, **kwargs)


def same_files_row(suffix, writer, place, faults, **kwargs):
    """Returns the row of a source of files of one kind."""
    return files_row(
        {split: f"{split}{suffix}" for split in SPLITS},
        dict.fromkeys(SPLITS, writer),
        dict.fromkeys(SPLITS, place),
        faults,
        **kwargs,
    )


# --- TensorFlow Datasets -----------------------------------------------------


def tfds_writer(column, feature, as_value):
    """Returns a function that writes a data set with this feature."""

    def write(directory, splits):
        names = class_names_of(splits)
        builder = tfds.dataset_builders.TfDataBuilder(
            name=NAME,
            version=VERSION,
            split_datasets={
                split: tf.data.Dataset.from_tensor_slices(
                    {
                        column: [as_value(content) for content, _ in examples],
                        "label": [names.index(label) for _, label in examples],
                    }
                )
                for split, examples in splits.items()
            },
            features=tfds.features.FeaturesDict(
                {
                    column: feature,
                    "label": tfds.features.ClassLabel(names=names),
                }
            ),
            data_dir=str(directory),
            disable_shuffling=True,
        )
        builder.download_and_prepare()

    return write


write_tfds_images = tfds_writer(
    "image",
    tfds.features.Image(shape=(*IMAGE_SHAPE, 1), encoding_format="png"),
    lambda image: image[..., np.newaxis],
)
write_tfds_texts = tfds_writer("text", tfds.features.Text(), lambda text: text)


def tfds_rows(write, column):
    """Returns the rows of both sources that read a data set of TFDS."""

    def in_catalogue(directory, splits):
        return {"path": NAME, "data_dir": str(directory)}

    def as_directory(directory, splits):
        return {"path": str(directory / NAME / VERSION)}

    def row(settings):
        def place(directory, split, examples, number):
            path = settings(directory, SPLITS)["path"]
            return f"{path}, split {split}, item {number}"

        def fault(damage, where):
            def make(directory):
                (file,) = directory.rglob(f"{NAME}-train.tfrecord-*")
                damage(file)
                path = settings(directory, SPLITS)["path"]
                return DataError, f"{path}, split train{where}"

            return make

        def unlabel(features):
            features["label"].int64_list.value[0] = -1

        def break_content(features):
            features[column].bytes_list.value[0] = b"\xff"

        return Row(
            write,
            settings,
            place,
            {
                "empty": fault(lambda file: write_records(file, []), ": "),
                "unlabelled": fault(
                    lambda file: change_record(file, unlabel), ", item 1"
                ),
                "broken": fault(
                    lambda file: change_record(file, break_content), ", item 1"
                ),
            },
        )

    return {"tfds": row(in_catalogue), "tfds_directory": row(as_directory)}


# --- The table ---------------------------------------------------------------

# By the kind of data and the name of the source.
TABLE = {
    "images": {
        "idx": Row(
            write_idx,
            lambda directory, splits: {"path": str(directory)},
            lambda directory, split, examples, number: (
                f"{idx_file(directory, split)}, item {number}"
            ),
            {
                "empty": empty_idx,
                "unlabelled": unlabelled_idx,
                "broken": broken_idx,
            },
            has_names=False,
        ),
        "npz": Row(
            write_npz,
            lambda directory, splits: {"path": f"{directory}/data.npz"},
            lambda directory, split, examples, number: (
                f"{directory}/data.npz, split {split}, row {number}"
            ),
            {
                "empty": empty_npz,
                "unlabelled": unlabelled_npz,
                "broken": broken_npz,
            },
        ),
        "image_folder": Row(
            write_image_folder,
            lambda directory, splits: {"path": str(directory)},
            lambda directory, split, examples, number: (
                f"{directory}/{split}/{examples[number][1]}/{number}.png"
            ),
            {
                "empty": empty_folder,
                "unlabelled": unlabelled_image,
                "broken": broken_image,
            },
            is_mixed=True,
        ),
        **tfds_rows(write_tfds_images, "image"),
    },
    "texts": {
        # Each split is of another kind.
        "files": files_row(
            {"train": "a.csv", "validation": "b.jsonl", "test": "folder"},
            {
                "train": write_csv,
                "validation": write_jsonl,
                "test": write_text_folder,
            },
            {"train": "csv", "validation": "jsonl", "test": "folder"},
            csv_faults("a.csv"),
            is_mixed=True,
        ),
        "csv": same_files_row(
            ".csv", write_csv, "csv", csv_faults("train.csv")
        ),
        "tsv": same_files_row(
            ".tsv", write_tsv, "csv", csv_faults("train.tsv", b"\t")
        ),
        "jsonl": same_files_row(
            ".jsonl",
            write_jsonl,
            "jsonl",
            line_faults(
                "train.jsonl",
                "jsonl",
                labelled=b'"plain", "label": "good"',
                unlabelled=b'"plain"',
            ),
        ),
        "json": same_files_row(
            ".json",
            write_json,
            "json",
            line_faults(
                "train.json",
                "json",
                nothing=b"[]",
                labelled=b'"plain", "label": "good"',
                unlabelled=b'"plain"',
            ),
        ),
        "parquet": same_files_row(
            ".parquet",
            write_parquet,
            "columns",
            arrow_faults("train.parquet", write_parquet),
        ),
        "arrow": same_files_row(
            ".arrow",
            write_arrow,
            "columns",
            arrow_faults("train.arrow", write_arrow),
        ),
        "tfrecord": same_files_row(
            ".tfrecord",
            write_tfrecord,
            "tfrecord",
            {
                "empty": empty_tfrecord,
                "unlabelled": unlabelled_tfrecord,
                "broken": broken_tfrecord,
            },
        ),
        "text_folder": same_files_row(
            "",
            write_text_folder,
            "folder",
            {
                "empty": empty_folder,
                "unlabelled": unlabelled_text,
                "broken": broken_text,
            },
            is_mixed=True,
        ),
        **tfds_rows(write_tfds_texts, "text"),
    },
}


def config_class(kind):
    """Returns the class of the settings of a kind of data."""
    return kinds.load("data", kind, "kind")


def choices(kind):
    """Returns the sources that a data config allows."""
    (field,) = (
        field
        for field in dataclasses.fields(config_class(kind))
        if field.name == "source"
    )
    return field.metadata["rule"]["choices"]


# Pairs are no single contents, see texts/test_pair_sources.py. The targets of
# tagged texts are no labels, see texts/test_tagged_sources.py.
KINDS = [
    name
    for name in kinds.KINDS["data"]
    if name != "text_pairs" and not config_class(name).per_token
]
SOURCES = [(kind, source) for kind in KINDS for source in choices(kind)]


# --- Reading -----------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Written:
    """A source that was written."""

    kind: str
    source: str
    directory: pathlib.Path
    splits: dict

    @property
    def row(self):
        return row_of(self.kind, self.source)

    @property
    def data(self):
        settings = self.row.settings(self.directory, self.splits)
        return config_class(self.kind)(source=self.source, **settings)

    def expected(self, split):
        """Returns `(content, label, place)` of each row, as written."""
        examples = self.splits[split]
        return [
            (
                content.tobytes()
                if self.kind == "images"
                else content.encode(),
                label,
                self.row.place(self.directory, split, examples, number),
            )
            for number, (content, label) in enumerate(examples)
        ]

    def moved(self, directory):
        """Returns a copy in another directory."""
        shutil.copytree(self.directory, directory)
        return dataclasses.replace(self, directory=directory)


def row_of(kind, source):
    if source not in TABLE.get(kind, ()):
        pytest.fail(
            f"the source {source!r} of {kind} is not tested: add a function "
            "that writes the same examples for it to `TABLE` in this file"
        )
    return TABLE[kind][source]


def write(kind, source, directory, splits):
    directory.mkdir(parents=True, exist_ok=True)
    row_of(kind, source).write(directory, splits)
    return Written(kind, source, directory, splits)


@pytest.fixture(scope="module", params=SOURCES, ids="-".join)
def written(request, tmp_path_factory):
    """A source with `EXAMPLES`. Read-only."""
    kind, source = request.param
    directory = tmp_path_factory.mktemp(f"{kind}_{source}")
    return write(kind, source, directory, EXAMPLES[kind])


def image_settings():
    model = MnistMlpConfig(image_shape=IMAGE_SHAPE)
    task = tasks.make_task(experiment.ExperimentConfig(model=model))
    return {"image_shape": IMAGE_SHAPE, "decode_fn": task.inputs.decode}


def read(data, kind):
    """Returns the names of the classes and the rows of each split."""
    objective = single_labels.unfitted()
    if kind == "images":
        loaded, objective = image_loading.load(
            data, objective, **image_settings()
        )
        splits = {name: getattr(loaded, name) for name in SPLITS}
    else:
        splits, _ = reading.read_splits(data, objective)
        objective, targets = objective.fitted(splits)
        splits = {
            name: dataclasses.replace(examples, targets=targets[name])
            for name, examples in splits.items()
        }
    names = objective.state()
    return names, {
        name: rows(examples, names)
        for name, examples in splits.items()
        if examples is not None
    }


def read_one(data, kind, split, names):
    """Returns the rows of one split, for a model with these classes."""
    objective = single_labels.of(names)
    if kind == "images":
        examples = image_loading.load_one(
            data, split, objective, **image_settings()
        )
    else:
        examples = text_loading.load_raw(data, split, objective)
    return rows(examples, names)


def rows(examples, names):
    """Returns `(content, label, place)` of each row."""
    ((feature, contents),) = examples.features.items()
    assert examples.targets.dtype == np.int32
    assert len(contents) == len(examples.targets) == len(examples)
    if feature == "image":
        assert contents.dtype == np.uint8
        assert contents.shape == (len(examples), *IMAGE_SHAPE)
        contents = [image.tobytes() for image in contents]
    else:
        assert feature == "text"
        assert contents.dtype == object
    return [
        (content, names[label], examples.places[row])
        for row, (content, label) in enumerate(
            zip(contents, examples.targets, strict=True)
        )
    ]


# --- What is promised --------------------------------------------------------


@pytest.fixture(scope="module")
def found(written):
    """The names of the classes and the rows of each split, as first read."""
    return read(written.data, written.kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_source_is_in_the_table(kind):
    sources = choices(kind)
    for source in sources:
        assert row_of(kind, source)
    assert set(TABLE[kind]) == set(sources)


def test_every_source_gives_the_same_examples_with_their_places(written, found):
    names, splits = found
    assert names == CLASS_NAMES[written.kind]
    assert list(splits) == ["train", "validation", "test"]
    assert [len(rows) for rows in splits.values()] == [5, 3, 2]
    for split, rows in splits.items():
        expected = written.expected(split)
        if written.row.is_mixed:
            rows, expected = sorted(rows), sorted(expected)
        assert rows == expected


def test_the_order_is_the_same_each_time_and_in_every_directory(
    written, found, tmp_path
):
    names, splits = found
    copy = written.moved(tmp_path / "copy")
    names_of_copy, splits_of_copy = read(copy.data, copy.kind)
    assert names_of_copy == names
    assert list(splits_of_copy) == list(splits)
    for split, rows in splits_of_copy.items():
        assert [row[:2] for row in rows] == [row[:2] for row in splits[split]]
        # Errors name places in the copy.
        assert sorted(rows) == sorted(copy.expected(split))


def test_one_split_is_that_part_of_all(written, found):
    names, splits = found
    # To a model that has its classes in another order, where there are names.
    order = names[::-1] if written.row.has_names else names
    for split in SPLITS:
        one = read_one(written.data, written.kind, split, order)
        assert one == splits[split]


@pytest.mark.parametrize(("kind", "source"), SOURCES)
def test_splits_that_are_missing_are_cut_from_train(kind, source, tmp_path):
    names = CLASS_NAMES[kind][:2]
    # Ten of each, and not the same after any number of rows.
    labels = [names[int(digit)] for digit in "01101001100101101001"]
    examples = make_examples(kind, labels)
    written = write(kind, source, tmp_path, {"train": examples})
    found_names, splits = read(written.data, kind)
    assert found_names == names
    assert list(splits) == ["train", "validation", "test"]
    assert [len(rows) for rows in splits.values()] == [16, 2, 2]
    together = [row for rows in splits.values() for row in rows]
    assert sorted(together) == sorted(written.expected("train"))
    one = read_one(written.data, kind, "validation", names)
    assert one == splits["validation"]


# Faults of sources that are known, by kind of data, source and test.
KNOWN = {
    ("images", "npz", "empty"): "the error names the split, not the file",
    ("images", "image_folder", "unlabelled"): (
        "images outside of class folders are left out without a word"
    ),
    ("images", "image_folder", "numbers"): (
        "folders are sorted as words: 0, 1, 10, 2"
    ),
}


def expect_known(request, *key):
    if key in KNOWN:
        mark = pytest.mark.xfail(
            reason=KNOWN[key],
            raises=(AssertionError, pytest.fail.Exception),
            strict=True,
        )
        request.applymarker(mark)


@pytest.mark.parametrize("fault", ["empty", "unlabelled", "broken"])
def test_a_fault_is_an_error_that_names_the_place(
    request, written, fault, tmp_path
):
    expect_known(request, written.kind, written.source, fault)
    copy = written.moved(tmp_path / "copy")
    kind, place = copy.row.faults[fault](copy.directory)
    data = dataclasses.replace(copy.data, validation="none", test="none")
    with pytest.raises((ConfigError, DataError)) as caught:
        read(data, copy.kind)
    assert type(caught.value) is kind
    assert place in str(caught.value)
    # And no other.
    for row in (0, 2, 3, 4):
        assert f"{copy.expected('train')[row][2]}: " not in str(caught.value)


@pytest.mark.parametrize(("kind", "source"), SOURCES)
def test_classes_that_are_numbers_are_in_their_order(
    request, kind, source, tmp_path
):
    expect_known(request, kind, source, "numbers")
    numbers = [str(number) for number in range(11)]
    examples = make_examples(kind, numbers * 2)
    written = write(kind, source, tmp_path, {"train": examples})
    data = dataclasses.replace(written.data, validation="none", test="none")
    names, splits = read(data, kind)
    assert names == numbers
    assert sorted(splits["train"]) == sorted(written.expected("train"))
