"""Places of examples."""

import numpy as np
import pytest

from trainers.data import places as places_lib
from trainers.data.places import Places


def lines():
    return Places.numbered("a.csv, line ", [2, 3, 5])


def test_a_place_is_a_name_and_a_number():
    assert list(lines()) == ["a.csv, line 2", "a.csv, line 3", "a.csv, line 5"]
    assert list(Places.numbered("item ", range(2))) == ["item 0", "item 1"]


def test_a_place_can_be_a_name_alone():
    places = Places.named(["x.png", "2", "%d {} y"])
    assert list(places) == ["x.png", "2", "%d {} y"]


def test_parts_keep_their_places():
    parts = [lines(), Places.named(["b.txt"]), Places.numbered("c ", [7])]
    joined = places_lib.concatenate(parts)
    assert list(joined) == [*lines(), "b.txt", "c 7"]
    taken = joined.take(np.array([4, 0, 3]))
    assert list(taken) == ["c 7", "a.csv, line 2", "b.txt"]
    assert len(taken) == 3


def test_taken_places_keep_no_other_names():
    """The cache of each split has its own names alone."""
    taken = Places.named(["a", "b", "c"]).take(np.array([2, 2]))
    assert (taken.names, list(taken)) == (["c"], ["c", "c"])
    assert taken.name_of.dtype == taken.numbers.dtype == np.int32


def test_there_is_no_place_behind_the_last():
    with pytest.raises(IndexError):
        lines()[3]
