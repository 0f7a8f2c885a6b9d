"""Labelled texts as a run gets them: tokenized, reported, kept."""

import functools
import json
import os
import pathlib
import pkgutil
import threading
import types

import numpy as np
import pytest
import single_labels
import tensorflow as tf
from refusals import refusal
from repository import ROOT
from small_files import write_csv

from tfmodels.bert import vocabulary_learner
from tfmodels.bert import wordpiece
from trainers.config.data import TextDataConfig
from trainers.data.texts import hash_split
from trainers.data.texts import loading
from trainers.data.texts import reading
from trainers.errors import ConfigError
from trainers.errors import DataError

WORDS = ("a", "b", "c", "d", "##a", "##b", "##c", "##d", ".", "x", "##x")
VOCABULARY = [*wordpiece.SPECIAL_TOKENS, *WORDS]


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    """Files of a test are in its working directory: short exact messages."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@functools.cache
def the_tokenizer():
    return wordpiece.WordPieceTokenizer(
        VOCABULARY, lowercase=True, max_bytes=100_000
    )


def make_tokenizer(train_texts):
    return the_tokenizer()


def write_three():
    """Writes train, validation and test; class b is short texts."""
    rows = [("a a b", "a"), ("b", "b"), ("c x d", "a"), ("d", "b")]
    write_csv("train.csv", rows)
    write_csv("validation.csv", [("x a", "a"), ("x", "b")])
    write_csv("test.csv", [("x c", "b"), ("x d x d", "a")])


def config(**settings):
    """The three files, kept in `cache`."""
    return TextDataConfig(
        **{
            "train": "train.csv",
            "validation": "validation.csv",
            "test": "test.csv",
            "cache_dir": "cache",
        }
        | settings
    )


def load(make_tokenizer_fn=make_tokenizer, facts=("v", True), **settings):
    """Returns `Splits`, the names of the classes and the vocabulary."""
    splits, objective, vocabulary = loading.load(
        config(**settings),
        single_labels.unfitted(),
        make_tokenizer_fn=make_tokenizer_fn,
        tokenizer_facts=list(facts),
    )
    return splits, objective.names, vocabulary


def entries():
    """Returns the names in the cache."""
    return {path.name for path in pathlib.Path("cache").iterdir()}


def rows_of(examples):
    """Returns tokens and label of each row."""
    ids = examples.features["token_ids"].to_list()
    tokens = [" ".join(VOCABULARY[i] for i in row) for row in ids]
    return list(zip(tokens, examples.targets.tolist(), strict=True))


def check_equal(first, second):
    """Compares two results of `load`."""
    (splits, *facts), (other, *other_facts) = first, second
    assert facts == other_facts
    assert splits.report == other.report
    for name in ("train", "validation", "test"):
        one, two = getattr(splits, name), getattr(other, name)
        ids = one.features["token_ids"], two.features["token_ids"]
        assert ids[0].values.dtype == ids[1].values.dtype
        assert ids[0].to_list() == ids[1].to_list()
        assert one.targets.dtype == two.targets.dtype == np.int32
        assert one.targets.tolist() == two.targets.tolist()
        assert list(one.places) == list(two.places)


# --- What a run gets ---------------------------------------------------------


def test_splits_are_ids_without_special_tokens_and_positions_of_classes():
    write_three()
    splits, names, vocabulary = load()
    assert vocabulary == VOCABULARY
    assert names == ["a", "b"]
    assert rows_of(splits.train) == [
        *(("a a b", 0), ("b", 1), ("c x d", 0), ("d", 1))
    ]
    assert rows_of(splits.validation) == [("x a", 0), ("x", 1)]
    assert rows_of(splits.test) == [("x c", 1), ("x d x d", 0)]
    assert list(splits.train.features) == ["token_ids"]
    ids = splits.train.features["token_ids"]
    assert (ids.values.dtype, ids.row_splits.dtype) == (np.int32, np.int64)
    assert splits.train.targets.dtype == np.int32
    assert splits.test.places[1] == "test.csv, line 3"


def test_the_ids_of_many_texts_are_those_of_the_tokenizer():
    rng = np.random.default_rng(0)
    rows = [
        (" ".join(rng.choice([*"abcdx", "abba", "Q."], rng.integers(1, 30))), c)
        for c in ["a", "b"] * 601  # More than two batches of 512.
    ]
    write_csv("train.csv", rows)
    splits, _, _ = load(validation="none", test="none")
    expected = make_tokenizer(None)(tf.constant([text for text, _ in rows]))
    got = splits.train.features["token_ids"]
    np.testing.assert_array_equal(got.values, expected.values)
    np.testing.assert_array_equal(got.row_splits, expected.row_splits)
    assert (splits.validation, splits.test) == (None, None)


def test_threads_share_one_graph_of_the_tokenizer(monkeypatch):
    """To trace it takes a tenth of a second, in one thread at a time."""
    traced = []
    ids_of = wordpiece.WordPieceTokenizer._ids_of

    def trace(tokenizer, text):
        traced.append(text)
        return ids_of(tokenizer, text)

    monkeypatch.setattr(wordpiece.WordPieceTokenizer, "_ids_of", trace)
    monkeypatch.setattr(loading, "_BATCH_SIZE", 2)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    tokenizer = wordpiece.WordPieceTokenizer(
        VOCABULARY, lowercase=True, max_bytes=100
    )
    ids = loading._tokenize([b"a b"] * 31, tokenizer)
    assert ids.lengths().tolist() == [2] * 31
    assert len(traced) == 1


def test_a_text_without_tokens_has_no_ids():
    write_csv("train.csv", [("  ", "a"), ("a", "b"), ('""', "a")])
    splits, _, _ = load(validation="none", test="none")
    assert splits.train.features["token_ids"].to_list() == [[], [5], []]


@pytest.mark.parametrize(
    ("labels", "class_names"),
    [
        (["b", "a", "C", "ä"], ["C", "a", "b", "ä"]),
        (["10", "2", "1", "-3"], ["-3", "1", "2", "10"]),
        (["10", "2", "x"], ["10", "2", "x"]),
        (["01", "1", "0"], ["0", "01", "1"]),
        (["1.5", "0.5", "x"], ["0.5", "1.5", "x"]),
    ],
)
def test_classes_are_sorted_by_value_if_all_are_whole_numbers(
    labels, class_names
):
    write_csv("train.csv", zip(["a", "b", "c"] * 4, labels * 2, strict=False))
    splits, names, _ = load(validation="none", test="none")
    assert names == class_names
    got = [class_names[label] for label in splits.train.targets]
    assert got == labels * 2


def test_texts_that_seem_to_have_no_column_of_labels_are_refused():
    write_csv("train.csv", [(f"a {i}", f"name {i:02}") for i in range(21)])
    message = refusal(DataError, load, validation="none", test="none")
    assert message == (
        "21 different labels in 21 examples, such as 'name 00': these are no "
        "labels of classes, which need two examples each, or more. If another "
        "column has the labels, name it with --config.data.label_column."
    )
    assert not pathlib.Path("cache").exists()


def test_a_class_that_is_only_tested_is_refused_with_the_report_so_far():
    write_three()
    write_csv("test.csv", [("x", "c"), ("x", "a")])
    with pytest.raises(DataError) as caught:
        load()
    assert str(caught.value) == (
        "1 classes that are tested but have no example in split train:\n"
        "  class 'c': {'validation': 0, 'test': 1}"
    )
    report = caught.value.report
    assert report["classes"] == ["a", "b", "c"]
    assert report["splits"]["train"]["examples_by_class"] == {
        "a": 2,
        "b": 2,
        "c": 0,
    }
    assert not pathlib.Path("cache").exists()


# --- Lengths -----------------------------------------------------------------


def write_lengths(lengths, name="train.csv"):
    """Writes texts of so many tokens, all different, in two classes."""
    rng = np.random.default_rng(0)
    write_csv(
        name,
        [
            (" ".join(rng.choice(list("abcd"), length)), "xy"[i % 2])
            for i, length in enumerate(lengths)
        ],
    )


def test_lengths_count_the_two_tokens_around_a_text():
    write_lengths(range(19, 0, -1))
    write_lengths([2, 2, 8], "test.csv")
    splits, _, _ = load(validation="none", sequence_length=10)
    report = splits.report
    assert report["sequence_length"] == 10
    train, test = report["splits"]["train"], report["splits"]["test"]
    # 3 to 21 tokens; percentile p is 3 + 18 p / 100.
    assert train["tokens"] == sum(range(3, 22))
    assert train["length_percentiles"] == {
        "5": 4,
        "25": 8,
        "50": 12,
        "75": 16,
        "90": 19,
        "95": 20,
        "99": 21,
        "100": 21,
    }
    assert train["truncated_share"] == 11 / 19
    assert test["tokens"] == 4 + 4 + 10
    assert test["length_percentiles"]["50"] == 4
    assert test["length_percentiles"]["100"] == 10
    assert test["truncated_share"] == 0  # 10 fit.
    assert report["warnings"] == [
        "split train: 58% of the texts are longer than 10 tokens and lose "
        "their end. Nine of ten have at most 19: "
        "--config.data.sequence_length."
    ]
    json.dumps(report)


@pytest.mark.parametrize(("longest", "warns"), [(17, True), (18, False)])
def test_up_to_a_tenth_may_be_cut_without_a_warning(longest, warns):
    write_lengths(range(1, 21))  # 3 to 22 with the two around them.
    # Cut texts in the test split cause no warning.
    write_lengths([30] * 4, "test.csv")
    splits, _, _ = load(validation="none", sequence_length=longest + 2)
    share = splits.report["splits"]["train"]["truncated_share"]
    assert share == (3 if warns else 2) / 20
    found = [w for w in splits.report["warnings"] if "lose their end" in w]
    assert found == warns * [
        "split train: 15% of the texts are longer than 19 tokens and lose "
        "their end. Nine of ten have at most 20: "
        "--config.data.sequence_length."
    ]


# --- The cache ---------------------------------------------------------------


def forbid_reading(monkeypatch):
    def read_splits(data, objective):
        raise AssertionError("the files are read again")

    monkeypatch.setattr(reading, "read_splits", read_splits)


def forbidden_tokenizer(train_texts):
    raise AssertionError("a tokenizer is made again")


def test_a_second_run_does_not_read_the_texts_again(monkeypatch, caplog):
    write_three()
    first = load(sequence_length=4)
    assert first[0].report["warnings"]
    forbid_reading(monkeypatch)
    second = load(forbidden_tokenizer, sequence_length=4)
    check_equal(first, second)
    third = load(forbidden_tokenizer, sequence_length=4)
    check_equal(first, third)
    assert len(entries()) == 1
    assert caplog.messages == []


@pytest.mark.parametrize(
    "settings",
    [{"sequence_length": 3}, {"global_batch_size": 7}],
    ids=str,
)
def test_what_only_groups_and_cuts_does_not_tokenize_again(
    monkeypatch, settings
):
    write_three()
    first, _, _ = load()
    forbid_reading(monkeypatch)
    second, _, _ = load(forbidden_tokenizer, **settings)
    assert rows_of(first.train) == rows_of(second.train)
    # The report is that of these settings.
    length = settings.get("sequence_length", 128)
    assert second.report["sequence_length"] == length
    share = second.report["splits"]["train"]["truncated_share"]
    assert share == (0.5 if length == 3 else 0)


def test_other_settings_have_their_own_cache_entry():
    rows = [(f"a {i}", "ab"[i % 2], f"b {i}", f"x {i}") for i in range(40)]
    write_csv("train.csv", rows, "text,label,other,body")
    write_csv("other.csv", rows, "text,label,other,body")
    cut = {"validation": "", "test": ""}
    runs = [
        cut,
        cut | {"validation_fraction": 0.2},
        cut | {"test_fraction": 0.2},
        cut | {"max_bytes": 50_000},
        cut | {"text_column": "body"},
        cut | {"text_column": "other"},
        cut | {"quoting": False},
        cut | {"source": "csv"},
        cut | {"test": "none"},
        cut | {"train": "other.csv"},
        cut | {"facts": ("w", True)},
        cut | {"facts": ("v", False)},
    ]
    for number, settings in enumerate(runs, 1):
        load(**settings)
        assert len(entries()) == number, settings
    for settings in runs:
        load(forbidden_tokenizer, **settings)
    assert len(entries()) == len(runs)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_changed_file_is_read_again(split):
    write_three()
    load()
    file = pathlib.Path(f"{split}.csv")
    header, *rows = file.read_text().splitlines()
    rows = [row.replace("x", "c c") for row in rows]
    file.write_text("\n".join([header, *rows]))
    splits, _, _ = load()
    assert len(entries()) == 2
    tokens = [text for text, _ in rows_of(getattr(splits, split))]
    assert tokens == [row.split(",")[0] for row in rows]


def test_a_damaged_entry_is_made_again(caplog):
    write_three()
    first = load()
    (entry,) = pathlib.Path("cache").iterdir()
    content = bytearray((entry / "arrays.npz").read_bytes())
    content[100] ^= 4
    (entry / "arrays.npz").write_bytes(content)
    check_equal(first, load())
    assert caplog.messages == [
        "the cache of tokenized data is damaged and is written again: "
        f"{entry / 'arrays.npz'}: missing or damaged."
    ]
    check_equal(first, load(forbidden_tokenizer))


def test_none_keeps_nothing(directory):
    write_three()
    before = set(directory.iterdir())
    load(cache_dir="none")
    assert set(directory.iterdir()) == before


def test_a_pipe_is_read_where_nothing_is_kept():
    os.mkfifo("pipe.csv")
    content = "text,label\na,x\nb,y\n"
    writer = threading.Thread(
        target=pathlib.Path("pipe.csv").write_text, args=(content,), daemon=True
    )
    writer.start()
    splits, _, _ = load(
        train="pipe.csv", validation="none", test="none", cache_dir="none"
    )
    writer.join(10)
    assert rows_of(splits.train) == [("a", 0), ("b", 1)]


def test_a_file_that_is_not_there_names_its_flag():
    write_three()
    assert refusal(ConfigError, load, test="no.csv") == (
        "`--config.data.test` must be a file, folder or pattern that exists. "
        "Received: 'no.csv'."
    )


def test_a_learned_vocabulary_is_kept(monkeypatch):
    write_three()
    seen = []

    def learn(train_texts):
        seen.append(list(train_texts))
        vocabulary = vocabulary_learner.learn_vocabulary(
            train_texts, size=50, lowercase=True
        )
        return wordpiece.WordPieceTokenizer(
            vocabulary, lowercase=True, max_bytes=100_000
        )

    first = load(learn, facts=(50, True))
    # From the training texts alone.
    assert seen == [[b"a a b", b"b", b"c x d", b"d"]]
    assert first[2][:5] == list(wordpiece.SPECIAL_TOKENS)
    assert {"a", "b", "c", "d", "x"} <= set(first[2])
    forbid_reading(monkeypatch)
    check_equal(first, load(forbidden_tokenizer, facts=(50, True)))


# --- One split, for a model that exists --------------------------------------


def load_one(split, class_names, **settings):
    """Returns the examples with texts and those with ids."""
    objective = single_labels.of(class_names)
    raw = loading.load_raw(config(**settings), split, objective)
    return raw, loading.tokenize(raw, make_tokenizer(None))


def test_one_split_has_labels_in_the_order_of_the_model():
    write_three()
    names = ["unused", "b", "a"]
    raw, examples = load_one("test", names)
    assert list(raw.features) == ["text"]
    assert raw.features["text"].tolist() == [b"x c", b"x d x d"]
    assert list(examples.features) == ["token_ids"]
    assert rows_of(examples) == [("x c", 1), ("x d x d", 2)]
    assert examples.targets.dtype == np.int32
    assert examples.places[1] == raw.places[1] == "test.csv, line 3"


def test_another_file_may_hold_one_class_alone():
    write_three()
    write_csv("other.csv", [("x x", "b"), ("d", "b")])
    _, examples = load_one("other.csv", ["a", "b"])
    assert rows_of(examples) == [("x x", 1), ("d", 1)]
    assert not pathlib.Path("cache").exists()


def test_a_cut_split_is_that_of_training():
    write_csv("train.csv", [(f"a {'x' * i}", "ab"[i % 2]) for i in range(40)])
    cut = {"validation": "", "test": ""}
    splits, _, _ = load(**cut)
    for split in ("train", "validation", "test"):
        _, examples = load_one(split, ["a", "b"], **cut)
        assert rows_of(examples) == rows_of(getattr(splits, split))


def test_labels_that_the_model_does_not_know_are_named_by_place():
    write_three()
    write_csv("other.csv", [("x", "b"), ("d", "c"), ("a", "A"), ("a", "a")])
    assert refusal(DataError, load_one, "other.csv", ["a", "b"]) == (
        "2 labels of split other.csv that the model does not know (it knows "
        "a, b):\n"
        "  other.csv, line 3: 'c'\n"
        "  other.csv, line 4: 'A' (looks like 'a', and is written 'A')"
    )
    many = [f"class {i}" for i in range(11)]
    message = refusal(DataError, load_one, "other.csv", many)
    assert message.startswith(
        "4 labels of split other.csv that the model does not know (it knows "
        + "".join(f"class {i}, " for i in range(10))
        + "...):\n"
    )


def test_content_keys_are_made_of_each_text_once(monkeypatch):
    write_three()
    calls = []
    monkeypatch.setattr(
        loading,
        "hash_split",
        types.SimpleNamespace(
            contents=hash_split.contents,
            text_key=lambda text: (
                calls.append(text) or hash_split.text_key(text)
            ),
        ),
    )
    load()
    assert len(calls) == 8


def test_blank_texts_of_any_script_are_empty_and_nothing_else():
    blanks = ["\u3000", "\u00a0\u00a0", " ", '""']
    rows = [(text, "ab"[n % 2]) for n, text in enumerate(blanks * 2)]
    write_csv("train.csv", rows + [("a", "a"), ("b", "b")])
    splits, _, _ = load(validation="none", test="none")
    report = splits.report
    assert report["empty"]["train"]["count"] == 8
    assert report["conflicts"]["count"] == 0
    assert report["repeated"]["count"] == 0


@pytest.mark.parametrize(
    "labels, wrong",
    [
        (["0.5", "1"], ["'0.5'"]),
        (["1.0", "2.0"], ["'1.0'", "'2.0'"]),
        (["nan", "1"], None),
        (["inf", "1e3"], None),
    ],
)
def test_labels_that_are_no_whole_numbers_are_refused(labels, wrong):
    rows = [(f"a {n}", label) for n, label in enumerate(labels * 8)]
    write_csv("train.csv", rows)
    message = refusal(DataError, load, validation="none", test="none")
    assert (
        "labels that are not whole numbers; classes are whole numbers or words:"
    ) in message
    if wrong:
        assert message.splitlines()[1:] == [
            *(f"  {name}" for name in wrong),
            "To learn numbers, set --config.task.objective=regression.",
        ]
    else:  # Nor are these numbers that can be learned.
        assert "regression" not in message


def test_negative_and_worded_numbers_are_classes():
    rows = [("a", "-1"), ("b", "10"), ("c", "2"), ("d", "2")]
    write_csv("train.csv", rows)
    splits, names, _ = load(validation="none", test="none")
    assert names == ["-1", "2", "10"]
    write_csv("train.csv", [("a", "1.0"), ("b", "spam")])
    splits, names, _ = load(validation="none", test="none")
    assert names == ["1.0", "spam"]


def test_another_delimiter_is_read():
    write_csv("train.csv", [], header="text;label\na, b;x\nc;y")
    splits, names, _ = load(validation="none", test="none", delimiter=";")
    assert names == ["x", "y"]


def test_a_home_is_not_needed_and_found_behind_a_tilde(monkeypatch, directory):
    monkeypatch.setenv("HOME", str(directory))
    write_three()
    splits, _, _ = load(
        train="~/train.csv", validation="~/validation.csv", cache_dir="~/kept"
    )
    assert len(splits.train) == 4
    assert len(list((directory / "kept").iterdir())) == 1


# --- Objectives of a user ----------------------------------------------------


@pytest.mark.parametrize(
    "name, expected",
    [
        ("tag_counts:TagCounts", [[0], [1], [0, 1], []]),
        ("one_class:OneClass", None),
    ],
)
def test_the_cache_keeps_targets_of_any_kind(name, expected, monkeypatch):
    """Rows of different lengths, and none at all."""
    monkeypatch.syspath_prepend(ROOT / "tests" / "own_package")
    write_csv("train.csv", [("a", "x"), ("b", "y"), ("c", "x y"), ("d", "")])
    data = config(validation="none", test="none")
    objective = pkgutil.resolve_name(f"team.{name}")()
    for tokenizer in (make_tokenizer, None):  # The second is not called.
        splits, fitted, _ = loading.load(
            data,
            objective,
            make_tokenizer_fn=tokenizer,
            tokenizer_facts=["v", True],
        )
        targets = splits.train.targets
        assert (targets and targets.to_list()) == expected
        assert fitted.num_outputs == (2 if expected else 4)
    assert len(entries()) == 1
    raw = loading.load_raw(data, "train", fitted)
    assert (raw.targets and raw.targets.to_list()) == expected
