"""Any number of labels for each example: rows, rules, loss and answers."""

import functools

import numpy as np
import pytest
import refusals
import tensorflow as tf

import tfmodels
from trainers.config import ExperimentConfig
from trainers.config import MultiLabelConfig
from trainers.config import TextDataConfig
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.data.texts import rows as rows_lib
from trainers.errors import DataError
from trainers.objectives.label_rows import LabelSet
from trainers.objectives.multi_label import MultiLabel

NAMES = ["ant", "bee", "cat"]
TARGETS = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 0], [1, 0, 0]], np.uint8)

# The message of the `DataError` that a call must raise.
refusal = functools.partial(refusals.refusal, DataError)


def make(names=NAMES, **settings):
    return MultiLabel(MultiLabelConfig(**settings), names)


def examples_of(rows, file="a.jsonl"):
    """Returns examples with these labels: tuples of texts, lists of lists."""
    found = [LabelSet(tuple(x), isinstance(x, list)) for x in rows]
    places = Places.numbered(f"{file}, line ", range(1, len(rows) + 1))
    return Examples({}, rows_lib.as_objects(found), places)


def matrix_of(targets):
    places = Places.numbered("a.npz, row ", range(len(targets)))
    return Examples({}, np.asarray(targets), places)


# Rows.


@pytest.mark.parametrize(
    "value, labels",
    [
        ("ant;bee", ("ant", "bee")),
        (" ant ; big bee;", ("ant", "big bee")),
        ("", ()),
        (" ", ()),
        (["bee", " ant "], ("bee", "ant")),
        ([3, True, "x;y"], ("3", "true", "x;y")),
        ([], ()),
        ("[nsfw];ant", ("[nsfw]", "ant")),
        ("[nsfw]", ("[nsfw]",)),
    ],
)
def test_a_row_is_a_text_or_a_list(value, labels):
    found = make().parse({"label": value})
    assert found == LabelSet(labels, isinstance(value, list))


def test_the_separator_is_a_setting():
    found = make(label_separator=" | ").parse({"label": "a;b | c"})
    assert found.labels == ("a;b", "c")


@pytest.mark.parametrize(
    "value, problem",
    [
        ("ant;bee;ant", "the label 'ant' is there twice"),
        (["ant", "ant"], "the label 'ant' is there twice"),
        (
            None,
            "the labels must be a list, or a text with ';' between them; [] "
            "and the empty text mean no label. Received: null",
        ),
        (
            1.5,
            "the labels must be a list, or a text with ';' between them; [] "
            "and the empty text mean no label. Received: 1.5",
        ),
        (
            ["a", 1.5],
            "each label of a list must be a text, a whole number, true or "
            "false. Received: 1.5",
        ),
        (["a", " "], "a label of the list is empty; [] means no label"),
        (
            "['ant', 'bee']",
            "the labels are the text of a list, \"['ant', 'bee']\". Write them "
            "without brackets and quotes, with the text of "
            "--config.task.label_separator between them, or as JSON lists in "
            "a .jsonl file",
        ),
    ],
)
def test_a_row_of_another_form_is_refused(value, problem):
    with pytest.raises(ValueError) as caught:
        make().parse({"label": value})
    assert str(caught.value) == problem


def test_each_label_can_have_a_column():
    objective = make(None, label_columns=("toxic", "insult"))
    fields = objective.target_columns(TextDataConfig(train="a.csv"))
    assert list(fields.values()) == ["toxic", "insult"]
    assert {objective.column_flag(field) for field in fields} == {
        "--config.task.label_columns"
    }
    for yes, no in (("1", "0"), ("TRUE", " false"), (True, 0), ("1.0", 0.0)):
        row = dict(zip(fields, (no, yes), strict=True))
        assert objective.parse(row).labels == ("insult",)
    for wrong, shown in (("yes", "yes"), ("", ""), (2, "2"), (None, "null")):
        with pytest.raises(ValueError) as caught:
            objective.parse(dict(zip(fields, ("1", wrong), strict=True)))
        assert str(caught.value) == (
            f"'insult' must be 0, 1, true or false. Received: {shown!r}"
        )


# Fitting.


