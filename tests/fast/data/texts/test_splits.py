"""Which rows of text files are train, validation and test."""

import gzip
import hashlib
import pathlib
import random

import pytest
import single_labels
from refusals import refusal
from small_files import write
from small_files import write_csv

from trainers.config.data import TextDataConfig
from trainers.data.texts import hash_split
from trainers.data.texts import reading
from trainers.errors import ConfigError
from trainers.errors import DataError


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    """Files of a test are in its working directory: short exact messages."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def texts(examples):
    return [text.decode() for text in examples.features["text"]]


def contents(splits):
    return {name: texts(examples) for name, examples in splits.items()}


def numbered(count, label="x"):
    return [(f"{label} {i}", label) for i in range(count)]


@pytest.mark.parametrize(
    "text", ["Straße  A\n", "\tSTRASSE a", "strasse\u00a0a", "straSSE\r\n A "]
)
def test_a_key_leaves_out_case_and_the_amount_of_white_space(text):
    expected = hashlib.sha256(b"strasse a").digest()
    assert hash_split.text_key(text.encode()) == expected


def test_a_key_tells_other_texts_apart():
    words = ["", "a b", "ab", "a.b", "á b", "a\0b"]
    keys = {hash_split.text_key(text.encode()) for text in words}
    assert len(keys) == len(words)
    assert hash_split.text_key(b" \n") == hashlib.sha256(b"").digest()


def cut(rows, **fractions):
    """Returns rows by split, for `(text, label)` rows."""
    return hash_split.cut(
        [text.encode() for text, _ in rows],
        [label for _, label in rows],
        fractions or {"test": 0.1, "validation": 0.1},
    )


def by_key(rows):
    return sorted(
        rows, key=lambda row: hashlib.sha256(row[0].encode()).digest()
    )


def test_each_class_is_cut_in_the_order_of_its_keys():
    rows = numbered(20, "x") + numbered(30, "y")
    got = cut(rows, test=0.1, validation=0.2)
    expected = {"test": [], "validation": [], "train": []}
    for of_class in (by_key(rows[:20]), by_key(rows[20:])):
        tenth = len(of_class) // 10
        expected["test"] += of_class[:tenth]
        expected["validation"] += of_class[tenth : 3 * tenth]
        expected["train"] += of_class[3 * tenth :]
    assert {name: [rows[i] for i in found] for name, found in got.items()} == {
        name: [row for row in rows if row in chosen]
        for name, chosen in expected.items()
    }


@pytest.mark.parametrize(
    ("count", "fraction", "expected"),
    [
        (4, 0.1, 1),
        (5, 0.1, 1),
        (6, 0.1, 1),
        (14, 0.1, 1),
        (16, 0.1, 2),
        (3, 0.4, 1),
        (3, 0.9, 2),
        (2, 0.5, 1),
        (2, 0.99, 1),
        (1, 0.99, 0),
    ],
)
def test_a_cut_has_the_rounded_share_and_leaves_one(count, fraction, expected):
    got = cut(numbered(count), test=fraction)
    assert {name: len(found) for name, found in got.items()} == {
        "test": expected,
        "train": count - expected,
    }


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [1, 0, 0]), (2, [1, 0, 1]), (3, [1, 1, 1])]
)
def test_each_split_has_one_if_there_are_enough(count, expected):
    """Train comes first, then test, then validation."""
    got = cut(numbered(count), test=0.6, validation=0.3)
    assert [len(got[n]) for n in ("train", "validation", "test")] == expected


def test_small_classes_are_in_every_split():
    rows = numbered(1000, "large")
    rows += [
        (f"{n} of {c}", f"small {c}") for c in range(100) for n in range(4)
    ]
    got = cut(rows, test=0.1, validation=0.1)
    for name, count in (("train", 800 + 200), ("validation", 200)):
        assert len(got[name]) == count
        assert len({rows[i][1] for i in got[name]}) == 101


def test_a_group_of_equal_texts_goes_as_one():
    rows = numbered(100)
    first = by_key(rows)[0]
    rows += [(first[0].upper().replace(" ", "\n"), "x")] * 20
    got = cut(rows, test=0.1)
    assert got["test"] == [rows.index(first), *range(100, 120)]


def test_a_group_with_two_labels_counts_as_the_smaller_one():
    rows = [("both", "y"), *numbered(9, "x"), *numbered(9, "y"), ("both", "x")]
    mixed = rows[::-1]
    for fraction in (0.1, 0.3, 0.5):
        got = [
            {
                (name, given[i])
                for name, found in cut(given, test=fraction).items()
                for i in found
            }
            for given in (rows, mixed)
        ]
        assert got[0] == got[1]
    # Class x has eleven rows with it, class y nine.
    assert len(cut(rows, test=0.5)["test"]) in (round(5.5) + 4, round(5.5) + 5)


def test_a_larger_share_holds_the_smaller_one():
    rows = numbered(50)
    small, large = (set(cut(rows, test=f)["test"]) for f in (0.1, 0.2))
    assert len(small) == 5 and len(large) == 10 and small < large


def test_empty_settings_cut_a_tenth_each_out_of_train():
    rows = numbered(60, "x") + numbered(40, "y")
    write_csv("a.csv", rows)
    splits = single_labels.read_splits(TextDataConfig(train="a.csv"))
    assert list(splits) == ["train", "validation", "test"]
    assert [len(examples) for examples in splits.values()] == [80, 10, 10]
    expected = cut(rows)
    for name, examples in splits.items():
        assert texts(examples) == [rows[i][0] for i in expected[name]]
        assert examples.targets.tolist() == [rows[i][1] for i in expected[name]]
        assert [examples.places[i] for i in range(len(examples))] == [
            f"a.csv, line {i + 2}" for i in expected[name]
        ]
        one = single_labels.read_one(TextDataConfig(train="a.csv"), name)
        assert texts(one) == texts(examples)


def test_fractions_are_used():
    write_csv("a.csv", numbered(100))
    data = TextDataConfig(
        train="a.csv", validation_fraction=0.25, test_fraction=0.5
    )
    sizes = [len(e) for e in single_labels.read_splits(data).values()]
    assert sizes == [25, 25, 50]


def test_a_cut_does_not_depend_on_order_kind_or_number_of_files():
    rows = numbered(60, "x") + numbered(40, "y")
    write_csv("a.csv", rows)
    random.Random(0).shuffle(rows)
    write_csv("b-1.csv", rows[:30])
    lines = [f'{{"text": "{t}", "label": "{c}"}}\n' for t, c in rows[30:]]
    write("b-2.jsonl.gz", gzip.compress("".join(lines).encode()))
    one, two = (
        contents(single_labels.read_splits(TextDataConfig(train=train)))
        for train in ("a.csv", "b-*")
    )
    assert {name: sorted(found) for name, found in one.items()} == {
        name: sorted(found) for name, found in two.items()
    }


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"validation": "none", "test": "none"}, {"train": 20}),
        ({"validation": "none"}, {"train": 18, "test": 2}),
        ({"test": "none"}, {"train": 18, "validation": 2}),
        (
            {"validation": "v.csv"},
            {"train": 18, "validation": 3, "test": 2},
        ),
        (
            {"validation": "v.csv", "test": "t.jsonl"},
            {"train": 20, "validation": 3, "test": 1},
        ),
        ({"validation": "none", "test": "[vw].csv"}, {"train": 20, "test": 4}),
        ({"validation": "none", "test": "d"}, {"train": 20, "test": 2}),
    ],
)
def test_given_files_are_splits_and_the_rest_is_cut(settings, expected):
    write_csv("a.csv", numbered(20))
    write_csv("v.csv", numbered(3, "v"))
    write_csv("w.csv", numbered(1, "w"))
    write("t.jsonl", b'{"text": "t", "label": 1}')
    write("d/x/1.txt", b"one")
    write("d/y/2.txt", b"two")
    data = TextDataConfig(train="a.csv", **settings)
    splits = single_labels.read_splits(data)
    assert {name: len(found) for name, found in splits.items()} == expected
    for name, found in splits.items():
        assert texts(single_labels.read_one(data, name)) == texts(found)


def test_the_files_are_listed_in_the_order_of_reading():
    for name in ("a-2.csv", "a-1.csv", "t.csv", "v/x/1.txt"):
        write_csv(name, numbered(9))
    data = TextDataConfig(train="a-*.csv", validation="v", test="t.csv")
    assert reading.list_files(data) == [
        pathlib.Path(name)
        for name in ("a-1.csv", "a-2.csv", "v/x/1.txt", "t.csv")
    ]
    data = TextDataConfig(train="a-1.csv", validation="none")
    assert reading.list_files(data) == [pathlib.Path("a-1.csv")]


def test_any_labelled_file_is_a_split():
    write("other.tsv", b"text\tlabel\na\tx\n")
    # What the run had is not looked for.
    data = TextDataConfig(train="gone.csv")
    got = single_labels.read_one(data, "other.tsv")
    assert (texts(got), got.targets.tolist()) == (["a"], ["x"])
    assert got.places[0] == "other.tsv, line 2"


def test_a_given_split_does_not_need_the_others():
    write_csv("t.csv", numbered(3))
    data = TextDataConfig(train="gone.csv", validation="gone", test="t.csv")
    assert len(single_labels.read_one(data, "test")) == 3


def test_train_does_not_need_given_splits():
    write_csv("a.csv", numbered(20))
    data = TextDataConfig(train="a.csv", test="gone.csv")
    assert len(single_labels.read_one(data, "train")) == 18


MARKED = [
    ("a", "x", "train"),
    ("b", "y", " Test "),
    ("c", "x", "VAL"),
    ("d", "y", "TRAIN"),
    ("e", "x", "valid"),
    ("f", "y", "Dev"),
    ("g", "y", "validation"),
    ("a", "y", "test"),
]


def marked(rows, **settings):
    write_csv("a.csv", rows, "text,label,split")
    return TextDataConfig(train="a.csv", split_column="split", **settings)


def test_a_column_says_which_rows_are_which():
    splits = single_labels.read_splits(marked(MARKED))
    assert contents(splits) == {
        "train": ["a", "d"],
        "validation": ["c", "e", "f", "g"],
        "test": ["b", "a"],
    }
    assert list(splits) == ["train", "validation", "test"]
    assert splits["test"].places[1] == "a.csv, line 9"
    assert splits["test"].targets.tolist() == ["y", "y"]
    got = single_labels.read_one(marked(MARKED), "validation")
    assert texts(got) == ["c", "e", "f", "g"]


def test_a_split_that_no_row_names_is_not_there():
    splits = single_labels.read_splits(marked(MARKED[:2]))
    assert contents(splits) == {"train": ["a"], "test": ["b"]}


def test_json_lines_and_tfrecord_say_it_as_well():
    import tensorflow as tf

    write(
        "a.jsonl",
        b'{"text": "a", "label": 1, "split": "train"}\n'
        b'{"text": "b", "label": 1, "split": "test"}\n',
    )
    with tf.io.TFRecordWriter("a.tfrecord") as writer:
        for text, split in ((b"a", b"train"), (b"b", b"test")):
            message = tf.train.Example()
            features = message.features.feature
            features["text"].bytes_list.value.append(text)
            features["label"].int64_list.value.append(1)
            features["split"].bytes_list.value.append(split)
            writer.write(message.SerializeToString())
    for name in ("a.jsonl", "a.tfrecord"):
        data = TextDataConfig(train=name, split_column="split")
        splits = single_labels.read_splits(data)
        assert contents(splits) == {"train": ["a"], "test": ["b"]}


def test_other_words_in_the_column_are_named():
    data = marked([("a", "x", "train"), ("b", "y", "eval"), ("c", "y", "")])
    message = refusal(DataError, single_labels.read_splits, data)
    assert message == (
        "2 rows that cannot be used:\n"
        "  a.csv, line 3: 'split' must be train, validation or test. Received: "
        "'eval'\n"
        "  a.csv, line 4: 'split' must be train, validation or test. Received: "
        "''"
    )


def test_a_json_split_that_is_no_string_is_named():
    write("a.jsonl", b'{"text": "a", "label": 1, "split": 1}')
    data = TextDataConfig(train="a.jsonl", split_column="split")
    message = refusal(DataError, single_labels.read_splits, data)
    assert message == (
        "1 rows that cannot be used:\n  a.jsonl, line 1: 'split' must be a "
        "string. Received: 1"
    )


def test_a_column_without_train_is_refused():
    data = marked([("a", "x", "val"), ("b", "y", "test"), ("c", "y", "dev")])
    message = refusal(DataError, single_labels.read_splits, data)
    assert message == (
        "a.csv: no row has train in column 'split'. Received: 2 validation, "
        "1 test."
    )


@pytest.mark.parametrize("name", ["validation", "test"])
@pytest.mark.parametrize("value", ["none", "t.csv"])
@pytest.mark.parametrize("function", ["read_splits", "list_files", "read_one"])
def test_a_column_and_a_file_for_the_same_are_refused(name, value, function):
    data = marked(MARKED, **{name: value})
    arguments = (data, name) if function == "read_one" else (data,)
    message = refusal(ConfigError, getattr(single_labels, function), *arguments)
    assert message == (
        f"`--config.data.{name}` must be empty where "
        f"--config.data.split_column=split says which rows are {name}. "
        f"Received: {value!r}."
    )


def test_a_column_that_is_not_there_is_refused():
    write_csv("a.csv", numbered(3))
    data = TextDataConfig(train="a.csv", split_column="part")
    message = refusal(ConfigError, single_labels.read_splits, data)
    assert message == (
        "`--config.data.split_column` must be a column of a.csv. Received: "
        "'part'. Choices: 'text', 'label'."
    )


def test_a_column_for_a_folder_is_refused():
    write("d/x/a.txt", b"a")
    data = TextDataConfig(train="d", split_column="split")
    message = refusal(ConfigError, single_labels.read_splits, data)
    assert message == (
        "`--config.data.split_column` must be empty for a folder of texts. "
        "Received: 'split' with 'd'."
    )


@pytest.mark.parametrize("function", ["read_splits", "list_files", "read_one"])
@pytest.mark.parametrize("train", ["", "none"])
def test_train_must_be_given(function, train):
    data = TextDataConfig(train=train, validation="none", test="none")
    arguments = (data, "train") if function == "read_one" else (data,)
    message = refusal(ConfigError, getattr(single_labels, function), *arguments)
    assert message == (
        "`--config.data.train` must name a file, a pattern or a folder to "
        f"learn from. Received: {train!r}."
    )


@pytest.mark.parametrize(
    ("settings", "name", "fraction"),
    [
        ({}, "test", 0.1),
        ({"test": "none"}, "validation", 0.1),
    ],
)
def test_too_few_rows_to_cut_are_refused(settings, name, fraction):
    write_csv("a.csv", [(" ", "x")] * 4 + [("same", "y")] * 4)
    data = TextDataConfig(train="a.csv", **settings)
    message = refusal(ConfigError, single_labels.read_splits, data)
    assert message == (
        f"`--config.data.{name}` must be a file, or none: the 8 rows of "
        "a.csv, with 2 different labels and 2 different texts, are too few to "
        f"cut {fraction} of each class out of them. Received: ''."
    )


def test_fractions_that_leave_nothing_are_refused():
    write_csv("a.csv", numbered(100))
    settings = {"validation_fraction": 0.5, "test_fraction": 0.5}
    data = TextDataConfig(train="a.csv", **settings)
    message = refusal(ConfigError, single_labels.read_splits, data)
    assert message == (
        "`--config.data.validation_fraction` and --config.data.test_fraction "
        "must be below 1 together, to leave rows to train. Received: 0.5 and "
        "0.5."
    )
    # A split that is not cut does not count.
    data = TextDataConfig(train="a.csv", test="none", **settings)
    assert len(single_labels.read_splits(data)["validation"]) == 50


@pytest.mark.parametrize(
    ("data", "split", "message"),
    [
        (
            TextDataConfig(train="a.csv", test="none"),
            "test",
            "`--split` must be a split that the run has, and "
            "--config.data.test is none. Received: 'test'. Choices: train, "
            "validation, or a labelled file.",
        ),
        (
            TextDataConfig(train="m.csv", split_column="split"),
            "validation",
            "`--split` must be a split that the run has, and no row has it in "
            "column 'split'. Received: 'validation'. Choices: train, test, or "
            "a labelled file.",
        ),
        (
            TextDataConfig(train="a.csv"),
            "dev",
            "`--split` must be train, validation, test, or a labelled file, "
            "folder or pattern that exists. Received: 'dev'.",
        ),
        (
            TextDataConfig(train="a.csv"),
            "d",
            "`--split` must be a folder of class folders of texts (.txt, also "
            "with .gz, .bz2, .xz, .zip). Received: 'd'.",
        ),
    ],
)
def test_a_wrong_split_is_refused_with_the_choices(data, split, message):
    write_csv("a.csv", numbered(20))
    write_csv("m.csv", MARKED[:2], "text,label,split")
    pathlib.Path("d").mkdir()
    assert refusal(ConfigError, single_labels.read_one, data, split) == message


@pytest.mark.parametrize("name", ["validation", "test"])
def test_a_given_split_is_named_in_errors(name):
    write_csv("a.csv", numbered(20))
    pathlib.Path("d").mkdir()
    for path, words in (
        ("gone.csv", "must be a file, folder or pattern that exists."),
        (
            "d",
            "must be a folder of class folders of texts (.txt, also with .gz, "
            ".bz2, .xz, .zip).",
        ),
    ):
        data = TextDataConfig(train="a.csv", **{name: path})
        message = refusal(ConfigError, single_labels.read_splits, data)
        flag = f"--config.data.{name}"
        assert message == f"`{flag}` {words} Received: {path!r}."


def test_a_column_of_names_is_named_before_its_splits():
    """No split could help: each row has a label of its own."""
    write_csv("a.csv", [(f"text {i}", f"id {i}") for i in range(60)])
    data = TextDataConfig(train="a.csv")
    message = refusal(DataError, single_labels.read_splits, data)
    assert message.startswith("60 different labels in 60 examples, such as ")
