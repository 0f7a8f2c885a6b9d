"""Targets of an objective: what it can return, and what is refused."""

import numpy as np
import pytest

from trainers.data import report as report_lib
from trainers.data import targets as targets_lib
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.objectives.objective import Objective
from trainers.runtime.columns import Ragged


class Own(Objective):
    """Its targets of the split `train` are `found`."""

    def __init__(self, found):
        self.found = found

    def fitted(self, splits, source_names=None):
        return Own(source_names), self.found

    def state(self):
        return {}


def make(count=3):
    raw = np.array(["raw"] * count, object)
    return Examples({}, raw, Places.numbered("row ", range(count)))


@pytest.mark.parametrize(
    "targets",
    [
        None,
        np.zeros(3, np.int32),
        np.zeros((3, 2), np.float32),
        Ragged.from_lengths(np.arange(2), [0, 2, 0]),
    ],
    ids=["none", "numbers", "rows", "ragged"],
)
def test_examples_get_their_targets(targets):
    raw = {"train": make()}
    objective, splits = targets_lib.fit(
        Own({"train": targets}), raw, ["a", "b"]
    )
    assert splits["train"].targets is targets
    assert splits["train"].places is raw["train"].places
    assert objective.found == ["a", "b"]
    assert raw["train"].targets.tolist() == ["raw"] * 3


@pytest.mark.parametrize(
    "found, kind, message",
    [
        (
            {"test": None},
            ValueError,
            "must return targets for each split. Received none for 'train'.",
        ),
        (
            {"train": np.zeros(2)},
            ValueError,
            "must return a row for each of the 3 examples of 'train'. Received "
            "2 rows.",
        ),
        (
            {"train": np.zeros(())},
            ValueError,
            "must return a row for each of the 3 examples of 'train'. Received "
            "no rows.",
        ),
        (
            {"train": Ragged.from_lengths(np.arange(3), [1, 2])},
            ValueError,
            "must return a row for each of the 3 examples of 'train'. Received "
            "2 rows.",
        ),
        (
            {"train": Ragged.from_lengths(np.arange(9), [1, 2, 1])},
            ValueError,
            "returned 9 values for 'train', and `row_splits` for 4 values.",
        ),
        (
            {"train": [1, 2, 3]},
            TypeError,
            "must return arrays of numbers, `columns.Ragged` of them, or "
            "`None`. Received list for 'train'.",
        ),
        (
            {"train": np.array([1, 2, 3], object)},
            TypeError,
            "must return arrays of numbers, `columns.Ragged` of them, or "
            "`None`. Received object for 'train'.",
        ),
    ],
)
def test_targets_that_do_not_fit_are_refused(found, kind, message):
    with pytest.raises(kind) as caught:
        targets_lib.fit(Own(found), {"train": make()})
    assert str(caught.value) == f"`Own.fitted` {message}"


def test_a_report_without_targets_has_no_conflicts():
    _, splits = targets_lib.fit(Own({"train": None}), {"train": make()})
    report = report_lib.make_report(
        splits, Own(None), keys={"train": ["same", "same", "other"]}
    )
    assert report["conflicts"] == {"count": 0, "first": []}
    assert report["repeated"]["count"] == 1
    assert report["splits"] == {"train": {"examples": 3}}


def test_a_report_compares_rows_of_different_lengths():
    ids = Ragged.from_lengths(np.array([5, 5, 5, 6]), [1, 1, 2])
    _, splits = targets_lib.fit(Own({"train": ids}), {"train": make()})
    report = report_lib.make_report(
        splits, Own(None), keys={"train": ["same", "same", "same"]}
    )
    assert report["conflicts"]["first"] == [
        [
            {"place": "row 0", "label": "[5]"},
            {"place": "row 2", "label": "[5, 6]"},
        ]
    ]


def test_examples_without_targets_have_a_hash():
    pixels = np.zeros((2, 2), np.uint8)
    places = Places.numbered("row ", range(2))
    ragged = Ragged.from_lengths(np.arange(2), [0, 2])
    hashes = {
        Examples({"image": pixels}, targets, places).sha256()
        for targets in (None, np.arange(2), ragged)
    }
    assert len(hashes) == 3