def test_labels_are_sorted_and_become_rows_of_0_and_1():
    splits = {
        "train": examples_of([["b", "a"], [], ["b"]]),
        "test": examples_of([["a"]]),
    }
    objective, targets = make(None).fitted(splits)
    assert objective.names == objective.state() == ["a", "b"]
    assert targets["train"].tolist() == [[1, 1], [0, 0], [0, 1]]
    assert targets["test"].dtype == np.uint8
    assert objective.describe(targets["train"][0]) == "a, b"
    assert objective.describe(targets["train"][1]) == "none"
    # Labels that are numbers, in the order of their values.
    splits = {"train": examples_of([("10",), ("9",)])}
    assert make(None).fitted(splits)[0].names == ["9", "10"]


def test_labels_of_columns_have_the_order_of_the_setting():
    splits = {"train": examples_of([("b",), ()])}
    objective = make(None, label_columns=("z", "b"))
    objective, targets = objective.fitted(splits)
    assert objective.names == ["z", "b"]
    assert targets["train"].tolist() == [[0, 1], [0, 0]]


def test_two_forms_in_a_file_are_named():
    rows = [["a"], ("a",), ["a"], ()]
    assert refusal(make(None).fitted, {"train": examples_of(rows)}) == (
        "2 rows of split train with labels in another form than the first row "
        "of their file:\n"
        '  a.jsonl, line 1: the list ["a"] but a.jsonl, line 2: the text with '
        "the labels a\n"
        '  a.jsonl, line 1: the list ["a"] but a.jsonl, line 4: the text with '
        "the labels none\n"
        "Write the labels of all rows of a file as JSON lists, or all as "
        "texts. [] and the empty text mean no label."
    )


def test_unknown_labels_are_named():
    splits = {"test": examples_of([["Ant", "cat"], ["dog"]])}
    assert refusal(make().fitted, splits) == (
        "2 labels of split test that the model does not know (it knows ant, "
        "bee, cat):\n  a.jsonl, line 1: 'Ant' (looks like 'ant', and is "
        "written 'Ant')\n  a.jsonl, line 2: 'dog'"
    )


def test_texts_that_are_no_labels_are_refused():
    splits = {"train": examples_of([(f"text {i}",) for i in range(30)])}
    message = refusal(make(None).fitted, splits)
    assert message.startswith(
        "30 different labels in 30 rows, such as 'text 0': "
    )
    splits = {"train": examples_of([()] * 3)}
    assert refusal(make(None).fitted, splits).startswith("no label in 3 rows.")


@pytest.mark.parametrize("dtype", [np.int64, np.float32, bool])
def test_images_have_rows_of_0_and_1(dtype):
    splits = {"train": matrix_of(TARGETS.astype(dtype))}
    objective, targets = make(None).fitted(splits, NAMES)
    assert objective.names == NAMES
    assert targets["train"].tolist() == TARGETS.tolist()
    assert make(None).fitted(splits)[0].names == ["0", "1", "2"]
    # Other data can have the labels in another order.
    _, targets = make().fitted(splits, ["cat", "ant", "bee"])
    assert targets["train"].tolist() == TARGETS[:, [1, 2, 0]].tolist()


def test_images_have_lists_of_numbers_or_names():
    rows = [np.array([2, 0]), np.array([], int)]
    splits = {"train": matrix_of(rows_lib.as_objects(rows))}
    _, targets = make(None).fitted(splits, NAMES)
    assert targets["train"].tolist() == [[1, 0, 1], [0, 0, 0]]
    splits["train"].targets[1] = np.array([3])
    assert refusal(make(None).fitted, splits, NAMES) == (
        "1 examples of split train that cannot be used:\n  a.npz, row 1: no "
        "label has the number 3"
    )


@pytest.mark.parametrize(
    "targets, names, message",
    [
        (
            [0, 1],
            NAMES,
            "split train: labels must be a row of 0 and 1 for each example, "
            "with a number for each label. Received: shape () of int64, "
            "a.npz, row 0: 0. For one label an example, set "
            "--config.task.objective=single_label.",
        ),
        (
            [[0, 2], [1, 0]],
            None,
            "1 examples of split train with labels that are not 0 or 1:\n  "
            "a.npz, row 0: [0 2]",
        ),
        (
            [[0, 1]],
            NAMES,
            "each example must have 3 numbers, one for each label. Received: "
            "{'train': 2}.",
        ),
    ],
)
def test_other_numbers_are_refused(targets, names, message):
    assert refusal(make(None).fitted, {"train": matrix_of(targets)}, names) == (
        message
    )


