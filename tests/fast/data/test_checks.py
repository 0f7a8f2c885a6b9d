"""Rules for data: each is broken once, and the message is asserted."""

import functools

import numpy as np
import pytest
import refusals

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


# The message of the `DataError` that a call must raise.
refusal = functools.partial(refusals.refusal, DataError)


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
