"""Lists of problems in the message of an error."""

import pytest

from trainers.errors import DataError
from trainers.errors import raise_problems


def refusal(*args):
    with pytest.raises(DataError) as caught:
        raise_problems(*args)
    return str(caught.value)


def test_no_problems_raise_nothing():
    assert raise_problems("problems", []) is None


def test_ten_problems_are_all_shown():
    message = refusal("odd things", list(range(10)))
    assert message == "10 odd things:" + "".join(
        f"\n  {number}" for number in range(10)
    )


def test_more_than_ten_problems_show_the_first_ten_and_the_number():
    message = refusal("odd things", range(1000), "row {}".format)
    assert message == (
        "1000 odd things:"
        + "".join(f"\n  row {number}" for number in range(10))
        + "\n  ... and 990 more"
    )
