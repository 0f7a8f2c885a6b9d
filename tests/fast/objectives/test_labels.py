"""Labels: each rule is broken once, and the message is asserted."""

import functools

import numpy as np
import pytest
import refusals

from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.errors import DataError
from trainers.objectives import labels as labels_lib


def make_examples(labels=(0, 1)):
    return Examples(
        {},
        np.asarray(labels),
        Places.numbered("data.npz, row ", range(len(labels))),
    )


# The message of the `DataError` that a call must raise.
refusal = functools.partial(refusals.refusal, DataError)


# --- Numbers -----------------------------------------------------------------


def test_several_numbers_for_an_example_are_refused():
    splits = {"train": make_examples([[0, 1], [1, 1]])}
    assert refusal(labels_lib.from_numbers, splits, None, None) == (
        "split train: labels must be one number for each example. Received: "
        "data.npz, row 0: [0 1]. For any number of labels, set "
        "--config.task.objective=multi_label."
    )


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        ([0, -1, 1], "-1"),
        ([0, 0.5, 1], "0.5"),
        ([0, np.nan, 1], "nan"),
        ([0, np.inf, 1], "inf"),
        ([0, 100_000, 1], "100000"),
        (np.array([0, 2**64 - 1, 1], np.uint64), "18446744073709551615"),
    ],
    ids=["negative", "fractional", "NaN", "infinite", "too large", "wrapped"],
)
def test_a_label_that_is_no_class_number_is_named(labels, shown):
    splits = {"train": make_examples(labels)}
    assert refusal(labels_lib.from_numbers, splits, None, None) == (
        "1 labels of split train that are not whole numbers from 0 and "
        f"below 100000:\n  data.npz, row 1: {shown}"
    )


def test_a_label_must_be_below_the_number_of_class_names():
    splits = {"test": make_examples([2, 1, 0])}
    message = refusal(labels_lib.from_numbers, splits, ["cat", "dog"], None)
    assert message == (
        "1 labels of split test that are not whole numbers from 0 and below "
        "2, the number of classes:\n  data.npz, row 0: 2"
    )


def test_many_bad_labels_show_ten_places_and_the_number():
    splits = {"train": make_examples([0, 1] * 5 + [-3] * 25)}
    lines = refusal(labels_lib.from_numbers, splits, None, None).splitlines()
    assert lines[0].startswith("25 labels of split train that are not whole")
    assert lines[1:-1] == [
        f"  data.npz, row {row}: -3" for row in range(10, 20)
    ]
    assert lines[-1] == "  ... and 15 more"


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (np.array(["cat", "dog"]), "<U3"),
        (np.array([b"cat", b"dog"], object), "object"),
    ],
    ids=["text", "bytes"],
)
def test_labels_that_are_text_are_refused(labels, kind):
    splits = {"train": make_examples(labels)}
    assert refusal(labels_lib.from_numbers, splits, None, None) == (
        "split train: labels must be whole numbers. Received: dtype "
        f"{kind}, data.npz, row 0: {labels[0]}"
    )


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int64, np.uint64, np.float16, np.float64, bool]
)
def test_whole_labels_of_any_type_become_int32(dtype):
    splits = {"train": make_examples(np.array([1, 0, 1], dtype))}
    names, targets = labels_lib.from_numbers(splits, None, None)
    assert names == ["0", "1"]
    labels = targets["train"]
    # What was read stays as it is.
    assert splits["train"].targets.dtype == dtype
    assert labels.dtype == np.int32
    assert labels.tolist() == [1, 0, 1]


def test_without_names_the_largest_label_of_all_splits_sets_the_number():
    splits = {
        "train": make_examples([0, 1, 2, 3]),
        "test": make_examples([3, 1]),
    }
    names, targets = labels_lib.from_numbers(splits, None, None)
    assert names == ["0", "1", "2", "3"]
    assert list(targets) == ["train", "test"]


