"""Pictures of results."""

import numpy as np
import pytest
import scores

from trainers.metrics import pictures

DARKEST = (8, 48, 107)  # The end of matplotlib's `Blues`: a share of 1.


def draw(matrix, names):
    """Returns the picture of a matrix of counts."""
    cells = scores.named_cells(np.asarray(matrix), names)
    return pictures.confusion_matrix(cells, names)


def center_of(image, color):
    """Returns the mean `(row, column)` of the pixels of a color."""
    rows, columns = np.nonzero((image == color).all(axis=-1))
    return rows.mean(), columns.mean()


def test_a_matrix_is_a_picture():
    image = draw([[40, 2], [17, 31]], ["class 0", "class 1"])
    assert image.shape == (390, 390, 3)
    assert image.dtype == np.uint8
    assert image.min() < 50 and image.max() == 255


def test_rows_are_true_labels_and_columns_are_predictions():
    centers = {}
    for cell in [(0, 0), (0, 1), (1, 0)]:
        matrix = np.zeros((2, 2), int)
        matrix[cell] = 9
        centers[cell] = center_of(draw(matrix, ["a", "b"]), DARKEST)
    origin, right, below = centers.values()
    assert right[0] == pytest.approx(origin[0], abs=3)
    assert right[1] > origin[1] + 100
    assert below[0] > origin[0] + 100
    assert below[1] == pytest.approx(origin[1], abs=3)


def test_a_cell_shows_its_share_of_the_row():
    few = draw([[1, 0], [0, 1]], ["a", "b"])
    many = draw([[9, 0], [0, 9]], ["a", "b"])
    assert (few == DARKEST).all(axis=-1).sum() > 1000
    assert center_of(few, DARKEST) == pytest.approx(
        center_of(many, DARKEST), abs=1
    )
    # The numbers in the cells differ.
    assert (few != many).any()


def test_a_class_without_examples_is_an_empty_row():
    image = draw([[0, 0], [0, 0]], ["a", "b"])
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
    image = draw(np.eye(len(names), dtype=int), names)
    assert (image == DARKEST).all(axis=-1).sum() > 1000


def test_a_long_name_is_cut():
    def of(name):
        return draw([[1, 0], [0, 1]], [name, "b"])

    np.testing.assert_array_equal(of("a" * 23 + "bb"), of("a" * 23 + "…"))
    assert (of("a" * 24) != of("a" * 23 + "…")).any()


def test_some_of_many_classes_are_named():
    names = [f"class {i}" for i in range(250)]
    matrix = np.eye(250, dtype=int)
    image = draw(matrix, names)
    # The size grows with the classes up to this limit.
    assert image.shape == (2000, 2000, 3)
    # Of 250, each third has a name: 0, 3, 6, ...
    others = [x if i % 3 == 0 else f"? {i}" for i, x in enumerate(names)]
    np.testing.assert_array_equal(image, draw(matrix, others))


def test_a_picture_of_many_classes_has_those_with_the_most_mistakes():
    # Class i has 2 examples; of the classes 1_000 to 1_009, one is answered
    # with the next class.
    names = [f"class {i}" for i in range(2_000)]
    cells = {name: {name: 2} for name in names}
    for i in range(1_000, 1_010):
        cells[names[i]] = {names[i]: 1, names[i + 1]: 1}
    image = pictures.confusion_matrix(cells, names)
    assert image.shape == (1650, 1650, 3)
    # Of 30 classes. Names of all others do not matter, nor do their counts.
    mistaken = {*names[1_000:1_011], *names[:19]}
    others = [x if x in mistaken else f"other {x}" for x in names]
    same = {
        new: {others[names.index(k)]: n for k, n in cells[old].items()}
        for old, new in zip(names, others, strict=True)
    }
    same[others[1_500]] = {others[1_500]: 9}
    np.testing.assert_array_equal(
        image, pictures.confusion_matrix(same, others)
    )
