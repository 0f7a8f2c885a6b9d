"""Numbers of classes in tables that `datasets` of Hugging Face writes."""

import json

import pyarrow
import pytest
import refusals
import single_labels
from pyarrow import ipc
from pyarrow import parquet

from trainers.config.data import TextDataConfig
from trainers.errors import DataError

NAMES = ["neg", "pos"]
TEXTS = ["awful", "fine", "good"]


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def class_label(names):
    return {"names": names, "_type": "ClassLabel"}


def write(file, labels=(0, 1, 1), metadata=None, column="label", **more):
    """Writes a table as `datasets` does, with its metadata."""
    columns = {"text": TEXTS[: len(labels)], column: pyarrow.array(labels)}
    table = pyarrow.table(columns | more)
    if metadata is not None:
        table = table.replace_schema_metadata({"huggingface": metadata})
    if file.endswith(".parquet"):
        parquet.write_table(table, file)
        return
    kind = ipc.new_stream if "stream" in file else ipc.new_file
    with pyarrow.OSFile(file, "wb") as sink, kind(sink, table.schema) as out:
        out.write_table(table)


def of_names(names, column="label", **features):
    """Returns the metadata that name the numbers of a column."""
    features = {"text": {"dtype": "string", "_type": "Value"}} | features
    features[column] = class_label(names)
    return json.dumps({"info": {"features": features}, "fingerprint": "a"})


def read(file, split="train", **settings):
    settings = {"validation": "none", "test": "none"} | settings
    data = TextDataConfig(train=file, **settings)
    return list(single_labels.read_splits(data)[split].targets)


def refusal(*args, **settings):
    return refusals.refusal(DataError, read, *args, **settings)


@pytest.mark.parametrize("file", ["a.parquet", "a.arrow", "stream.arrow"])
def test_the_numbers_are_read_as_the_names_of_their_classes(file, caplog):
    write(file, metadata=of_names(NAMES))
    with caplog.at_level("INFO", logger="trainers"):
        assert read(file) == ["neg", "pos", "pos"]
    assert caplog.messages == [
        "the numbers in the column 'label' are read as the classes that "
        f"{file} names: neg, pos"
    ]
    # Texts to predict need no labels.
    texts = [
        text for _, text in single_labels.read_texts(file, TextDataConfig())
    ]
    assert texts == [b"awful", b"fine", b"good"]


def test_another_column_and_older_metadata():
    old = class_label(NAMES) | {"num_classes": 2, "names_file": None, "id": 3}
    features = {"label": class_label(["x", "y"]), "stars": old}
    metadata = json.dumps({"info": {"features": features}})
    write("a.parquet", metadata=metadata, column="stars")
    assert read("a.parquet", label_column="stars") == ["neg", "pos", "pos"]


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        "no JSON",
        "[]",
        '{"info": 3}',
        '{"info": {"features": []}}',
        of_names([]),
        of_names("neg"),
        json.dumps({"info": {"features": {"label": {"_type": "Value"}}}}),
        of_names(NAMES, column="other"),
    ],
)
def test_without_names_numbers_stay_numbers(metadata, caplog):
    write("a.parquet", metadata=metadata)
    with caplog.at_level("INFO", logger="trainers"):
        assert read("a.parquet") == ["0", "1", "1"]
    assert caplog.messages == []


def test_words_stay_words():
    write("a.parquet", ("a", "b", "b"), metadata=of_names(NAMES))
    assert read("a.parquet") == ["a", "b", "b"]


def test_a_row_without_a_label_or_with_an_unknown_number_is_refused():
    write("a.parquet", (-1, 2, 1), metadata=of_names(NAMES))
    assert refusal("a.parquet") == (
        "2 rows that cannot be used:\n"
        "  a.parquet, row 1: 'label' is -1, which means that the row has no "
        "label. Leave such rows out\n"
        "  a.parquet, row 2: 'label' must be the number of one of 2 classes, "
        "from 0 to 1. Received: 2"
    )
    write("b.parquet", (None, 1, 1), metadata=of_names(NAMES))
    assert "Received: null" in refusal("b.parquet")


# --- Several files -----------------------------------------------------------

AGAIN = (
    "Write the files again with one order of the names, for example with "
    "`align_labels_with_mapping` or `cast_column` of `datasets`."
)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [(of_names(NAMES[::-1]), "pos, neg"), (None, "no names")],
)
def test_files_that_name_numbers_in_other_ways_are_refused(metadata, words):
    write("a.parquet", metadata=of_names(NAMES))
    write("b.arrow", metadata=metadata)
    message = (
        "the numbers in the column 'label' must have the same names in all "
        f"files of a run. Received: a.parquet: neg, pos; b.arrow: {words}. "
    )
    assert refusal("a.parquet", test="b.arrow") == message + AGAIN
    assert refusal("[ab].*") == message + AGAIN
    write("b.arrow", metadata=of_names(NAMES))
    assert read("a.parquet", "test", test="b.arrow") == ["neg", "pos", "pos"]


def test_a_file_of_words_can_be_beside_one_of_numbers():
    write("a.parquet", metadata=of_names(NAMES))
    write("b.parquet", ("pos", "neg", "neg"))
    assert read("a.parquet", "test", test="b.parquet") == ["pos", "neg", "neg"]
    with open("c.csv", "w") as file:
        file.write("text,label\nso so,pos\n")
    assert read("a.parquet", "test", test="c.csv") == ["pos"]


def test_what_is_wrong_with_a_file_is_said_when_it_is_read():
    write("a.parquet", metadata=of_names(NAMES))
    with open("a.parquet", "r+b") as file:
        file.truncate(100)
    assert "a.parquet, row 1: is damaged" in refusal("a.parquet")