def test_a_class_that_is_tested_but_never_trained_is_named():
    splits = {
        "train": make_examples([0, 2, 2]),
        "validation": make_examples([0, 1]),
        "test": make_examples([3, 1, 1]),
    }
    names = ["ant", "bee", "cat", "dog"]
    assert refusal(labels_lib.check_training_classes, splits, names) == (
        "2 classes that are tested but have no example in split train:\n"
        "  class 'bee': {'validation': 1, 'test': 2}\n"
        "  class 'dog': {'validation': 0, 'test': 1}"
    )


def test_a_class_without_any_example_is_a_warning():
    splits = {"train": make_examples([0, 3]), "test": make_examples([3])}
    labels_lib.check_training_classes(splits, ["0", "1", "2", "3"])
    found = {"0": 1, "1": 0, "2": 0, "3": 1}
    assert list(labels_lib.without_examples("train", found, "classes")) == [
        "split train: no example of 2 of 4 classes: 1, 2."
    ]
    found = {"0": 1, "3": 1}
    assert list(labels_lib.without_examples("train", found, "classes")) == []


def test_the_warning_about_missing_classes_stays_short():
    splits = {"train": make_examples([0, 99_999])}
    names, _ = labels_lib.from_numbers(splits, None, None)
    labels_lib.check_training_classes(splits, names)
    found = {name: name in ("0", "99999") for name in names}
    assert list(labels_lib.without_examples("train", found, "classes")) == [
        "split train: no example of 99,998 of 100,000 classes: "
        "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 99,988 more."
    ]


@pytest.mark.parametrize("count", [1, 5])
def test_one_class_is_too_few_to_train_on(count):
    splits = {"train": make_examples([1] * count)}
    names = ["cat", "dog"]
    assert refusal(labels_lib.check_training_classes, splits, names) == (
        "split train: must contain at least two classes. Received: only 'dog', "
        f"{count} examples."
    )


def test_one_class_alone_can_be_tested():
    splits = {"test": make_examples([1])}
    names = ["cat", "dog"]
    found, targets = labels_lib.from_numbers(splits, None, names)
    assert found == names
    assert targets["test"].tolist() == [1]


def test_labels_are_translated_to_the_order_of_the_model():
    splits = {"test": make_examples([0, 1, 2, 0])}
    model_names = ["owl", "ant", "cat", "dog"]
    got, targets = labels_lib.from_numbers(
        splits, ["cat", "dog", "owl"], model_names
    )
    assert got == model_names
    assert targets["test"].tolist() == [2, 3, 0, 2]
    assert targets["test"].dtype == np.int32
    assert splits["test"].targets.tolist() == [0, 1, 2, 0]


def test_class_names_that_the_model_does_not_know_are_refused():
    splits = {"test": make_examples([0, 1])}
    message = refusal(
        labels_lib.from_numbers, splits, ["emu", "cat", "ant"], ["cat", "dog"]
    )
    assert message == (
        "classes that the model does not know: emu, ant. It knows: cat, dog."
    )


def test_class_names_that_are_not_utf8_are_refused():
    splits = {"train": make_examples([0, 1])}
    names = ["good", "bad\udcff"]
    assert refusal(labels_lib.from_numbers, splits, names, names) == (
        "1 class names that are not UTF-8, but the labels of an export must be:"
        "\n  'bad\\udcff'"
    )


def test_a_cut_of_sorted_data_is_refused():
    splits = {
        "train": make_examples([0] * 100 + [1] * 60),
        "validation": make_examples([1] * 20),
    }
    names = ["a", "b"]
    assert refusal(labels_lib.check_cut, ["validation"], splits, names) == (
        "split validation: was cut from the end of `train` and has no example "
        "of class 'a', but the rest of `train` has 100. The data seems to be "
        "sorted by class: shuffle it, or name another split with "
        "--config.data.validation, or `none`."
    )
    labels_lib.check_cut([], splits, names)
    splits["train"] = make_examples([0] * 99 + [1] * 60)
    labels_lib.check_cut(["validation"], splits, names)


