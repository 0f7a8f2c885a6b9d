"""Resumed runs are bit-identical to uninterrupted runs."""

import functools
import math
import shutil

import keras
import numpy as np
import pytest
import tiny_runs
from tiny_runs import PER_EPOCH
from tiny_runs import STEPS

from trainers.errors import RunError
from trainers.training import state
from trainers.training.checkpointing import Position

SETTINGS = {
    "adam": {},
    "float16_averages": {
        "trainer__dtype_policy": "mixed_float16",
        "optimizer__ema_momentum": 0.75,
        "optimizer__name": "momentum",
        "optimizer__schedule": "cosine",
        "optimizer__warmup_steps": 3,
        "optimizer__global_clipnorm": 0.5,
        "optimizer__accumulation_steps": 2,
    },
    "plateau": {
        "optimizer__name": "sgd",
        "optimizer__plateau_patience": 1,
        "optimizer__learning_rate": 1.0,
        "trainer__steps_per_execution": 2,
    },
    "mirrored": {
        "trainer__strategy": "mirrored",
        "optimizer__ema_momentum": 0.75,
    },
    "all_steps_a_call": {"trainer__steps_per_execution": 0},
}


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """Returns a function from settings to an uninterrupted run. Read-only."""

    @functools.cache
    def run(name):
        workdir = tmp_path_factory.mktemp("whole") / name
        config = tiny_runs.make_config(**SETTINGS[name])
        return tiny_runs.live(config, workdir)

    return run


@pytest.mark.parametrize(
    "name, stops",
    [
        # Each step of an epoch, and the last of the run.
        ("adam", (1, 2, 4, 7, STEPS)),
        ("float16_averages", (1, 6)),
        ("plateau", (4, 6)),
        ("mirrored", (3,)),
        ("all_steps_a_call", (8,)),
    ],
    ids=SETTINGS,
)
def test_a_run_stopped_many_times_equals_an_uninterrupted_run(
    name, stops, whole_run, tmp_path
):
    whole = whole_run(name)
    assert whole.ended == "done" and whole.restored is None
    config = tiny_runs.make_config(**SETTINGS[name])
    before = None
    seen = []
    for step in stops:
        life = tiny_runs.live(config, tmp_path, stop_at=step)
        assert life.ended == "stopped"
        assert life.message == (
            f"Stopped by SIGTERM after step {step}; the same command resumes "
            "from there."
        )
        assert life.kept()[-1] == step
        epoch, batch = divmod(step - 1, PER_EPOCH)
        expected = whole.record.states[step]
        assert tiny_runs.differing(life.state(), expected) == []
        assert life.restored == before
        before = Position(epoch, batch + 1)
        seen += life.record.batches
    life = tiny_runs.live(config, tmp_path)
    assert life.restored == before
    tiny_runs.assert_same_end(life, whole)
    # With the running means of their whole epochs.
    assert seen + life.record.batches == whole.record.batches


def test_a_finished_run_has_nothing_left_to_do(whole_run, tmp_path):
    whole = whole_run("adam")
    assert [batch[:2] for batch in whole.record.batches] == [
        (epoch, batch) for epoch in range(3) for batch in range(PER_EPOCH)
    ]
    shutil.copytree(whole.paths.path, tmp_path, dirs_exist_ok=True)
    again = tiny_runs.live(tiny_runs.make_config(), tmp_path)
    assert again.restored == Position(3, 0, stopped=True)
    assert again.record.batches == []
    tiny_runs.assert_same_end(again, whole)


@pytest.mark.parametrize("kill_at", [1, 12])
def test_a_run_killed_after_any_step_equals_an_uninterrupted_run(
    kill_at, whole_run, tmp_path
):
    whole = whole_run("adam")
    config = tiny_runs.make_config(trainer__save_every_steps=3)
    life = tiny_runs.live(config, tmp_path, kill_at=kill_at)
    assert life.ended == "killed"
    # At 3, 6, 9 and the ends of epochs, 4 and 8; the last is under way.
    saved = max(s for s in (0, 3, 4, 6, 8, 9) if s < kill_at)
    again = tiny_runs.live(config, tmp_path)
    assert again.restored == Position(*divmod(saved, PER_EPOCH))
    steps = [PER_EPOCH * e + batch + 1 for e, batch, _ in again.record.batches]
    assert steps == list(range(saved + 1, STEPS + 1))
    for step in steps:
        assert not tiny_runs.differing(
            again.record.states[step], whole.record.states[step]
        ), step
    tiny_runs.assert_same_end(again, whole)


