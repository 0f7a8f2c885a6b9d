"""What an objective that takes JSON gets from each kind of file."""

import json

import pyarrow
import pytest
import tensorflow as tf
from pyarrow import feather
from pyarrow import parquet

from trainers.config.data import TextDataConfig
from trainers.data.texts import columns as columns_lib
from trainers.data.texts import reading
from trainers.errors import DataError
from trainers.objectives.objective import Objective

VALUES = [["a", "b"], [], 3, 2.5, True, None, {"x": [1]}, "word"]


class AnyJson(Objective):
    """Its targets are the values of the files."""

    takes_json = True

    def parse(self, values):
        return (values["label"],)


def read(name, objective=None, **settings):
    """Returns the targets of a file."""
    data = TextDataConfig(
        train=name, validation="none", test="none", **settings
    )
    splits, _ = reading.read_splits(data, objective or AnyJson())
    return [target for (target,) in splits["train"].targets]


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_json_gives_its_values(directory, name):
    rows = [{"text": "t", "label": value} for value in VALUES]
    text = json.dumps(rows)
    if name == "a.jsonl":
        text = "\n".join(map(json.dumps, rows))
    (directory / name).write_text(text)
    found = read(name)
    assert found == VALUES
    assert list(map(type, found)) == list(map(type, VALUES))


@pytest.mark.parametrize("name", ["a.parquet", "a.feather"])
@pytest.mark.parametrize(
    "labels",
    [[["a", "b"], [], None], [0.5, None, 2.0], [[b"caf\xc3\xa9"], [], [b""]]],
    ids=["texts", "numbers", "bytes"],
)
def test_arrow_gives_its_values(name, labels):
    table = pyarrow.table({"text": ["t"] * 3, "label": labels})
    if name == "a.parquet":
        parquet.write_table(table, name)
    else:
        feather.write_feather(table, name)
    wanted = [
        [x.decode() if isinstance(x, bytes) else x for x in label]
        if isinstance(label, list)
        else label
        for label in labels
    ]
    assert read(name) == wanted


def test_lists_of_numbered_classes_are_read_as_their_names(directory):
    feature = {"_type": "List", "feature": {"_type": "ClassLabel"}}
    feature["feature"]["names"] = ["ham", "spam"]
    info = {"info": {"features": {"label": feature}}}
    table = pyarrow.table({"text": ["t"] * 2, "label": [[1, 0], []]})
    table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
    parquet.write_table(table, "a.parquet")
    assert read("a.parquet") == [["spam", "ham"], []]


def test_tfrecord_gives_a_list_of_all_values():
    kinds = [
        {"bytes_list": tf.train.BytesList(value=[b"a", b"b"])},
        {"int64_list": tf.train.Int64List(value=[7])},
        {"float_list": tf.train.FloatList(value=[0.5])},
        {},
    ]
    text = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"t"]))
    with tf.io.TFRecordWriter("a.tfrecord") as writer:
        for kind in kinds:
            features = {"text": text, "label": tf.train.Feature(**kind)}
            example = tf.train.Example(
                features=tf.train.Features(feature=features)
            )
            writer.write(example.SerializeToString())
    assert read("a.tfrecord") == [["a", "b"], [7], [0.5], []]


def test_tables_give_words(directory):
    (directory / "a.csv").write_text('text,label\nt,"[1, 2]"\nt,\n')
    assert read("a.csv") == ["[1, 2]", ""]


def test_text_inside_of_a_value_must_be_unicode(directory):
    row = '{"text": "t", "label": {"a": ["\\ud800"]}}\n'
    (directory / "a.jsonl").write_text(row)
    with pytest.raises(DataError) as caught:
        read("a.jsonl")
    assert str(caught.value) == (
        "1 rows that cannot be used:\n"
        "  a.jsonl, line 1: 'label' has half a surrogate pair, which is not "
        "Unicode"
    )


class Two(AnyJson):
    """Two columns, one of them with a flag of its own."""

    def target_columns(self, data):
        return {"label": data.label_column, "stars": "stars"}

    def column_flag(self, name):
        return "--config.task.stars" if name == "stars" else "--label"

    def parse(self, values):
        return ((values["label"], values["stars"]),)


def test_several_columns_have_the_flags_of_the_objective(directory):
    (directory / "a.csv").write_text("text,label,stars\nt,x,5\n")
    assert read("a.csv", Two()) == [("x", "5")]
    (directory / "b.csv").write_text("text,label\nt,x\n")
    with pytest.raises(Exception) as caught:
        read("b.csv", Two())
    assert str(caught.value) == (
        "`--config.task.stars` must be a column of b.csv. Received: 'stars'. "
        "Choices: 'text', 'label'."
    )


def test_settings_with_two_columns_of_texts_read_both():
    class Pairs:
        """Settings with two columns of texts."""

        per_token = False
        text_column, text_pair_column = "a", "b"

    columns = columns_lib.unlabelled(Pairs())
    assert columns == {"text": "a", "text_pair": "b"}
    assert columns.flag("text_pair") == "--config.data.text_pair_column"


def test_arrays_stay_as_they_are_without_json(directory):
    """`takes_json` changes nothing for the other objectives."""

    class Words(AnyJson):
        takes_json = False

    rows = [{"text": "t", "label": value} for value in ("x", 3, True)]
    text = "\n".join(map(json.dumps, rows))
    (directory / "a.jsonl").write_text(text)
    assert read("a.jsonl", Words()) == ["x", "3", "true"]