# --- Words ---------------------------------------------------------


def named(*labels):
    return make_examples(np.array(labels, dtype=object))


@pytest.mark.parametrize(
    ("labels", "class_names"),
    [
        (["spam", "ham", "eggs"], ["eggs", "ham", "spam"]),
        (["b", "B", "a", "Z"], ["B", "Z", "a", "b"]),
        # Sorted by value if all are whole numbers, else as text.
        (["10", "9", "-1", "0"], ["-1", "0", "9", "10"]),
        (["10", "9", "a"], ["10", "9", "a"]),
        (["1.5", "10", "9", "x"], ["1.5", "10", "9", "x"]),
        (["1", "01"], ["01", "1"]),
    ],
)
def test_names_of_labels_are_sorted(labels, class_names):
    examples = named(*labels, *labels)
    names, targets = labels_lib.from_words({"train": examples})
    assert names == class_names
    assert targets["train"].dtype == np.int32
    assert [class_names[i] for i in targets["train"]] == labels * 2
    assert examples.targets.tolist() == labels * 2


def test_names_of_labels_are_those_of_all_splits():
    splits = {"train": named("b", "c", "b"), "test": named("a", "c")}
    names, targets = labels_lib.from_words(splits)
    assert names == ["a", "b", "c"]
    assert targets["train"].tolist() == [1, 2, 1]
    assert targets["test"].tolist() == [0, 2]


def test_names_of_labels_have_the_order_of_the_model():
    examples = named("ham", "spam")
    names = ["spam", "eggs", "ham"]
    found, targets = labels_lib.from_words({"test": examples}, names)
    assert found == names
    assert targets["test"].tolist() == [2, 0]
    # However many they are, the model knows them.
    names = [str(number) for number in range(100)]
    found, _ = labels_lib.from_words({"test": named("7")}, names)
    assert found == names


def test_names_of_labels_that_the_model_does_not_know_are_refused():
    splits = {"test": named("ham", "eggs", "spam", "Ham")}
    assert refusal(labels_lib.from_words, splits, ["ham", "spam"]) == (
        "2 labels of split test that the model does not know (it knows ham, "
        "spam):\n  data.npz, row 1: 'eggs'\n"
        "  data.npz, row 3: 'Ham' (looks like 'ham', and is written 'Ham')"
    )
    names = [f"class {letter}" for letter in "abcdefghijk"]
    assert refusal(labels_lib.from_words, {"test": named("x")}, names) == (
        "1 labels of split test that the model does not know (it knows "
        f"{', '.join(names[:10])}, ...):\n  data.npz, row 0: 'x'"
    )


def test_a_column_of_other_things_than_labels_is_refused():
    many = [f"text {row:02}" for row in range(11)]
    splits = {"train": named(*many, *many[:8]), "test": named(many[0])}
    assert refusal(labels_lib.from_words, splits) == (
        "11 different labels in 20 examples, such as 'text 00': these are no "
        "labels of classes, which need two examples each, or more. If another "
        "column has the labels, name it with --config.data.label_column."
    )
    # What learns from them is advised.
    for words, what, objective in (
        ([f"0.{row:02}" for row in range(11)], "numbers", "regression"),
        ([f"a;{row}" for row in range(11)], "lists of labels", "multi_label"),
    ):
        assert refusal(
            labels_lib.from_words, {"train": named(*words)}
        ).endswith(
            "name it with --config.data.label_column. To learn "
            f"{what}, set --config.task.objective={objective}."
        )
    # Ten are few, and half of the rows may have a class of their own.
    for count, rows in ((10, 10), (11, 22), (20, 40)):
        names = [f"name {row:02}" for row in range(count)]
        examples = named(*(names * 2)[:rows])
        assert labels_lib.from_words({"train": examples})[0] == names
