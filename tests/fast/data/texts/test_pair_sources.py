"""Every source of texts gives pairs, with numbers as labels."""

import csv
import json

import pyarrow
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from pyarrow import feather
from pyarrow import parquet

from trainers.config.text_pairs import TextPairDataConfig
from trainers.data import targets
from trainers.data.texts import hash_split
from trainers.data.texts import loading
from trainers.data.texts import reading
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.objectives.regression import Regression
from trainers.objectives.regression import RegressionConfig
from trainers.tasks.inputs.text_pairs import TextPairs

ROWS = [
    ("a", 'two\nlines, "quoted",\tand more', 1.5),
    ("größe 😀", "", -2.0),
    ("", "b", 0.25),
]
OBJECTIVE = Regression(RegressionConfig())
NAMES = ("q", "r", "score")
COLUMNS = {
    "text_column": "q",
    "text_pair_column": "r",
    "label_column": "score",
}


def write_table(file, delimiter=","):
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened, delimiter=delimiter)
        writer.writerows([NAMES, *ROWS])


def as_dicts():
    return [dict(zip(NAMES, row, strict=True)) for row in ROWS]


def write_jsonl(file):
    file.write_text("".join(json.dumps(row) + "\n" for row in as_dicts()))


def as_arrow():
    return pyarrow.Table.from_pylist(as_dicts())


def write_tfrecord(file):
    def feature(value):
        if isinstance(value, float):
            return tf.train.Feature(float_list={"value": [value]})
        return tf.train.Feature(bytes_list={"value": [value.encode()]})

    with tf.io.TFRecordWriter(str(file)) as writer:
        for row in as_dicts():
            features = {name: feature(value) for name, value in row.items()}
            example = tf.train.Example(features={"feature": features})
            writer.write(example.SerializeToString())


WRITERS = {
    "a.csv": write_table,
    "a.tsv": lambda file: write_table(file, "\t"),
    "a.jsonl": write_jsonl,
    "a.json": lambda file: file.write_text(json.dumps(as_dicts())),
    "a.parquet": lambda file: parquet.write_table(as_arrow(), file),
    "a.arrow": lambda file: feather.write_feather(as_arrow(), file),
    "a.tfrecord": write_tfrecord,
}


def contents(examples):
    columns = [examples.features["text"], examples.features["text_pair"]]
    return [
        (first.decode(), second.decode(), number)
        for first, second, number in zip(
            *columns, examples.targets, strict=True
        )
    ]


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_has_pairs_and_numbers(name, tmp_path):
    file = tmp_path / name
    WRITERS[name](file)
    data = TextPairDataConfig(
        train=str(file), validation="none", test="none", **COLUMNS
    )
    splits, _ = reading.read_splits(data, OBJECTIVE)
    assert contents(splits["train"]) == ROWS
    # And without numbers, as `predict` reads them.
    found = [texts for _, texts in TextPairs.read_rows(str(file), data)]
    assert found == [
        {"text": a.encode(), "text_pair": b.encode()} for a, b, _ in ROWS
    ]


def write_tfds(directory):
    builder = tfds.dataset_builders.TfDataBuilder(
        name="pairs",
        version="1.0.0",
        split_datasets={
            "train": tf.data.Dataset.from_tensor_slices(
                dict(
                    zip(NAMES, map(list, zip(*ROWS, strict=True)), strict=True)
                )
            )
        },
        features=tfds.features.FeaturesDict(
            {
                "q": tfds.features.Text(),
                "r": tfds.features.Text(),
                "score": tfds.features.Scalar(tf.float32),
            }
        ),
        data_dir=str(directory),
        disable_shuffling=True,
    )
    builder.download_and_prepare()
    return str(builder.data_dir)


def test_a_tfds_data_set_has_pairs_and_numbers(tmp_path):
    data = TextPairDataConfig(
        source="tfds_directory",
        path=write_tfds(tmp_path),
        train="train",
        validation="none",
        test="none",
        **COLUMNS,
    )
    splits, _ = reading.read_splits(data, OBJECTIVE)
    assert contents(splits["train"]) == ROWS
    data.text_pair_column = "score"
    with pytest.raises(ConfigError) as error:
        reading.read_splits(data, OBJECTIVE)
    assert "must be another column than" in str(error.value)
    data.text_pair_column = "gone"
    with pytest.raises(ConfigError) as error:
        reading.read_splits(data, OBJECTIVE)
    assert str(error.value).startswith(
        "`--config.data.text_pair_column` must be a feature of "
    )


def test_equal_pairs_are_found_and_swapped_ones_are_others(tmp_path):
    """In files of train and test; the first text alone says nothing."""
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("text,text_pair,label\na,b,1\na,c,2\nb,d,3\nA,B,4\n")
    test.write_text("text,text_pair,label\n a ,b,1\nb,a,1\na,d,9\n")
    data = TextPairDataConfig(
        train=str(train), validation="none", test=str(test)
    )
    splits, _ = reading.read_splits(data, OBJECTIVE)
    objective, splits = targets.fit(Regression(RegressionConfig()), splits)
    report = targets.check(
        objective,
        splits,
        keys={
            n: loading._keys_and_empty(e.features)[0] for n, e in splits.items()
        },
    )
    assert report["repeated"]["count"] == 1
    assert report["leaks"]["test"] == {
        "count": 1,
        "first": [[f"{train}, line 2", f"{test}, line 2"]],
    }
    (conflict,) = report["conflicts"]["first"]
    assert [found["label"] for found in conflict] == ["1", "4"]
    assert report["splits"]["test"]["far_outside"] == 1
    assert any("far outside of those of train" in x for x in report["warnings"])


def test_a_split_is_cut_by_both_texts():
    rows = [(b"a", b"b"), (b"a", b"c"), (b"A ", b"b"), (b"b", b"a")]
    keys = list(map(hash_split.text_key, rows))
    assert keys[0] == keys[2]
    assert len(set(keys)) == 3


def test_a_wrong_number_is_named_with_its_row(tmp_path):
    file = tmp_path / "a.jsonl"
    rows = [*as_dicts(), {"q": "a", "r": "b", "score": "3,5"}]
    rows.append({"q": "a", "r": "b", "score": None})
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = TextPairDataConfig(
        train=str(file), validation="none", test="none", **COLUMNS
    )
    with pytest.raises(DataError) as error:
        reading.read_splits(data, OBJECTIVE)
    assert f"{file}, line 4: '3,5' is no number: write" in str(error.value)
    assert f"{file}, line 5: the number is empty" in str(error.value)


PAIR_KINDS = (
    "`--config.data.train` must end in one of .csv, .tsv, .tab, .jsonl, "
    ".ndjson, .json, .parquet, .pq, .arrow, .feather, .tfrecord, .tfrecords "
    "(and .gz, .bz2, .xz, .zip). Received: {!r}. "
)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "folder",
            "It is a folder, in which a file is one text. Write both texts of "
            "a pair into one row of a table, such as a .csv file.",
        ),
        (
            "a.txt",
            "Its content is none of these kinds. A table needs a first line "
            "with the column 'q', which --config.data.text_column names.",
        ),
    ],
)
def test_what_is_no_table_is_refused_without_advice_of_folders(
    name, words, tmp_path
):
    (tmp_path / "folder").mkdir()
    file = tmp_path / name
    if name == "a.txt":
        file.write_text("A line of prose.\n")
    data = TextPairDataConfig(train=str(file), **COLUMNS)
    with pytest.raises(ConfigError) as error:
        reading.list_files(data)
    assert str(error.value) == PAIR_KINDS.format(str(file)) + words