class Begins(keras.callbacks.Callback):
    """Remembers the numbers of the batches that begin and end."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(batch)

    def on_train_batch_end(self, batch, logs=None):
        assert self.seen[-1] == batch


def test_batches_begin_with_the_number_with_which_they_end(tmp_path):
    config = tiny_runs.make_config(trainer__epochs=1)
    tiny_runs.live(config, tmp_path, stop_at=2)
    begins = Begins()
    life = tiny_runs.live(config, tmp_path, further=[begins])
    assert life.ended == "done"
    assert begins.seen == [2, 3]


def test_a_run_stopped_in_a_validation_equals_an_uninterrupted_run(
    whole_run, tmp_path
):
    """Each validation has three batches; every second life ends an epoch."""
    whole = whole_run("float16_averages")
    config = tiny_runs.make_config(**SETTINGS["float16_averages"])
    for epoch in range(3):
        request = tiny_runs.InValidation(1 + 3 * (epoch > 0))
        life = tiny_runs.live(config, tmp_path, request=request)
        step = (epoch + 1) * PER_EPOCH
        assert life.restored == (Position(epoch - 1, 4) if epoch else None)
        assert life.ended == "stopped"
        assert life.message.startswith(f"Stopped by SIGINT after step {step};")
        expected = whole.record.states[step]
        assert tiny_runs.differing(life.state(), expected) == []
        # The validation was not finished, and so the epoch was not.
        epochs = life.history() if epoch else []
        assert epochs == whole.history()[:epoch]
    life = tiny_runs.live(config, tmp_path)
    assert life.restored == Position(2, 4)
    assert life.record.batches == []
    tiny_runs.assert_same_end(life, whole)


def test_a_request_in_the_last_batch_of_validation_keeps_its_result(
    whole_run, tmp_path
):
    class AfterValidation(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            request.signal_name = "SIGTERM"

    request = tiny_runs.StopRequest()
    config = tiny_runs.make_config()
    life = tiny_runs.live(
        config, tmp_path, request=request, further=[AfterValidation()]
    )
    assert life.ended == "stopped"
    assert len(life.history()) == 1
    life = tiny_runs.live(config, tmp_path)
    assert life.restored == Position(1, 0)
    tiny_runs.assert_same_end(life, whole_run("adam"))


def test_the_steps_of_a_call_change_no_bit(whole_run):
    whole = whole_run("all_steps_a_call")
    tiny_runs.assert_same_end(whole, whole_run("adam"))


def test_a_run_without_validation_resumes_too(tmp_path):
    config = tiny_runs.make_config()
    whole = tiny_runs.live(config, tmp_path / "whole", num_validation=0)
    life = tiny_runs.live(
        config, tmp_path / "run", stop_at=12, num_validation=0
    )
    assert life.ended == "stopped"
    life = tiny_runs.live(config, tmp_path / "run", num_validation=0)
    tiny_runs.assert_same_end(life, whole)
    assert life.best()[0] == 12


def test_a_run_that_stops_early_stops_there_after_an_interruption(tmp_path):
    config = tiny_runs.make_config(
        trainer__epochs=5,
        trainer__early_stopping_patience=1,
        # Nothing is better than the first epoch by so much.
        trainer__early_stopping_min_delta=100.0,
    )
    whole = tiny_runs.live(config, tmp_path / "whole")
    assert len(whole.history()) == 2
    assert whole.best()[0] == 4
    for stop_at in (6, 8):
        life = tiny_runs.live(config, tmp_path / "run", stop_at=stop_at)
        assert life.ended == "stopped"
    life = tiny_runs.live(config, tmp_path / "run")
    tiny_runs.assert_same_end(life, whole)
    again = tiny_runs.live(config, tmp_path / "run")
    assert again.restored == Position(2, 0, stopped=True)
    assert again.record.batches == []
    tiny_runs.assert_same_end(again, whole)


@pytest.mark.parametrize(
    "settings, saved",
    [
        ({"save_every_steps": 5}, [0, 4, 5, 8, 10, 12]),
        ({"save_every_seconds": 1e-9}, range(STEPS + 1)),
        ({}, [0, 4, 8, 12]),
        (
            {"save_every_steps": 2, "steps_per_execution": 0},
            [0, 2, 4, 6, 8, 10, 12],
        ),
        ({"save_every_steps": 3, "steps_per_execution": 2}, [0, 4, 6, 8, 10]),
    ],
    ids=str,
)
def test_checkpoints_are_at_these_steps(settings, saved, tmp_path):
    config = tiny_runs.make_config(
        trainer__keep_checkpoints=100,
        **{f"trainer__{name}": value for name, value in settings.items()},
    )
    life = tiny_runs.live(config, tmp_path)
    assert life.kept() == sorted({*saved, STEPS})


def test_checkpoints_are_at_the_same_steps_after_an_interruption(tmp_path):
    config = tiny_runs.make_config(
        trainer__keep_checkpoints=100,
        trainer__save_every_steps=3,
        trainer__steps_per_execution=0,
    )
    tiny_runs.live(config, tmp_path, stop_at=3)
    life = tiny_runs.live(config, tmp_path)
    assert life.restored.batch == 3
    assert life.kept() == [0, 3, 4, 6, 8, 9, 12]


def test_the_saving_may_change_on_the_way(whole_run, tmp_path):
    settings = [
        {"save_every_steps": 1},
        {"save_every_seconds": 1e-9, "keep_checkpoints": 5},
        {"save_every_steps": 3, "keep_checkpoints": 1},
    ]
    for stop_at, changed in zip((1, 6, None), settings, strict=True):
        config = tiny_runs.make_config(
            **{f"trainer__{name}": value for name, value in changed.items()}
        )
        life = tiny_runs.live(config, tmp_path, stop_at=stop_at)
    assert life.kept() == [12]
    tiny_runs.assert_same_end(life, whole_run("adam"))


def test_skipped_updates_do_not_shift_the_data(tmp_path):
    """With mixed_float16 a step whose gradients overflow updates nothing."""
    config = tiny_runs.make_config(
        trainer__dtype_policy="mixed_float16", optimizer__name="sgd"
    )
    config.model.dropout = 0.0

    class Overflow(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            # The first steps of an epoch overflow at so large a scale.
            if logs["first_batch"] == 0:
                self.model.optimizer.dynamic_scale.assign(2.0**40)

    def live(workdir, **kwargs):
        return tiny_runs.live(config, workdir, further=[Overflow()], **kwargs)

    whole = live(tmp_path / "whole")
    skipped = STEPS - int(whole.model.optimizer.iterations)
    assert 0 < skipped <= STEPS
    life = live(tmp_path / "run", stop_at=5)
    assert int(life.model.optimizer.iterations) < 5
    assert life.kept()[-1] == 5
    tiny_runs.assert_same_end(live(tmp_path / "run"), whole)


class Explode(keras.callbacks.Callback):
    def __init__(self, name, value):
        super().__init__()
        self._name = name
        self._value = value

    def on_train_batch_end(self, batch, logs=None):
        arrays = state.read(self.model)
        arrays[self._name] = np.full_like(arrays[self._name], self._value)
        state.write(self.model, arrays)


def test_a_slot_that_is_not_finite_is_never_saved(tmp_path):
    name = "optimizer/003/hidden_0_kernel_velocity"
    config = tiny_runs.make_config(trainer__save_every_steps=1)
    with pytest.raises(RunError) as error:
        tiny_runs.live(config, tmp_path, further=[Explode(name, math.inf)])
    assert str(error.value) == (
        "`hidden_0_kernel_velocity` has a value that is NaN or infinite at "
        "step 1; the "
        "checkpoint before was kept. Nothing was exported. Lower "
        "--config.optimizer.learning_rate, in a new --workdir."
    )
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == [
        "step-00000000"
    ]


# Negative controls: the comparison sees each part that would be forgotten.


def forget_seeds(checkpoint):
    for name, array in checkpoint.arrays.items():
        if "seed_generator" in name:
            checkpoint.arrays[name] = np.array([0, 42], array.dtype)


def forget_metrics(checkpoint):
    for name, array in checkpoint.arrays.items():
        if name.startswith("metrics/"):
            checkpoint.arrays[name] = np.zeros_like(array)


def forget_slots(checkpoint):
    for name, array in checkpoint.arrays.items():
        if name.endswith("velocity"):
            checkpoint.arrays[name] = np.zeros_like(array)


def forget_a_bit(checkpoint):
    kernel = checkpoint.arrays["model/003/logits/kernel"]
    kernel[0, 0] = np.nextafter(kernel[0, 0], np.float32(2))


def forget_the_step(checkpoint):
    """The data begins at another one."""


@pytest.fixture(scope="module")
def stopped_run(tmp_path_factory):
    """The work directory of a run that was stopped in mid-epoch. Read-only."""
    workdir = tmp_path_factory.mktemp("stopped")
    tiny_runs.live(tiny_runs.make_config(), workdir, stop_at=6)
    return workdir


@pytest.mark.parametrize(
    "change_fn, dataset_step, state_differs, history_differs",
    [
        (forget_seeds, None, True, True),
        (forget_the_step, lambda step: step + 1, True, True),
        (forget_metrics, None, False, True),
        (forget_slots, None, True, True),
        (forget_a_bit, None, True, None),
    ],
    ids=[
        "seeds",
        "data_shifted",
        "metrics",
        "slots",
        "last_bit",
    ],
)
def test_what_is_forgotten_is_seen(
    change_fn,
    dataset_step,
    state_differs,
    history_differs,
    whole_run,
    stopped_run,
    tmp_path,
):
    whole = whole_run("adam")
    shutil.copytree(stopped_run, tmp_path, dirs_exist_ok=True)
    life = tiny_runs.live(
        tiny_runs.make_config(),
        tmp_path,
        change_fn=change_fn,
        dataset_step=dataset_step,
    )
    assert life.ended == "done"
    differs = tiny_runs.differing(life.state(), whole.state())
    assert bool(differs) == state_differs
    if history_differs is not None:
        assert (life.history() != whole.history()) == history_differs
