"""Rules for data: each is broken once, and the message is asserted."""

import logging

import numpy as np
import pytest

from trainers.data import checks
from trainers.data import examples as examples_lib
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.errors import DataError


def make_examples(labels=(0, 1), images=None):
    if images is None:
        images = np.zeros((len(labels), 2, 2), np.uint8)
    return Examples(
        {"image": np.asarray(images)},
        np.asarray(labels),
        Places.numbered("data.npz, row ", range(len(images))),
    )


def refusal(function, *args):
    """Returns the message of the `DataError` that the call must raise."""
    with pytest.raises(DataError) as caught:
        function(*args)
    assert type(caught.value) is DataError
    return str(caught.value)


# --- Lists of problems -------------------------------------------------------


def test_no_problems_raise_nothing():
    assert checks.raise_problems("problems", []) is None


def test_ten_problems_are_all_shown():
    message = refusal(checks.raise_problems, "odd things", list(range(10)))
    assert message == "10 odd things:" + "".join(
        f"\n  {number}" for number in range(10)
    )


def test_more_than_ten_problems_show_the_first_ten_and_the_number():
    message = refusal(
        checks.raise_problems, "odd things", range(1000), "row {}".format
    )
    assert message == (
        "1000 odd things:"
        + "".join(f"\n  row {number}" for number in range(10))
        + "\n  ... and 990 more"
    )


# --- Labels ------------------------------------------------------------------


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
    assert refusal(checks.check_labels, splits, None, None) == (
        "1 labels of split train that are not whole numbers from 0 and "
        f"below 100000:\n  data.npz, row 1: {shown}"
    )


def test_a_label_must_be_below_the_number_of_class_names():
    splits = {"test": make_examples([2, 1, 0])}
    message = refusal(checks.check_labels, splits, ["cat", "dog"], None)
    assert message == (
        "1 labels of split test that are not whole numbers from 0 and below "
        "2, the number of classes:\n  data.npz, row 0: 2"
    )


def test_many_bad_labels_show_ten_places_and_the_number():
    splits = {"train": make_examples([0, 1] * 5 + [-3] * 25)}
    lines = refusal(checks.check_labels, splits, None, None).splitlines()
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
    assert refusal(checks.check_labels, splits, None, None) == (
        "split train: labels must be whole numbers. Received: dtype "
        f"{kind}, data.npz, row 0: {labels[0]}"
    )


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int64, np.uint64, np.float16, np.float64, bool]
)
def test_whole_labels_of_any_type_become_int32(dtype):
    splits = {"train": make_examples(np.array([1, 0, 1], dtype))}
    assert checks.check_labels(splits, None, None) == ["0", "1"]
    labels = splits["train"].targets
    assert labels.dtype == np.int32
    assert labels.tolist() == [1, 0, 1]


def test_without_names_the_largest_label_of_all_splits_sets_the_number():
    splits = {
        "train": make_examples([0, 1, 2, 3]),
        "test": make_examples([3, 1]),
    }
    assert checks.check_labels(splits, None, None) == ["0", "1", "2", "3"]


def test_a_class_that_is_tested_but_never_trained_is_named():
    splits = {
        "train": make_examples([0, 2, 2]),
        "validation": make_examples([0, 1]),
        "test": make_examples([3, 1, 1]),
    }
    names = ["ant", "bee", "cat", "dog"]
    assert refusal(checks.check_training_classes, splits, names) == (
        "2 classes that are tested but have no example in split train:\n"
        "  class 'bee': {'validation': 1, 'test': 2}\n"
        "  class 'dog': {'validation': 0, 'test': 1}"
    )


def test_a_class_without_any_example_is_a_warning(caplog):
    splits = {"train": make_examples([0, 3]), "test": make_examples([3])}
    checks.check_training_classes(splits, ["0", "1", "2", "3"])
    assert caplog.record_tuples == [
        (
            "trainers.data.checks",
            logging.WARNING,
            "classes without any example: 1, 2",
        )
    ]


def test_the_warning_about_missing_classes_stays_short(caplog):
    splits = {"train": make_examples([0, 99_999])}
    names = checks.check_labels(splits, None, None)
    checks.check_training_classes(splits, names)
    assert caplog.messages == [
        "classes without any example: "
        "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 99988 more"
    ]


@pytest.mark.parametrize("count", [1, 5])
def test_one_class_is_too_few_to_train_on(count):
    splits = {"train": make_examples([1] * count)}
    names = ["cat", "dog"]
    assert refusal(checks.check_training_classes, splits, names) == (
        "split train: must contain at least two classes. Received: only 'dog', "
        f"{count} examples."
    )


def test_one_class_alone_can_be_tested():
    splits = {"test": make_examples([1])}
    names = ["cat", "dog"]
    assert checks.check_labels(splits, None, names) == names
    assert splits["test"].targets.tolist() == [1]


