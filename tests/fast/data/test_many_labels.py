"""Many labels from every kind of file: what is read, and what is refused."""

import functools
import json

import numpy as np
import pyarrow
import pytest
import refusals
import tensorflow as tf
import tensorflow_datasets as tfds
from pyarrow import parquet

from trainers.config import ImageDataConfig
from trainers.config import MultiLabelConfig
from trainers.config import TextDataConfig
from trainers.data.images import loading
from trainers.data.texts import reading
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.objectives import objective as objective_lib

ROWS = [["red", "blue"], [], ["blue"], ["red"]] * 3
NAMES = ["blue", "red"]
EXPECTED = [[1, 1], [0, 0], [1, 0], [0, 1]] * 3


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def records(make):
    """Returns a dict for each row, with `text` and what `make` returns."""
    return [{"text": f"text {i}"} | make(x) for i, x in enumerate(ROWS)]


def write_csv(file, rows):
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    file.write_text("\n".join(lines) + "\n")


def write_jsonl(file, rows):
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_json(file, rows):
    file.write_text(json.dumps(rows))


def write_parquet(file, rows):
    parquet.write_table(pyarrow.Table.from_pylist(rows), file)


def write_named(file, rows):
    """Writes numbers, with their names as `datasets` writes them."""
    table = pyarrow.Table.from_pylist(rows)
    feature = {"feature": {"names": NAMES, "_type": "ClassLabel"}}
    features = {"features": {"label": feature | {"_type": "List"}}}
    facts = {"huggingface": json.dumps({"info": features})}
    parquet.write_table(table.replace_schema_metadata(facts), file)


def write_tfrecord(file, rows):
    with tf.io.TFRecordWriter(str(file)) as writer:
        for row in rows:
            features = {k: feature_of(value) for k, value in row.items()}
            example = tf.train.Example(
                features=tf.train.Features(feature=features)
            )
            writer.write(example.SerializeToString())


def feature_of(value):
    values = value if isinstance(value, list) else [value]
    if values and isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    values = [x.encode() for x in values]
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def joined(labels):
    return {"label": "; ".join(labels)}


def listed(labels):
    return {"label": labels}


def numbered(labels):
    return {"label": [NAMES.index(x) for x in labels]}


def in_columns(form):
    return lambda labels: {x: form(x in labels) for x in ("red", "blue")}


COLUMNS = {"label_columns": ("blue", "red")}


@pytest.mark.parametrize(
    "write, name, make, settings",
    [
        (write_csv, "a.csv", joined, {}),
        (write_jsonl, "a.jsonl", joined, {}),
        (write_jsonl, "a.jsonl", listed, {}),
        (write_json, "a.json", listed, {}),
        (write_parquet, "a.parquet", listed, {}),
        (write_named, "a.parquet", numbered, {}),
        (write_tfrecord, "a.tfrecord", listed, {}),
        (write_csv, "a.csv", in_columns(lambda x: str(int(x))), COLUMNS),
        (write_csv, "a.csv", in_columns(str), COLUMNS),
        (write_jsonl, "a.jsonl", in_columns(bool), COLUMNS),
        (write_parquet, "a.parquet", in_columns(float), COLUMNS),
        (write_tfrecord, "a.tfrecord", in_columns(int), COLUMNS),
    ],
)
def test_labels_of_texts(directory, write, name, make, settings):
    write(directory / name, records(make))
    data = TextDataConfig(train=name, validation="none", test="none")
    objective = objective_lib.make(MultiLabelConfig(**settings))
    splits, _ = reading.read_splits(data, objective)
    objective, targets = objective.fitted(splits)
    assert objective.names == NAMES
    assert targets["train"].tolist() == EXPECTED


# The messages of the errors of many labels.
refused_data = functools.partial(refusals.refusal, DataError)
refused_setting = functools.partial(refusals.refusal, ConfigError)


def read(name, **settings):
    data = TextDataConfig(train=name, validation="none", test="none")
    objective = objective_lib.make(MultiLabelConfig(**settings))
    return reading.read_splits(data, objective)


def test_rows_and_columns_of_another_form_are_named(directory):
    rows = records(in_columns(lambda x: str(int(x))))
    rows[2]["red"] = "maybe"
    write_csv(directory / "a.csv", rows)
    assert refused_data(read, "a.csv", **COLUMNS) == (
        "1 rows that cannot be used:\n  a.csv, line 4: 'red' must be 0, 1, "
        "true or false. Received: 'maybe'"
    )
    message = refused_setting(read, "a.csv", label_columns=("blue", "green"))
    assert message.startswith(
        "`--config.task.label_columns` must be a column of a.csv. Received: "
        "'green'. Choices: 'text', 'red', 'blue'."
    )
    message = refused_setting(read, "a.csv", label_columns=("text",))
    assert message == (
        "`--config.task.label_columns` must be another column than "
        "--config.data.text_column. Received: 'text' for both."
    )
    rows = records(listed)
    rows[1]["label"] = ["red", "red"]
    rows[3]["label"] = None
    write_jsonl(directory / "a.jsonl", rows)
    assert refused_data(read, "a.jsonl") == (
        "2 rows that cannot be used:\n"
        "  a.jsonl, line 2: the label 'red' is there twice\n"
        "  a.jsonl, line 4: the labels must be a list, or a text with ';' "
        "between them; [] and the empty text mean no label. Received: null"
    )