def test_other_labels_than_those_of_the_model_are_refused():
    splits = {"test": matrix_of(TARGETS)}
    assert refusal(make().fitted, splits, ["ant", "bee", "dog"]) == (
        "the labels of the data must be those that the model knows, because 0 "
        "in other data says nothing about them. Received: ant, bee, dog. The "
        "model knows: ant, bee, cat."
    )


# Splits.


def test_train_must_have_the_labels_of_the_other_splits():
    train, test = TARGETS[1:2], TARGETS[:1]
    check = make().check_splits
    assert refusal(check, {"train": matrix_of(train)}) == (
        "split train: no example has a label. Received: 1 examples."
    )
    splits = {"train": matrix_of([[1, 0, 0]]), "test": matrix_of(test)}
    assert refusal(check, splits) == (
        "1 labels that are tested but have no example in split train:\n"
        "  label 'cat': {'test': 1}"
    )
    # These are warnings of the report.
    targets = np.array([[1, 1, 0], [1, 0, 0]], np.uint8)
    check({"train": matrix_of(targets)})
    facts = make().counts(targets) | {"examples": 2}
    assert list(make().warnings("train", facts)) == [
        "split train: no example of 1 of 3 labels: cat.",
        "split train: every example has these labels, so nothing can be "
        "learned about them: ant.",
    ]


def test_data_that_is_sorted_by_label_is_refused():
    splits = {
        "train": matrix_of([[1, 1]] * 100),
        "validation": matrix_of([[1, 0]] * 10),
    }
    assert refusal(make(["a", "b"]).check_splits, splits, ["validation"]) == (
        "split validation: was cut from the end of `train` and has no example "
        "of label 'b', but the rest of `train` has 100. The data seems to be "
        "sorted by label: shuffle it, or name another split with "
        "--config.data.validation, or `none`."
    )


def test_a_row_belongs_to_the_stratum_of_its_rarest_label():
    targets = examples_of([("a", "b"), ("a",), (), ("b", "c"), ("a",)]).targets
    assert make().strata(targets) == ["b", "a", "", "c", "a"]


def test_what_is_suspicious_is_said():
    objective = make(["a", "a,b", "b", "c"])
    facts = objective.counts(np.array([[1, 1, 1, 0], [0, 0, 0, 0]], np.uint8))
    assert facts == {
        "examples_by_class": {"a": 1, "a,b": 1, "b": 1, "c": 0},
        "without_labels": 1,
        "labels_per_example": 1.5,
    }
    facts["examples"] = 2
    assert list(objective.warnings("validation", facts)) == [
        "split validation: no example of 1 of 4 labels: c.",
        "split validation: fewer than 5 examples with 3 of 4 labels: a, a,b, "
        "b. Their number is too small for a threshold of their own. The "
        "threshold is the one with the largest micro F1 of all labels.",
    ]
    assert list(objective.warnings("train", facts)) == [
        "split train: no example of 1 of 4 labels: c.",
        "1 labels consist of other labels with ',' between them, such as "
        "'a,b'. If these are several labels, set "
        "--config.task.label_separator=','.",
    ]


# Learning and answers.


def test_the_loss_is_the_mean_over_the_labels():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=TARGETS.shape).astype(np.float32)
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    parts = -np.where(TARGETS, np.log(p), np.log(1 - p))
    objective = make().for_training(TARGETS)
    np.testing.assert_allclose(
        objective.example_losses(TARGETS, logits),
        parts.mean(axis=1),
        rtol=1e-6,
    )
    # 3, 1 and 1 of 4 examples have the labels, and of 2 more one.
    objective = make(
        positive_weights="balanced", largest_positive_weight=2.0
    ).for_training(TARGETS)
    weights = np.where(TARGETS, [0.5, 2.0, 2.0], 1.0)
    np.testing.assert_allclose(
        objective.example_losses(TARGETS, logits),
        (parts * weights).mean(axis=1),
        rtol=1e-6,
    )


def test_a_network_begins_with_the_shares_of_the_labels():
    assert make().initial_logits() is None
    # Of two examples more, one has each label.
    odds = np.array([4 / 2, 2 / 4, 2 / 4])
    found = make().for_training(TARGETS).initial_logits()
    np.testing.assert_allclose(found, np.log(odds), rtol=1e-6)
    balanced = make(positive_weights="balanced").for_training(TARGETS)
    np.testing.assert_allclose(balanced.initial_logits(), 0, atol=1e-6)


