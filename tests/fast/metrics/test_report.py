"""The table of metrics in the log."""

import json
import re

import numpy as np
import pytest
import scores
from sklearn import metrics as sklearn_metrics

from trainers.metrics import report


def of(labels, answers, names):
    logits = np.eye(len(names), dtype=np.float32)[np.asarray(answers)]
    return scores.metrics_of(np.asarray(labels), logits, names)


def test_the_report_is_that_of_scikit_learn():
    names = ["cat", "a/b", "a class of 20 chars."]
    metrics = of([0, 0, 0, 1, 2], [0, 0, 1, 1, 1], names)
    assert report.text_report(metrics) == (
        "                      precision    recall  f1-score   support\n"
        "\n"
        "                 cat     1.0000    0.6667    0.8000         3\n"
        "                 a/b     0.3333    1.0000    0.5000         1\n"
        "a class of 20 chars.     0.0000    0.0000    0.0000         1\n"
        "\n"
        "            accuracy                         0.6000         5\n"
        "           macro avg     0.4444    0.5556    0.4333         5\n"
        "        weighted avg     0.6667    0.6000    0.5800         5\n"
    )


CASES = {
    "two_classes": (2, 40),
    "ten_classes": (10, 500),
    "more_classes_than_examples": (50, 20),
}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", CASES)
def test_the_numbers_are_those_of_scikit_learn(name, seed):
    num_classes, num_examples = CASES[name]
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_classes, num_examples)
    answers = rng.integers(0, num_classes, num_examples)
    metrics = of(labels, answers, [f"c{i}" for i in range(num_classes)])
    text = report.text_report(metrics)
    expected = sklearn_metrics.classification_report(
        labels,
        answers,
        labels=range(num_classes),
        target_names=list(metrics["per_class"]),
        digits=4,
        zero_division=0,
    )
    # It prints some counts as floats.
    expected = re.sub(r"(\d+)\.0$", r"  \1", expected, flags=re.MULTILINE)
    lines, theirs = text.splitlines(), expected.splitlines()
    num_rows = num_classes + 3
    assert lines[:num_rows] == theirs[:num_rows]
    assert lines[num_rows] == theirs[num_rows].replace("micro avg", "accuracy")
    # Without `labels`, as in `f1_score(average="macro")`, it averages over the
    # classes that occur.
    for average, line in zip(
        ("macro", "weighted"), lines[num_rows + 1 :], strict=False
    ):
        numbers = sklearn_metrics.precision_recall_fscore_support(
            labels, answers, average=average, zero_division=0
        )[:3]
        assert line.split() == [
            *(average, "avg"),
            *(f"{number:.4f}" for number in numbers),
            str(num_examples),
        ]
    # As `metrics.json` contains them.
    assert report.text_report(json.loads(json.dumps(metrics))) == text


def test_an_absent_class_is_in_the_table_and_not_in_the_macro_average():
    # Averages over all four classes are 0.5625 instead of 0.75.
    metrics = of([0, 1, 1, 2], [0, 1, 1, 2], ["a", "b", "c", "none"])
    assert metrics["macro_f1"] == 1.0
    lines = report.text_report(metrics).splitlines()
    assert lines[5].split() == ["none", "0.0000", "0.0000", "0.0000", "0"]
    assert lines[8].split() == ["macro", "avg", *["1.0000"] * 3, "4"]
    assert lines[-1] == (
        "macro avg is over the 3 of 4 classes that occur as label or as answer."
    )


def test_table_metrics_and_scikit_learn_have_one_macro_average():
    labels, answers = [0, 0, 1, 1], [0, 0, 1, 2]
    metrics = of(labels, answers, ["a", "b", "c", "d"])
    f1 = sklearn_metrics.f1_score(
        labels, answers, average="macro", zero_division=0
    )
    assert metrics["macro_f1"] == pytest.approx(f1) == pytest.approx(5 / 9)
    row = report.text_report(metrics).splitlines()[8].split()
    assert row[:2] == ["macro", "avg"] and row[4] == f"{f1:.4f}"


@pytest.mark.parametrize("num_classes", [1, 50])
def test_the_report_has_a_row_for_every_class_of_few(num_classes):
    names = [f"c{i}" for i in range(num_classes)]
    everyone = np.arange(num_classes)
    lines = report.text_report(of(everyone, everyone, names)).splitlines()
    assert [line.split()[0] for line in lines[2 : 2 + num_classes]] == names
    assert len(lines) == num_classes + 6


def test_the_report_has_the_worst_and_the_best_of_many_classes():
    # Of 2,000 classes, the last 1,800 have no example. Class i has 4 examples
    # and of these, (i mod 5) are right. The answer to all others is class 0.
    names = [f"class {i}" for i in range(2_000)]
    labels = np.repeat(np.arange(200), 4)
    answers = labels.copy()
    wrong = np.tile(np.arange(4), 200) >= labels % 5
    answers[wrong] = 0
    metrics = of(labels, answers, names)
    text = report.text_report(metrics)
    assert len(text) < 4_000
    lines = text.splitlines()
    rows = [line.rsplit(None, 4) for line in lines[2:22]]
    assert [row[0].strip() for row in rows[:3]] == [
        "class 5",
        "class 10",
        "class 15",
    ]
    assert lines[22].strip() == "..."
    best = [line.rsplit(None, 4) for line in lines[23:43]]
    assert {row[3] for row in best} == {"1.0000"}
    assert best[-1][0].strip() == "class 199"
    assert lines[43] == ""
    assert lines[44].split() == [
        *("accuracy", f"{metrics['accuracy']:.4f}", "800")
    ]
    assert lines[47:] == [
        "The table has the classes with the lowest and the highest F1. 1,960 "
        "of 2,000 classes are left out. `per_class` in metrics.json, and in "
        "what `evaluate` prints, has all of them.",
        "macro avg is over the 200 of 2,000 classes that occur as label or as "
        "answer.",
    ]


def test_few_classes_with_examples_of_many_are_all_in_the_table():
    names = [f"c{i}" for i in range(60)]
    lines = report.text_report(of([3, 40], [3, 3], names)).splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["c40", "c3"]
    assert lines[4] == ""
    assert lines[8] == (
        "The table has the classes with examples. 58 of 60 classes are left "
        "out. `per_class` in metrics.json, and in what `evaluate` prints, has "
        "all of them."
    )
    labels = range(30)
    lines = report.text_report(of(labels, labels, names)).splitlines()
    # Nothing is left out between two of them.
    found = [line.split()[0] for line in lines[2:32]]
    assert found == names[:30] and lines[32] == ""


def test_white_space_in_a_name_does_not_break_the_table():
    lines = report.text_report(of([0, 1], [0, 1], ["a\nb", "c"])).splitlines()
    assert lines[2].split() == ["a", "b", *["1.0000"] * 3, "1"]
