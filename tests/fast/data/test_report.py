"""`data_report.json`: what a person should know before training."""

import json
import pathlib

import numpy as np
import pytest
import single_labels
import tensorflow as tf

from tfmodels import BertClassifierConfig
from tfmodels import EncoderConfig
from tfmodels import MnistMlpConfig
from trainers import tasks
from trainers.config import experiment
from trainers.config.data import ImageDataConfig
from trainers.config.data import TextDataConfig
from trainers.data import report as report_lib
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.errors import DataError
from trainers.run.workdir import Workdir

NAMES = ["ham", "spam"]


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    """Files of a test are in its working directory: short exact messages."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_report(rows, class_names=NAMES, **settings):
    """Reports on `(key, label)` rows by split."""
    splits = {
        name: Examples(
            {},
            np.array([label for _, label in of_split], np.int32),
            Places.numbered(f"{name}.csv, line ", range(2, 2 + len(of_split))),
        )
        for name, of_split in rows.items()
    }
    keys = {
        name: (key for key, _ in of_split) for name, of_split in rows.items()
    }
    objective = single_labels.of(class_names)
    report = report_lib.make_report(splits, objective, keys=keys, **settings)
    # Nothing that JSON changes: the cache keeps it.
    assert json.loads(json.dumps(report)) == report
    return report


def nothing_found(*names):
    return {name: {"count": 0, "first": []} for name in names}


# --- Contents ----------------------------------------------------------------


def test_good_data_have_counts_and_nothing_to_say():
    report = make_report(
        {
            "train": [("a", 0), ("b", 1), ("c", 1)],
            "validation": [("d", 0), ("e", 1)],
            "test": [("f", 1), ("g", 0)],
        },
        empty={"train": [], "validation": [], "test": []},
    )
    assert report == {
        "classes": ["ham", "spam"],
        "splits": {
            "train": {
                "examples": 3,
                "examples_by_class": {"ham": 1, "spam": 2},
            },
            "validation": {
                "examples": 2,
                "examples_by_class": {"ham": 1, "spam": 1},
            },
            "test": {
                "examples": 2,
                "examples_by_class": {"ham": 1, "spam": 1},
            },
        },
        "empty": nothing_found("train", "validation", "test"),
        "repeated": {"count": 0, "first": []},
        "conflicts": {"count": 0, "first": []},
        "leaks": nothing_found("validation", "test"),
        "warnings": [],
    }


def test_empty_texts_are_counted_by_split():
    report = make_report(
        {"train": [("", 0), ("b", 1), ("c", 0)], "test": [("", 0), ("d", 1)]},
        empty={"train": [0], "test": []},
    )
    assert report["empty"] == {
        "train": {"count": 1, "first": ["train.csv, line 2"]},
        "test": {"count": 0, "first": []},
    }
    assert report["warnings"][0] == (
        "split train: 1 empty texts, the first at train.csv, line 2."
    )


def test_repeated_rows_of_train_are_those_after_the_first():
    report = make_report(
        {
            "train": [("a", 0), ("b", 1), ("a", 0), ("b", 1), ("a", 0)],
            "test": [("c", 0), ("c", 0), ("d", 1)],
        }
    )
    assert report["repeated"] == {
        "count": 3,
        "first": [
            ["train.csv, line 2", "train.csv, line 4"],
            ["train.csv, line 2", "train.csv, line 6"],
            ["train.csv, line 3", "train.csv, line 5"],
        ],
    }
    assert report["conflicts"]["count"] == 0
    assert report["leaks"] == nothing_found("test")
    assert report["warnings"] == []


def test_conflicts_show_the_first_place_of_each_label():
    report = make_report(
        {
            "train": [("a", 1)] * 11 + [("b", 0), ("a", 0), ("c", 1)],
            "validation": [("d", 0), ("b", 1), ("b", 1)],
        }
    )
    assert report["conflicts"] == {
        "count": 2,
        "first": [
            [
                {"place": "train.csv, line 2", "label": "spam"},
                {"place": "train.csv, line 14", "label": "ham"},
            ],
            [
                {"place": "train.csv, line 13", "label": "ham"},
                {"place": "validation.csv, line 3", "label": "spam"},
            ],
        ],
    }
    assert report["warnings"][0] == (
        "2 inputs appear with conflicting labels, the first at "
        "train.csv, line 2 (spam) and train.csv, line 14 (ham)."
    )


def test_leaks_are_rows_of_other_splits_that_are_in_train():
    report = make_report(
        {
            "train": [("a", 0), ("b", 1), ("a", 0)],
            "validation": [("b", 1), ("c", 0), ("b", 1)],
            "test": [("c", 0), ("a", 0), ("d", 1), ("b", 1)],
        }
    )
    assert report["leaks"] == {
        "validation": {
            "count": 2,
            "first": [
                ["train.csv, line 3", "validation.csv, line 2"],
                ["train.csv, line 3", "validation.csv, line 4"],
            ],
        },
        "test": {
            "count": 2,
            "first": [
                ["train.csv, line 2", "test.csv, line 3"],
                ["train.csv, line 3", "test.csv, line 5"],
            ],
        },
    }
    assert report["warnings"] == [
        "2 of 3 examples of validation also occur in train, which inflates "
        "its metrics; the first is validation.csv, line 2, in "
        "train train.csv, line 3.",
        "2 of 4 examples of test also occur in train, which inflates "
        "its metrics; the first is test.csv, line 3, in "
        "train train.csv, line 2.",
    ]


def test_classes_that_a_split_does_not_hold_are_named():
    names = [f"class {i:02}" for i in range(13)]
    report = make_report(
        {
            "train": [(f"a{i}", i) for i in range(12)],
            "validation": [(f"b{i}", i) for i in range(1, 13)],
            "test": [("c", 12)],
        },
        names,
    )
    assert report["warnings"] == [
        "split train: no example of 1 of 13 classes: class 12.",
        "split validation: no example of 1 of 13 classes: class 00.",
        "split test: no example of 12 of 13 classes: "
        f"{', '.join(names[:10])} and 2 more.",
    ]


def test_each_kind_shows_the_first_ten():
    report = make_report(
        {
            "train": [(i // 2, i % 2) for i in range(24)],
            "test": [(i, 0) for i in range(12)] + [(99, 1)],
        },
        empty={"train": range(24), "test": range(12)},
    )
    for found, count in (
        (report["empty"]["train"], 24),
        (report["empty"]["test"], 12),
        (report["repeated"], 12),
        (report["conflicts"], 12),
        (report["leaks"]["test"], 12),
    ):
        assert found["count"] == count
        assert len(found["first"]) == 10
    assert report["empty"]["test"]["first"][9] == "test.csv, line 11"


def test_keys_of_arrays_are_equal_where_their_rows_are():
    array = np.zeros((4, 2, 3), np.uint8)
    array[2, 1, 1] = 1
    keys = report_lib.content_keys(array)
    assert [keys.index(key) for key in keys] == [0, 0, 2, 0]
    assert {len(key) for key in keys} == {16}
    # With any layout in memory.
    assert report_lib.content_keys(np.asfortranarray(array)) == keys


def test_classes_that_look_alike_are_one_warning_with_counts():
    names = ["Pos", "caf\u00e9", "cafe\u0301", "pos", "pos\u200b", "x"]
    report = make_report(
        {
            "train": [(f"a{i}", i % 6) for i in range(12)],
            # Also where only another split has one of them.
            "test": [("b", 0), ("c", 4)],
        },
        names,
    )
    assert report["warnings"][-1] == (
        "classes that look alike but are different: 'Pos' (3 examples) and "
        "'pos' (2 examples) and 'pos\\u200b' (3 examples); 'café' (2 examples) "
        "and 'cafe\\u0301' (2 examples). They differ only in case, composed "
        "letters, invisible characters, white space, dashes or quotes. Write "
        "each class in one way."
    )
    assert sum("look alike" in w for w in report["warnings"]) == 1


def test_many_classes_that_look_alike_are_shown_in_part():
    names = [f"{word}{i}" for i in range(12) for word in ("class", "Class")]
    rows = [(f"a{i}", i) for i in range(24)]
    (warning,) = make_report({"train": rows}, names)["warnings"]
    assert warning.count("; ") == 9
    assert "and 'Class9' (1 examples) and 2 more. They differ" in warning


# --- In the work directory ---------------------------------------------------


def write_csv(name, rows):
    lines = ["text,label", *(f'"{text}",{label}' for text, label in rows)]
    with open(name, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def load_texts(train, validation="none", test="none", workdir="work"):
    config = experiment.ExperimentConfig(
        data=TextDataConfig(
            train=train,
            validation=validation,
            test=test,
            sequence_length=8,
            cache_dir="none",
        ),
        model=BertClassifierConfig(
            encoder=EncoderConfig(preset="", vocabulary_size=50)
        ),
    )
    paths = workdir and Workdir(workdir)
    return tasks.load_splits(tasks.make_task(config), config, paths)[1]


def load_images(path, workdir="work"):
    config = experiment.ExperimentConfig(
        data=ImageDataConfig(source="npz", path=str(path), validation="none"),
        model=MnistMlpConfig(image_shape=(4, 3)),
    )
    task = tasks.make_task(config)
    return tasks.load_splits(task, config, Workdir(workdir))[1]


def read_report(workdir="work"):
    with open(f"{workdir}/data_report.json", encoding="utf-8") as file:
        return json.load(file)


@pytest.mark.usefixtures("eagerly")
def test_the_report_on_texts_goes_by_words_without_case_and_white_space():
    write_csv(
        "train.csv",
        [
            ("Straße  frei", "ham"),
            ("Kaufen\tSie", "spam"),
            ("  strasse FREI ", "spam"),
            (" \t", "ham"),
            ("kaufen sie", "spam"),
            ("Kaufen-Sie", "spam"),
        ],
    )
    write_csv("test.csv", [("KAUFEN\n SIE", "spam"), ("neu", "ham")])
    splits = load_texts("train.csv", test="test.csv")
    report = read_report()
    assert report == splits.report
    assert list(report)[0] == "errors"
    assert report["errors"] == []
    assert report["classes"] == ["ham", "spam"]
    assert report["splits"]["train"]["examples_by_class"] == {
        "ham": 2,
        "spam": 4,
    }
    assert report["splits"]["test"]["examples"] == 2
    assert report["empty"] == {
        "train": {"count": 1, "first": ["train.csv, line 5"]},
        "test": {"count": 0, "first": []},
    }
    assert report["repeated"] == {
        "count": 2,
        "first": [
            ["train.csv, line 2", "train.csv, line 4"],
            ["train.csv, line 3", "train.csv, line 6"],
        ],
    }
    assert report["conflicts"] == {
        "count": 1,
        "first": [
            [
                {"place": "train.csv, line 2", "label": "ham"},
                {"place": "train.csv, line 4", "label": "spam"},
            ]
        ],
    }
    assert report["leaks"] == {
        "test": {
            "count": 1,
            "first": [["train.csv, line 3", "test.csv, line 2"]],
        }
    }
    assert report["warnings"][:2] == [
        "split train: 1 empty texts, the first at train.csv, line 5.",
        "1 inputs appear with conflicting labels, the first at "
        "train.csv, line 2 (ham) and train.csv, line 4 (spam).",
    ]
    assert report["sequence_length"] == 8
    assert {"tokens", "truncated_share", "length_percentiles"} < set(
        report["splits"]["train"]
    )


def test_bad_texts_leave_a_report_too():
    write_csv("train.csv", [("a", "ham"), ("b", "ham"), ("c", "ham")])
    message = (
        "split train: must contain at least two classes. Received: only 'ham', "
        "3 examples."
    )
    with pytest.raises(DataError) as caught:
        load_texts("train.csv")
    assert str(caught.value) == message
    report = read_report()
    assert report == {"errors": [message]} | caught.value.report
    assert report["splits"] == {
        "train": {"examples": 3, "examples_by_class": {"ham": 3}}
    }


def test_texts_that_cannot_be_read_are_all_that_is_reported():
    write_csv("train.csv", [("a", "ham"), ("b", ""), ("c", "spam"), ("d", "")])
    with pytest.raises(DataError) as caught:
        load_texts("train.csv")
    assert caught.value.report is None
    assert read_report() == {
        "errors": [
            "2 rows that cannot be used:",
            "  train.csv, line 3: the label is empty",
            "  train.csv, line 5: the label is empty",
        ]
    }


@pytest.mark.usefixtures("eagerly")
def test_without_a_work_directory_nothing_is_written(directory):
    write_csv("train.csv", [("a", "hä"), ("b", "ho")])
    splits = load_texts("train.csv", workdir=None)
    assert splits.report["errors"] == []
    assert [path.name for path in directory.iterdir()] == ["train.csv"]
    load_texts("train.csv")
    text = (directory / "work" / "data_report.json").read_text("utf-8")
    assert '"hä": 1' in text


def write_images(labels, test_images, test_labels):
    images = np.arange(len(labels), dtype=np.uint8)
    np.savez(
        "data.npz",
        x_train=np.broadcast_to(images[:, None, None], (len(images), 4, 3)),
        y_train=np.array(labels),
        x_test=np.broadcast_to(
            np.array(test_images, np.uint8)[:, None, None],
            (len(test_images), 4, 3),
        ),
        y_test=np.array(test_labels),
    )


def look_alikes(splits):
    (warning,) = (w for w in splits.report["warnings"] if "look alike" in w)
    return warning.partition(": ")[2].partition(". They")[0]


@pytest.mark.usefixtures("eagerly")
def test_labels_of_texts_that_look_alike_are_a_warning():
    labels = ["good", "bad", "Good", "bad\u00a0thing", "bad thing"] * 2
    write_csv("a.csv", [(f"text {i}", x) for i, x in enumerate(labels)])
    assert look_alikes(load_texts("a.csv", workdir=None)) == (
        "'Good' (2 examples) and 'good' (2 examples); 'bad thing' (2 examples) "
        "and 'bad\\xa0thing' (2 examples)"
    )


@pytest.mark.usefixtures("eagerly")
def test_class_folders_of_texts_that_look_alike_are_a_warning():
    for name in ("caf\u00e9", "cafe\u0301", "tea"):
        for number in range(3):
            file = pathlib.Path("d", name, f"{number}.txt")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"text {name} {number}", encoding="utf-8")
    assert look_alikes(load_texts("d", workdir=None)) == (
        "'cafe\\u0301' (3 examples) and 'café' (3 examples)"
    )


def test_class_folders_of_images_that_look_alike_are_a_warning():
    for label, name in enumerate(("cat", "dog", "Dog")):
        for number in range(10):
            image = np.full((4, 3, 1), 10 * label + number, np.uint8)
            file = pathlib.Path("photos", name, f"{number}.png")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(tf.io.encode_png(image).numpy())
    config = experiment.ExperimentConfig(
        data=ImageDataConfig(source="image_folder", path="photos"),
        model=MnistMlpConfig(image_shape=(4, 3)),
    )
    splits = tasks.load_splits(tasks.make_task(config), config, None)[1]
    assert look_alikes(splits) == "'Dog' (10 examples) and 'dog' (10 examples)"


def test_names_of_a_source_that_look_alike_are_a_warning():
    images = np.arange(40, dtype=np.uint8)[:, None, None]
    np.savez(
        "data.npz",
        class_names=np.array(["cat", "CAT"]),
        x_train=np.broadcast_to(images, (40, 4, 3)),
        y_train=np.arange(40) % 2,
    )
    assert look_alikes(load_images("data.npz")).startswith("'cat' (")


def test_a_class_that_only_looks_like_one_of_train_is_named():
    write_csv("a.csv", [("a", "pos"), ("b", "neg"), ("c", "pos")])
    write_csv("b.csv", [("d", "Pos"), ("e", "neg")])
    with pytest.raises(DataError) as caught:
        load_texts("a.csv", test="b.csv", workdir=None)
    assert str(caught.value) == (
        "1 classes that are tested but have no example in split train:\n"
        "  class 'Pos': {'test': 1} (looks like 'pos', and is written 'Pos')"
    )


def test_the_report_on_images_goes_by_pixels():
    write_images([0, 1, 2, 0], test_images=[9, 1, 3], test_labels=[0, 1, 2])
    splits = load_images("data.npz")
    report = read_report()
    assert report == splits.report
    assert report == {
        "errors": [],
        "classes": ["0", "1", "2"],
        "splits": {
            "train": {
                "examples": 4,
                "examples_by_class": {"0": 2, "1": 1, "2": 1},
            },
            "test": {
                "examples": 3,
                "examples_by_class": {"0": 1, "1": 1, "2": 1},
            },
        },
        "empty": {},
        "repeated": {"count": 0, "first": []},
        "conflicts": {
            "count": 1,
            "first": [
                [
                    {"place": "data.npz, split train, row 3", "label": "0"},
                    {"place": "data.npz, split test, row 2", "label": "2"},
                ]
            ],
        },
        "leaks": {
            "test": {
                "count": 2,
                "first": [
                    [
                        f"data.npz, split train, row {ours}",
                        f"data.npz, split test, row {theirs}",
                    ]
                    for ours, theirs in ((1, 1), (3, 2))
                ],
            }
        },
        "warnings": [
            "1 inputs appear with conflicting labels, the first at "
            "data.npz, split train, row 3 (0) and data.npz, split test, row "
            "2 (2).",
            "2 of 3 examples of test also occur in train, which inflates "
            "its metrics; the first is data.npz, split test, "
            "row 1, in train data.npz, split train, row 1.",
        ],
    }


def test_bad_images_leave_a_report_too():
    write_images([0, 1, 0, 1], test_images=[9], test_labels=[2])
    with pytest.raises(DataError) as caught:
        load_images("data.npz")
    report = read_report()
    assert report["errors"] == [
        "1 classes that are tested but have no example in split train:",
        "  class '2': {'test': 1}",
    ]
    assert report == {"errors": report["errors"]} | caught.value.report
    assert report["splits"]["train"]["examples_by_class"] == {
        "0": 2,
        "1": 2,
        "2": 0,
    }
    write_images([0, -1], test_images=[9], test_labels=[0])
    with pytest.raises(DataError):
        load_images("data.npz")
    assert read_report() == {
        "errors": [
            "1 labels of split train that are not whole numbers from 0 and "
            "below 100000:",
            "  data.npz, split train, row 1: -1",
        ]
    }