def decided():
    metrics = {
        "per_label": {
            name: {"threshold": x}
            for name, x in zip(NAMES, (0.25, 0.5, 0.75), strict=True)
        }
    }
    return make().decided(make().decide(metrics))


def test_answers_have_the_labels_that_reach_their_threshold():
    logits = np.array([[-1.0, -1.0, 1.0], [1.0, 0.5, 2.0]], np.float32)
    objective = decided()
    assert objective.thresholds == [0.25, 0.5, 0.75]
    outputs = {k: x.numpy() for k, x in objective.outputs(logits).items()}
    assert outputs["predicted"].tolist() == [
        [True, False, False],
        [True, True, True],
    ]
    assert make().outputs(logits)["predicted"].numpy().tolist() == [
        [False, False, True],
        [True, True, True],
    ]
    assert outputs["labels"].tolist() == [[b"ant", b"bee", b"cat"]] * 2
    p = tf.sigmoid(logits).numpy()
    assert outputs["probabilities"].tolist() == p.tolist()
    short, full = (
        list(objective.answers(outputs, is_short=x)) for x in (True, False)
    )
    assert short[0] == {"labels": ["ant"], "probabilities": [float(p[0, 0])]}
    assert short[1] == {
        "labels": ["cat", "ant", "bee"],
        "probabilities": p[1, [2, 0, 1]].tolist(),
    }
    assert full[1] == short[1] | {
        "scores": dict(zip(NAMES, p[1].tolist(), strict=True))
    }
    assert full == list(objective.answers(outputs, is_short=True, scores=True))
    ranking = objective.ranking(logits)
    assert ranking["classes"].numpy()[0].tolist() == [b"cat", b"ant", b"bee"]
    assert ranking["scores"].numpy()[0].tolist() == p[0, [2, 0, 1]].tolist()


def test_evaluation_answers_as_the_graph():
    rng = np.random.default_rng(0)
    # Some logits are exactly those of a threshold.
    logits = rng.normal(size=(50, 3)).astype(np.float32)
    logits[:10] = np.log([1 / 3, 1, 3]).astype(np.float32)
    targets = np.ones((50, 3), np.uint8)
    objective = decided()
    metrics = objective.measure([{"target": targets, "logits": logits}])
    assert metrics["thresholds_of"] == "the run"
    predicted = objective.outputs(logits)["predicted"].numpy()
    found = [x["predicted"] for x in metrics["per_label"].values()]
    assert found == predicted.sum(axis=0).tolist()
    assert 10 <= min(found) and max(found) < 50


def test_thresholds_of_another_form_are_refused():
    for decisions in (
        {},
        {"thresholds": {"ant": 0.5}},
        {"thresholds": dict.fromkeys(NAMES, 1.0)},
    ):
        with pytest.raises(ValueError) as caught:
            make().decided(decisions)
        assert str(caught.value) == (
            "not a threshold between 0 and 1 for each label."
        )
    assert make().decided(None).thresholds == [0.5] * 3
    with pytest.raises(ValueError):
        make().restored(["a", "a"])


def test_answers_that_rounding_can_change_are_in_doubt():
    """A logit can be wrong by 1e-5 of the largest of its row."""
    p = np.array([[0.25, 0.3, 0.1], [0.26, 0.6, 0.7], [0.1, 0.2, 0.1]])
    logits = np.log(p / (1 - p)).astype(np.float32)
    logits[0, 0] += 9e-6
    logits[1, 2] = np.log(3) + 1.2e-5
    logits[2] = [-50, -40, np.log(3) + 4e-4]
    assert decided().thresholds == [0.25, 0.5, 0.75]
    assert decided().is_in_doubt(logits).numpy().tolist() == [
        True,
        False,
        True,
    ]
    # The check of an export leaves out no NaN and no infinity.
    logits[0, 1], logits[2, 0] = np.nan, np.inf
    assert not decided().is_in_doubt(logits).numpy().any()


# Words.