def test_labels_are_translated_to_the_order_of_the_model():
    splits = {"test": make_examples([0, 1, 2, 0])}
    model_names = ["owl", "ant", "cat", "dog"]
    got = checks.check_labels(splits, ["cat", "dog", "owl"], model_names)
    assert got == model_names
    assert splits["test"].targets.tolist() == [2, 3, 0, 2]
    assert splits["test"].targets.dtype == np.int32


def test_class_names_that_the_model_does_not_know_are_refused():
    splits = {"test": make_examples([0, 1])}
    message = refusal(
        checks.check_labels, splits, ["emu", "cat", "ant"], ["cat", "dog"]
    )
    assert message == (
        "classes that the model does not know: emu, ant. It knows: cat, dog."
    )


# --- Images ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (-1.0, "-1.0"),
        (256.0, "256.0"),
        (0.5, "0.5"),
        (np.nan, "nan"),
        (np.inf, "inf"),
    ],
    ids=["negative", "above 255", "fractional", "NaN", "infinite"],
)
def test_a_pixel_that_is_no_byte_is_named(value, shown):
    images = np.full((3, 2, 2), 100.0)
    images[1, 1, 0] = value
    examples = make_examples([0, 1, 0], images)
    assert refusal(checks.check_images, "train", examples, (2, 2)) == (
        "1 images of split train with pixels that are not whole numbers "
        f"from 0 to 255:\n  data.npz, row 1: {shown}"
    )


def test_pixels_of_a_wide_integer_type_are_checked_too():
    images = np.array([[[0, 255], [256, -7]]])
    examples = make_examples([0], images)
    assert refusal(checks.check_images, "test", examples, (2, 2)) == (
        "1 images of split test with pixels that are not whole numbers from "
        "0 to 255:\n  data.npz, row 0: 256"
    )


def test_many_bad_images_show_ten_places_and_the_number():
    examples = make_examples([0, 1] * 6, np.full((12, 2, 2), 300))
    lines = refusal(checks.check_images, "train", examples, (2, 2)).splitlines()
    assert lines[0].startswith("12 images of split train with pixels")
    assert lines[1:-1] == [f"  data.npz, row {row}: 300" for row in range(10)]
    assert lines[-1] == "  ... and 2 more"


def test_pixels_from_0_to_1_are_refused_with_the_way_out():
    images = np.linspace(0, 1, 8).reshape(2, 2, 2)
    examples = make_examples([0, 1], images)
    assert refusal(checks.check_images, "train", examples, (2, 2)) == (
        "split train: pixels must be from 0 to 255. Received: float64 from 0 "
        "to 1. Multiply them by 255 and round."
    )


@pytest.mark.parametrize("dtype", [bool, np.int64, np.float32])
def test_pixels_that_are_only_0_and_1_are_refused(dtype):
    images = np.array([[[0, 1], [1, 0]], [[1, 1], [0, 0]]], dtype)
    examples = make_examples([0, 1], images)
    message = refusal(checks.check_images, "train", examples, (2, 2))
    assert message == (
        "split train: pixels must be from 0 to 255. Received: "
        f"{np.dtype(dtype)} from 0 to 1. Multiply them by 255 and round."
    )


def test_class_names_that_are_not_utf8_are_refused():
    splits = {"train": make_examples([0, 1])}
    names = ["good", "bad\udcff"]
    assert refusal(checks.check_labels, splits, names, names) == (
        "1 class names that are not UTF-8, but the labels of an export must be:"
        "\n  'bad\\udcff'"
    )


def test_a_cut_of_sorted_data_is_refused():
    splits = {
        "train": make_examples([0] * 100 + [1] * 60),
        "validation": make_examples([1] * 20),
    }
    names = ["a", "b"]
    assert refusal(checks.check_cut, ["validation"], splits, names) == (
        "split validation: was cut from the end of `train` and has no example "
        "of class 'a', but the rest of `train` has 100. The data seems to be "
        "sorted by class: shuffle it, or name a split with "
        "--config.data.validation."
    )
    checks.check_cut([], splits, names)
    splits["train"] = make_examples([0] * 99 + [1] * 60)
    checks.check_cut(["validation"], splits, names)


@pytest.mark.parametrize(
    "images",
    [
        np.full((2, 2, 2), "a"),
        np.full((2, 2, 2), 1j),
        np.zeros((2, 2, 2), "M8[s]"),
    ],
    ids=["text", "complex", "date"],
)
def test_pixels_that_are_no_numbers_are_refused(images):
    examples = make_examples([0, 1], images)
    assert refusal(checks.check_images, "train", examples, (2, 2)) == (
        "split train: pixels must be numbers from 0 to 255. "
        f"Received: dtype {images.dtype}."
    )


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int16, np.int64, np.float16, np.float64]
)
def test_whole_pixels_of_any_type_become_uint8(dtype):
    images = np.array([[[0, 1], [128, 255]]], dtype)
    examples = make_examples([0], images)
    checks.check_images("train", examples, (2, 2))
    assert examples.features["image"].dtype == np.uint8
    assert examples.features["image"].tolist() == [[[0, 1], [128, 255]]]