def test_following_the_advice_of_a_message_helps(directory):
    rows = records(lambda labels: {"label": "|".join(labels)})
    for number, row in enumerate(rows):
        row["label"] += f"|only {number}"
    write_csv(directory / "a.csv", rows)
    objective = objective_lib.make(MultiLabelConfig())
    splits, _ = read("a.csv")
    message = refused_data(objective.fitted, splits)
    assert "name it with --config.task.label_separator" in message
    rows = records(lambda labels: {"label": "|".join(labels)})
    write_csv(directory / "a.csv", rows)
    splits, _ = read("a.csv")
    objective, targets = objective.fitted(splits)
    facts = objective.counts(targets["train"]) | {"examples": len(rows)}
    (warning,) = objective.warnings("train", facts)
    assert warning.endswith("set --config.task.label_separator='|'.")
    settings = {"label_separator": "|"}
    splits, _ = read("a.csv", **settings)
    objective = objective_lib.make(MultiLabelConfig(**settings))
    objective, targets = objective.fitted(splits)
    assert targets["train"].tolist() == EXPECTED
    facts = objective.counts(targets["train"]) | {"examples": len(rows)}
    assert list(objective.warnings("train", facts)) == []


# Images.


def load_images(objective=None, **settings):
    return loading.load(
        ImageDataConfig(**settings),
        objective or objective_lib.make(MultiLabelConfig()),
        image_shape=(4, 4),
        decode_fn=lambda content: tf.ensure_shape(
            tf.io.decode_png(content, 1)[..., 0], (4, 4)
        ),
    )


def images():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (len(ROWS), 4, 4, 1), np.uint8)


LABELS = tfds.features.Sequence(tfds.features.ClassLabel(names=NAMES))
IMAGE = tfds.features.Image(shape=(4, 4, 1), encoding_format="png")


def write_tfds(directory, inputs, feature, labels):
    """Writes a data set with these features; returns its directory."""
    name, contents, kind = inputs
    spec = {
        name: tf.TensorSpec(contents[0].shape, contents[0].dtype),
        "label": tf.TensorSpec(feature.shape, feature.np_dtype),
    }

    def rows():
        for content, label in zip(contents, labels, strict=True):
            yield {
                name: np.asarray(content),
                "label": np.array(label, feature.np_dtype),
            }

    dataset = tf.data.Dataset.from_generator(rows, output_signature=spec)
    builder = tfds.dataset_builders.TfDataBuilder(
        name="colours",
        version="1.0.0",
        split_datasets={"train": dataset},
        features=tfds.features.FeaturesDict(
            {
                name: kind,
                "label": feature,
            }
        ),
        data_dir=str(directory),
        disable_shuffling=True,
    )
    builder.download_and_prepare()
    return str(directory / "colours" / "1.0.0")


@pytest.mark.parametrize("kind", ["npz", "list", "row"])
def test_labels_of_images(directory, kind):
    settings = {"validation": "none", "test": "none"}
    if kind == "npz":
        arrays = {"x_train": images(), "y_train": np.array(EXPECTED, bool)}
        np.savez("a.npz", class_names=np.array(NAMES), **arrays)
        settings |= {"source": "npz", "path": "a.npz"}
    else:
        labels = [[NAMES.index(x) for x in row] for row in ROWS]
        feature = LABELS
        if kind == "row":
            labels = EXPECTED
            feature = tfds.features.Tensor(shape=(2,), dtype=np.int64)
        inputs = "image", images(), IMAGE
        path = write_tfds(directory, inputs, feature, labels)
        settings |= {"source": "tfds_directory", "path": path}
    splits, objective = load_images(**settings)
    assert objective.names == (["0", "1"] if kind == "row" else NAMES)
    assert splits.train.targets.tolist() == EXPECTED
    facts = splits.report["splits"]["train"]
    assert facts["without_labels"] == 3
    assert facts["labels_per_example"] == 1.0


def test_lists_of_labels_of_texts(directory):
    texts = np.array([f"text {i}" for i in range(len(ROWS))])
    inputs = "text", tf.constant(texts), tfds.features.Text()
    labels = [[NAMES.index(x) for x in row] for row in ROWS]
    path = write_tfds(directory, inputs, LABELS, labels)
    data = TextDataConfig(
        source="tfds_directory", path=path, validation="none", test="none"
    )
    objective = objective_lib.make(MultiLabelConfig())
    splits, _ = reading.read_splits(data, objective)
    objective, targets = objective.fitted(splits)
    assert objective.names == NAMES
    assert targets["train"].tolist() == EXPECTED
