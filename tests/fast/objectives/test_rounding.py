"""Which answers can rounding change?"""

import numpy as np
import pytest

from trainers.objectives import rounding


@pytest.mark.parametrize(
    ("logits", "is_close"),
    [
        ([1.0, 1.0, 0.0], True),
        ([1.0, 1.0 - 1.5e-5, 0.0], True),
        ([1.0, 1.0 - 2.5e-5, 0.0], False),
        # Relative to the largest number, which need not be one of the two.
        ([50.0, 50.0 - 9e-4, 0.0], True),
        ([50.0, 50.0 - 11e-4, 0.0], False),
        ([0.0, -9e-4, -50.0], True),
        # A check must not leave these out.
        ([np.nan, 0.0, 0.0], False),
        ([np.inf, 0.0, -1.0], False),
    ],
)
def test_two_logits_are_close_within_twice_the_tolerance(logits, is_close):
    found = rounding.is_close(np.array([logits], np.float32))
    assert found.numpy().tolist() == [is_close]


def test_one_logit_is_never_in_doubt():
    found = rounding.is_close(np.zeros((2, 3, 1), np.float32))
    assert not found.numpy().any() and found.shape == (2, 3)