def test_a_channel_axis_of_length_one_is_dropped_for_grey_models():
    images = np.arange(8, dtype=np.uint8).reshape(2, 2, 2, 1)
    examples = make_examples([0, 1], images)
    checks.check_images("train", examples, (2, 2))
    assert examples.features["image"].tolist() == images[..., 0].tolist()


SHAPES_ALLOWED = "Images are height,width if grey, height,width,3 if colour."


@pytest.mark.parametrize(
    ("model", "data", "received", "fix"),
    [
        ((2, 2), (3, 5), (3, 5), "Set --config.model.image_shape=3,5"),
        ((2, 2), (3, 5, 1), (3, 5), "Set --config.model.image_shape=3,5"),
        ((2, 2), (2, 2, 3), (2, 2, 3), "Set --config.model.image_shape=2,2,3"),
        ((2, 2, 3), (2, 2), (2, 2), "Set --config.model.image_shape=2,2"),
        ((2, 2, 3), (2, 2, 1), (2, 2, 1), "Set --config.model.image_shape=2,2"),
        ((2, 2, 3), (2, 2, 4), (2, 2, 4), SHAPES_ALLOWED),
        ((2, 2), (4,), (4,), SHAPES_ALLOWED),
        ((2, 2), (), (), SHAPES_ALLOWED),
        ((2, 2), (2, 2, 1, 1), (2, 2, 1, 1), SHAPES_ALLOWED),
    ],
)
def test_images_of_another_shape_are_refused_with_a_shape_that_works(
    model, data, received, fix
):
    examples = make_examples([0, 1], np.zeros((2, *data), np.uint8))
    assert refusal(checks.check_images, "train", examples, model) == (
        f"split train: images must have the model's shape {model}. "
        f"Received: {received}. {fix}"
    )


# --- Examples ----------------------------------------------------------------


def numbered(name, rows):
    images = np.asarray(rows, np.uint8)[:, None, None]
    return Examples(
        {"image": images}, np.asarray(rows), Places.numbered(f"{name} ", rows)
    )


def test_joined_examples_keep_their_order_and_places():
    parts = [numbered("a", [1, 2]), numbered("b", [3]), numbered("c", [4, 5])]
    joined = examples_lib.concatenate(parts)
    assert len(joined) == 5
    assert joined.features["image"][:, 0, 0].tolist() == [1, 2, 3, 4, 5]
    assert joined.targets.tolist() == [1, 2, 3, 4, 5]
    assert [joined.places[row] for row in range(5)] == [
        *("a 1", "a 2", "b 3", "c 4", "c 5")
    ]


# --- Labels in words ---------------------------------------------------------


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
    assert checks.name_labels({"train": examples}) == class_names
    assert examples.targets.dtype == np.int32
    assert [class_names[i] for i in examples.targets] == labels * 2


def test_names_of_labels_are_those_of_all_splits():
    splits = {"train": named("b", "c", "b"), "test": named("a", "c")}
    assert checks.name_labels(splits) == ["a", "b", "c"]
    assert splits["train"].targets.tolist() == [1, 2, 1]
    assert splits["test"].targets.tolist() == [0, 2]


def test_names_of_labels_have_the_order_of_the_model():
    examples = named("ham", "spam")
    names = ["spam", "eggs", "ham"]
    assert checks.name_labels({"test": examples}, names) == names
    assert examples.targets.tolist() == [2, 0]
    # However many they are, the model knows them.
    names = [str(number) for number in range(100)]
    assert checks.name_labels({"test": named("7")}, names) == names


def test_names_of_labels_that_the_model_does_not_know_are_refused():
    splits = {"test": named("ham", "eggs", "spam", "Ham")}
    assert refusal(checks.name_labels, splits, ["ham", "spam"]) == (
        "2 labels of split test that the model does not know (it knows ham, "
        "spam):\n  data.npz, row 1: 'eggs'\n  data.npz, row 3: 'Ham'"
    )
    names = [f"class {letter}" for letter in "abcdefghijk"]
    assert refusal(checks.name_labels, {"test": named("x")}, names) == (
        "1 labels of split test that the model does not know (it knows "
        f"{', '.join(names[:10])}, ...):\n  data.npz, row 0: 'x'"
    )


def test_a_column_of_other_things_than_labels_is_refused():
    many = [f"text {row:02}" for row in range(11)]
    splits = {"train": named(*many, *many[:8]), "test": named(many[0])}
    assert refusal(checks.name_labels, splits) == (
        "11 different labels in 20 examples, such as 'text 00': this is no "
        "column of labels. Name the right one with --config.data.label_column."
    )
    # Ten are few, and half of the rows may have a class of their own.
    for count, rows in ((10, 10), (11, 22), (20, 40)):
        names = [f"name {row:02}" for row in range(count)]
        examples = named(*(names * 2)[:rows])
        assert checks.name_labels({"train": examples}) == names
