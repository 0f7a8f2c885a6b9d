"""Pictures of results."""

import numpy as np
import pytest

from trainers.metrics import pictures

DARKEST = (8, 48, 107)  # The end of matplotlib's `Blues`: a share of 1.


def center_of(image, color):
    """Returns the mean `(row, column)` of the pixels of a color."""
    rows, columns = np.nonzero((image == color).all(axis=-1))
    return rows.mean(), columns.mean()


@pytest.mark.parametrize("num_classes, pixels", [(2, 390), (40, 2000)])
def test_a_matrix_is_a_picture_whose_size_grows_up_to_a_limit(
    num_classes, pixels
):
    matrix = np.random.default_rng(0).integers(
        0, 50, (num_classes, num_classes)
    )
    names = [f"class {i}" for i in range(num_classes)]
    image = pictures.confusion_matrix(matrix, names)
    assert image.shape == (pixels, pixels, 3)
    assert image.dtype == np.uint8
    assert image.min() < 50 and image.max() == 255


def test_rows_are_true_labels_and_columns_are_predictions():
    centers = {}
    for cell in [(0, 0), (0, 1), (1, 0)]:
        matrix = np.zeros((2, 2), int)
        matrix[cell] = 9
        centers[cell] = center_of(
            pictures.confusion_matrix(matrix, ["a", "b"]), DARKEST
        )
    origin, right, below = centers.values()
    assert right[0] == pytest.approx(origin[0], abs=3)
    assert right[1] > origin[1] + 100
    assert below[0] > origin[0] + 100
    assert below[1] == pytest.approx(origin[1], abs=3)


def test_a_cell_shows_its_share_of_the_row():
    few = pictures.confusion_matrix([[1, 0], [0, 1]], ["a", "b"])
    many = pictures.confusion_matrix([[9, 0], [0, 9]], ["a", "b"])
    assert (few == DARKEST).all(axis=-1).sum() > 1000
    assert center_of(few, DARKEST) == pytest.approx(
        center_of(many, DARKEST), abs=1
    )
    # The numbers in the cells differ.
    assert (few != many).any()


def test_a_class_without_examples_is_an_empty_row():
    image = pictures.confusion_matrix([[0, 0], [0, 0]], ["a", "b"])
    assert not (image == DARKEST).all(axis=-1).any()


@pytest.mark.parametrize(
    "names",
    [
        ["$\\foo$", "a $5 b $6"],
        ["a" * 300, "b"],
        ["", " "],
        ["only"],
    ],
    ids=["dollars", "long", "empty", "one"],
)
def test_any_names_can_be_drawn(names):
    image = pictures.confusion_matrix(np.eye(len(names), dtype=int), names)
    assert (image == DARKEST).all(axis=-1).sum() > 1000


def test_a_long_name_is_cut():
    def draw(name):
        return pictures.confusion_matrix([[1, 0], [0, 1]], [name, "b"])

    np.testing.assert_array_equal(draw("a" * 23 + "bb"), draw("a" * 23 + "…"))
    assert (draw("a" * 24) != draw("a" * 23 + "…")).any()


def test_some_of_many_classes_are_named():
    names = [f"class {i}" for i in range(250)]
    matrix = np.eye(250, dtype=int)
    image = pictures.confusion_matrix(matrix, names)
    assert image.shape == (2000, 2000, 3)
    # Of 250, each third has a name: 0, 3, 6, ...
    others = [name if i % 3 == 0 else "?" for i, name in enumerate(names)]
    np.testing.assert_array_equal(
        image, pictures.confusion_matrix(matrix, others)
    )
