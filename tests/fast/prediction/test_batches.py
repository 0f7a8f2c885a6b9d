"""How many rows of a file or a split `predict` sends at once."""

import numpy as np
import pytest

from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.evaluation import batch_size
from trainers.objectives.objective import Objective
from trainers.prediction import rows
from trainers.tasks import Task
from trainers.tasks.inputs.inputs import Inputs


class Numbers(Inputs):
    """150 numbers, in a split and in each file."""

    accelerator_batch_size = 100

    def __init__(self):
        pass

    def load_raw(self, data, split, objective, run_data=None):
        places = Places.numbered("row ", range(150))
        return Examples({"x": np.arange(150.0)}, None, places)

    def request_of(self, features):
        return "serving_default", {"x": features["x"]}

    @classmethod
    def read_rows(cls, file, data):
        for row in range(150):
            yield {"row": row}, {"x": float(row)}


class Own(Objective):
    num_outputs = 2


@pytest.fixture
def accelerated(monkeypatch):
    monkeypatch.setattr(batch_size, "is_accelerated", lambda _=None: True)


def sizes(**asked):
    """Returns the sizes of the requests, after a check of the answers."""
    found = []

    def double(signature, fed):
        (numbers,) = fed.values()
        found.append(len(numbers))
        return {"y": 2 * np.array(numbers)}

    asked = {"files": (), "split": None} | asked
    answers = rows._predict_here(
        double,
        Task(Numbers(), Own()),
        None,
        None,
        scores=False,
        encoding=None,
        **asked,
    )
    assert [answer["y"] for answer in answers] == list(range(0, 300, 2))
    return found


@pytest.mark.parametrize("asked", [{"files": ["f"]}, {"split": "test"}])
def test_a_cpu_gets_64_rows(asked):
    assert sizes(**asked) == [64, 64, 22]


@pytest.mark.parametrize("asked", [{"files": ["f"]}, {"split": "test"}])
def test_a_gpu_gets_what_the_inputs_say(asked, accelerated):
    assert sizes(**asked) == [100, 50]


def test_a_line_of_stdin_is_answered_at_once(accelerated):
    assert sizes(files=["-"]) == [1] * 150
