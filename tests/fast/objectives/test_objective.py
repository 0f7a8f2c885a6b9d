"""What an objective has that writes nothing but what it must."""

import math

import numpy as np
import pytest

from trainers.errors import ConfigError
from trainers.objectives import objective as objective_lib
from trainers.objectives.objective import Objective


class Kept(Objective):
    """Keeps any state."""

    metrics = ("loss", "error")

    def __init__(self, state):
        self._state = state

    def state(self):
        return self._state


@pytest.mark.parametrize(
    "state, expected",
    [
        (("a", "b"), ["a", "b"]),
        ({1: (2, None)}, {"1": [2, None]}),
        ([1, 2.5, True], [1, 2.5, True]),
        (None, None),
    ],
)
def test_a_state_is_what_json_gives_back(state, expected):
    assert objective_lib.json_state(Kept(state)) == expected


@pytest.mark.parametrize(
    "state, reason",
    [
        (np.float32(1), "Object of type float32 is not JSON serializable"),
        ({"a"}, "Object of type set is not JSON serializable"),
        (
            {(1, 2): 3},
            "keys must be str, int, float, bool or None, not tuple",
        ),
        (
            [math.nan],
            # Python 3.12 and later add the value.
            "Out of range float values are not JSON compliant",
        ),
    ],
    ids=["numpy", "set", "key", "nan"],
)
def test_a_state_that_json_cannot_contain_is_refused(state, reason):
    with pytest.raises(ConfigError) as error:
        objective_lib.json_state(Kept(state))
    start, _, received = str(error.value).partition(reason)
    assert start == (
        "`config.task`: `Kept.state` must return what JSON can contain: "
        "numbers, text, true, false, None, lists and dicts. "
    )
    assert received.endswith(f". Received: {state!r}.")


def test_the_metrics_are_names():
    objective = Kept(None)
    assert objective.metric_words() == "loss, error"
    assert objective.metric_problem("error") is None
    assert objective.metric_problem("f1") == (
        "one of loss, error. Received: 'f1'."
    )
    # A part of a name is no name.
    assert objective.metric_problem("loss, error") is not None
