"""When do two answers agree?"""

import numpy as np
import pytest

from trainers.objectives.rounding import IN_DOUBT
from trainers.serving.proof import agreement

FED = {"x": np.zeros((2, 1), np.float32)}


def problems(got, expected):
    return agreement.problems_of(
        lambda name, fed: got, [("serving_default", FED, expected)]
    )


def ranking(classes, scores):
    return {
        "classes": np.array(classes, object),
        "scores": np.array(scores, np.float32),
    }


@pytest.mark.parametrize(
    "logit, error, differs",
    [
        (0.5, 0.9e-5, False),
        (0.5, 1.1e-5, True),
        (50.0, 40e-5, False),
        (50.0, 60e-5, True),
        (np.nan, 0.0, True),
        (np.inf, 0.0, True),
        (-np.inf, 99.0, True),
    ],
)
def test_numbers_agree_to_five_digits_of_the_largest(logit, error, differs):
    expected = {"logits": np.array([[logit, 0.25]], np.float64)}
    got = {"logits": expected["logits"] + [[0.0, error]]}
    assert bool(problems(got, expected)) is differs


def test_infinity_excuses_no_other_number_and_no_other_row():
    expected = {"logits": np.array([[np.inf, 1.0]])}
    assert problems({"logits": np.array([[0.0, 99.0]])}, expected)
    expected = {"logits": np.array([[1e6, 1.0], [0.0, 1.0]])}
    got = {"logits": np.array([[1e6, 1.0], [0.0, 1.1]])}
    assert problems(got, expected)


def test_no_rows_agree():
    nothing = {"logits": np.zeros((0, 3), np.float32)}
    assert problems(nothing, nothing) == []


def test_classes_of_nearly_equal_scores_may_change_places():
    expected = ranking(
        [[b"a", b"b", b"c"], [b"c", b"b", b"a"]],
        [[0.5, 0.4999999, 0.0], [0.6, 0.3, 0.1]],
    )
    other = ranking(
        [[b"b", b"a", b"c"], [b"c", b"b", b"a"]],
        [[0.5, 0.4999999, 0.0], [0.6, 0.3, 0.1]],
    )
    assert problems(other, expected) == []
    assert problems(expected, expected) == []


def test_other_orders_of_classes_are_found():
    expected = ranking([[b"a", b"b"], [b"a", b"b"]], [[0.6, 0.4], [0.75, 0.25]])
    start = "signature `serving_default` at batch 2: "
    # The second row has the scores of other classes.
    swapped = ranking([[b"a", b"b"], [b"b", b"a"]], [[0.6, 0.4], [0.75, 0.25]])
    assert problems(swapped, expected) == [
        f"{start}`scores` differs by 0.5 from the model in memory"
    ]
    # The right scores, but not the best first.
    unsorted = ranking([[b"a", b"b"], [b"b", b"a"]], [[0.6, 0.4], [0.25, 0.75]])
    found = problems(unsorted, expected)
    assert found[0] == f"{start}`classes` differs from the model in memory"
    named = ranking([[b"a", b"b"], [b"a", b"x"]], [[0.6, 0.4], [0.75, 0.25]])
    assert problems(named, expected) == [
        f"{start}`classes` differs from the model in memory"
    ]


def test_rankings_of_other_shapes_and_without_a_number_differ():
    expected = ranking([[b"a", b"b"], [b"a", b"b"]], [[0.6, 0.4], [0.75, 0.25]])
    start = "signature `serving_default` at batch 2: "
    shorter = ranking([[b"a"], [b"a"]], [[0.6], [0.75]])
    assert problems(shorter, expected) == [
        f"{start}`{key}` has the shape (2, 1), not (2, 2)"
        for key in ("classes", "scores")
    ]
    nothing = expected | {"scores": np.full((2, 2), np.nan, np.float32)}
    assert problems(nothing, expected) == [
        f"{start}`scores` differs by nan from the model in memory"
    ]
    assert problems(nothing, nothing) == [
        f"{start}`scores` differs by nan from the model in memory"
    ]


def test_rows_in_doubt_are_not_compared():
    """Their best classes are almost equal, so that either is right."""
    got = {"label": np.array([b"a", b"x"], object), "logits": np.zeros((2, 2))}
    expected = got | {"label": np.array([b"a", b"b"], object)}
    start = "signature `serving_default` at batch 2: "
    differs = [f"{start}`label` differs from the model in memory"]
    for in_doubt, found in (
        ([False, False], differs),
        ([True, False], differs),
        ([False, True], []),
        # A check of no row would prove nothing.
        ([True, True], differs),
    ):
        doubt = {IN_DOUBT: np.array(in_doubt)}
        assert problems(got, expected | doubt) == found
    # Rows in doubt do not hide the shape of others.
    narrow = got | {"logits": np.zeros((2, 1))}
    doubt = {IN_DOUBT: np.array([False, True])}
    assert problems(narrow, expected | doubt) == [
        f"{start}`logits` has the shape (2, 1), not (2, 2)"
    ]
