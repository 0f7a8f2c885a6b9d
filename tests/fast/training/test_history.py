"""Numbers and times of epochs, also of a run that was interrupted."""

import json

import numpy as np
import pytest

from trainers.training import history
from trainers.training import input_wait
from trainers.training.input_wait import InputWait


def through_json(state):
    return json.loads(json.dumps(state))


def make_logs(epoch):
    # As Keras and NumPy give them; the first is no short decimal.
    return {"loss": np.float32(0.1) * epoch, "accuracy": 1 / 3, "seconds": 2}


def run_epochs(first, end, before=None):
    """Returns a `History` after epochs, and all that it has written."""
    written = []
    callback = history.History(
        lambda epochs: written.append(json.dumps(epochs)), 4
    )
    if before is not None:
        callback.set_state(through_json(before))
    for epoch in range(first, end):
        callback.on_epoch_end(epoch, make_logs(epoch))
    return callback, written


def test_history_has_a_dict_an_epoch():
    callback, written = run_epochs(0, 2)
    assert callback.epochs == [
        {"epoch": 1, "step": 4, "loss": 0.0, "accuracy": 1 / 3, "seconds": 2.0},
        {
            "epoch": 2,
            "step": 8,
            "loss": float(np.float32(0.1)),
            "accuracy": 1 / 3,
            "seconds": 2.0,
        },
    ]
    assert [len(json.loads(text)) for text in written] == [1, 2]
    assert callback.last() == callback.epochs[1]


def test_history_is_empty_before_the_first_end():
    callback, written = run_epochs(0, 0)
    assert callback.last() == {} and callback.get_state() == []
    assert written == []


@pytest.mark.parametrize("interrupted", range(5))
def test_history_is_the_same_after_an_interruption(interrupted):
    whole, written = run_epochs(0, 4)
    first, _ = run_epochs(0, interrupted)
    second, again = run_epochs(interrupted, 4, first.get_state())
    assert second.epochs == whole.epochs
    assert again[-1] == written[-1]
    # The file may have been ahead of the checkpoint.
    assert json.loads(again[0]) == whole.epochs[:interrupted]


def test_the_state_of_a_history_does_not_change_with_it():
    callback, _ = run_epochs(0, 1)
    state = callback.get_state()
    callback.on_epoch_end(1, make_logs(1))
    assert len(state) == 1
    callback.set_state(state)
    callback.on_epoch_end(1, make_logs(1))
    assert len(state) == 1


class Clock:
    """Seconds that a test decides."""

    now = 0.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(history, "time", clock)
    monkeypatch.setattr(input_wait, "time", clock)
    return clock


def test_times_of_an_uninterrupted_run(clock):
    wait = InputWait()
    timer = history.EpochTimer(100, wait)
    timer.on_train_begin()
    clock.now = 1.0
    for seconds in (2.0, 8.0):
        timer.on_epoch_begin(0)
        clock.now += seconds
        wait.add(0.25, num_steps=2)
        logs = {}
        timer.on_epoch_end(0, logs)
        assert logs == {
            "seconds": seconds,
            "examples_per_second": 100 / seconds,
            "input_wait_share": 0.5 / seconds,
        }
        clock.now += 16.0
    assert timer.summary() == {
        "epochs": 2,
        "seconds": 1 + 2 + 16 + 8 + 16,
        "epoch_seconds": [2.0, 8.0],
        "examples_per_second": 20.0,
    }


def test_times_go_on_after_an_interruption(clock):
    timer = history.EpochTimer(100, InputWait())
    timer.on_train_begin()
    timer.on_epoch_begin(0)
    clock.now = 4.0
    timer.on_epoch_end(0, {})
    clock.now = 5.0
    timer.on_epoch_begin(1)
    clock.now = 8.0
    state = through_json(timer.get_state())
    assert state == {"run": 8.0, "epoch": 3.0, "epochs": [4.0]}
    clock.now = 9.0  # Lost with the process.

    clock.now = 1000.0
    again = history.EpochTimer(100, InputWait())
    again.set_state(state)
    assert again.get_state() == state
    clock.now = 1001.0  # Work before the first step.
    again.on_train_begin()
    clock.now = 1002.0
    again.on_epoch_begin(1)
    clock.now = 1004.0
    logs = {}
    again.on_epoch_end(1, logs)
    assert logs == {
        "seconds": 5.0,
        "examples_per_second": 20.0,
        "input_wait_share": 0.0,
    }
    assert again.summary() == {
        "epochs": 2,
        "seconds": 11.0,
        "epoch_seconds": [4.0, 5.0],
        "examples_per_second": 200 / 9,
    }


def test_between_epochs_no_time_of_training_passes(clock):
    timer = history.EpochTimer(100, InputWait())
    timer.on_train_begin()
    timer.on_epoch_begin(0)
    clock.now = 4.0
    timer.on_epoch_end(0, {})
    clock.now = 100.0
    assert timer.get_state() == {"run": 100.0, "epoch": 0.0, "epochs": [4.0]}


def test_the_state_of_a_timer_does_not_change_with_it():
    timer = history.EpochTimer(1, InputWait())
    timer.on_train_begin()
    timer.on_epoch_begin(0)
    state = timer.get_state()
    timer.on_epoch_end(0, {})
    assert state["epochs"] == []


def test_numbers_are_floats():
    logs = {"a": np.float32(0.5), "b": 2, "c": np.float64(1e300)}
    assert (
        json.dumps(history.numbers(logs)) == '{"a": 0.5, "b": 2.0, "c": 1e+300}'
    )