def test_the_card_and_the_report_name_the_weakest_label():
    rng = np.random.default_rng(0)
    targets = (rng.random((40, 3)) < 0.4).astype(np.uint8)
    targets[:, 2] = 0
    logits = (rng.normal(size=(40, 3)) + 3 * targets).astype(np.float32)
    logits[:, 1] *= -1
    objective = make()
    metrics = objective.measure([{"target": targets, "logits": logits}])
    assert metrics["per_label"]["cat"]["f1"] is None
    report = objective.text_report(metrics).splitlines()
    assert report[0].split() == [
        *("precision", "recall", "f1-score", "avg-prec", "threshold"),
        "support",
    ]
    assert report[4].split()[0] == "cat" and report[4].split()[1] == "-"
    assert report[-1] == (
        "The thresholds were chosen on these examples, so these numbers are "
        "better than those of other examples."
    )
    (header, (row,)), (_, rows) = objective.quality(metrics)
    assert dict(zip(header, row, strict=True))["LRAP"] == metrics["lrap"]
    assert [row[0] for row in rows] == NAMES
    lines = objective.limits("validation", metrics)
    assert "so its numbers are too good" in lines[2]
    assert lines[3].startswith("Weakest labels on the split validation: `bee`")
    assert lines[4] == (
        "Not measured, because the split validation has no example: `cat` "
        "(1 labels)."
    )
    assert objective.purpose("texts") == (
        "Finds which of 3 labels texts have: `ant`, `bee`, `cat`"
    )


def test_a_picture_holds_a_hundred_labels():
    rng = np.random.default_rng(0)
    names = [f"a rather long label {i}, 猫 $x$" for i in range(100)]
    objective = make(names)
    targets = (rng.random((200, 100)) < 0.2).astype(np.uint8)
    logits = (rng.normal(size=(200, 100)) + targets).astype(np.float32)
    metrics = objective.measure([{"target": targets, "logits": logits}])
    (image,) = objective.pictures(metrics).values()
    assert image.dtype == np.uint8 and image.shape[2] == 3
    # 19 pixels a label.
    assert 1900 < image.shape[0] < 2200 and image.shape[1] == 900
    assert set(objective.texts(metrics)) <= {"class_numbers"}


@pytest.mark.parametrize(
    "name, problem",
    [
        ("per_label/ant/f1", None),
        ("map", None),
        ("accuracy", "one of loss, micro_precision, "),
        (
            "per_label/Ant/f1",
            "per_label/NAME/METRIC with a label of the data. Received: "
            "'per_label/Ant/f1' (looks like 'ant', and is written 'Ant'). "
            "Choices: ant, bee, cat.",
        ),
    ],
)
def test_metrics_that_select_the_best_epoch(name, problem):
    found = make().metric_problem(name)
    assert found is None if problem is None else found.startswith(problem)


def test_metrics_that_no_model_can_have():
    why = make().why_undefined
    assert why("micro_f1", TARGETS * 0) is None
    assert why("macro_f1", TARGETS * 0) == "has no example with a label"
    assert why("per_label/cat/f1", TARGETS[1:]) == (
        "has no example with the label 'cat'"
    )
    assert make().is_better_low("hamming_loss")
    assert not make().is_better_low("map")


def problems(settings, **data):
    config = ExperimentConfig(task=MultiLabelConfig(**settings))
    if data:
        config.data = TextDataConfig(**data)
        config.model = tfmodels.BertClassifierConfig()
    return list(config.task.problems(config))


def test_settings_that_contradict_each_other_are_refused():
    texts = {"train": "a.csv"}
    assert problems({}) == problems({}, **texts) == []
    assert problems({"label_columns": ("a", "b")}, **texts) == []
    assert problems({"label_columns": ("a",)}) == [
        "`--config.task.label_columns` is for files of texts; for images, the "
        "source has a row of 0 and 1. Received: ('a',). Set "
        "--config.task.label_columns=."
    ]
    assert problems({"label_columns": ("a", "a")}, **texts) == [
        "`--config.task.label_columns` must name each column once. Received: "
        "('a', 'a')."
    ]
    assert problems({"label_columns": ("a",)}, label_column="x", **texts) == [
        "`--config.data.label_column` must not be given with "
        "--config.task.label_columns, which names all columns of labels. "
        "Received: 'x'."
    ]
    (problem,) = problems({"label_separator": ""})
    assert problem.startswith("`--config.task.label_separator` must be a text")
