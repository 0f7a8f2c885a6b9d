"""Batches, steps and calls of the graph."""

import pytest

from trainers.config.experiment import ExperimentConfig
from trainers.errors import ConfigError
from trainers.training import steps


def plan(
    num_examples,
    batch_size,
    wanted=0,
    num_replicas=1,
    accumulation_steps=1,
    save_every_steps=0,
    first_batch=0,
):
    config = ExperimentConfig()
    config.data.global_batch_size = batch_size
    config.optimizer.accumulation_steps = accumulation_steps
    config.trainer.steps_per_execution = wanted
    config.trainer.save_every_steps = save_every_steps
    return steps.plan(config, num_examples, num_replicas, first_batch)


@pytest.mark.parametrize(
    "num_steps, expected",
    [(1, 1), (16, 16), (250, 50), (1875, 25), (251, 1), (64, 64), (128, 64)],
)
def test_one_call_makes_the_largest_divisor_up_to_64(num_steps, expected):
    assert plan(num_steps * 8, 8) == steps.Steps(8, num_steps, expected)


def test_last_batch_may_be_short():
    assert plan(500, 32) == steps.Steps(32, 16, 16)


def test_batch_is_cut_to_the_data():
    assert plan(500, 10_000_000) == steps.Steps(500, 1, 1)
    assert plan(5, 32, num_replicas=2) == steps.Steps(6, 1, 1)
    assert plan(1, 1) == steps.Steps(1, 1, 1)


def test_batch_has_to_divide_among_the_replicas():
    assert plan(64, 32, num_replicas=2).batch_size == 32
    with pytest.raises(ConfigError) as error:
        plan(64, 33, num_replicas=2)
    assert str(error.value) == (
        "`--config.data.global_batch_size` must be a multiple of the 2 "
        "replicas. Received: 33. Choices: 32, 34."
    )
    with pytest.raises(ConfigError, match=r"Received: 1\. Choices: 2\.$"):
        plan(64, 1, num_replicas=2)


def test_batch_has_to_divide_among_the_parts_that_replicas_accumulate():
    assert plan(64, 32, accumulation_steps=8) == steps.Steps(32, 2, 2)
    assert plan(64, 32, num_replicas=2, accumulation_steps=4).batch_size == 32
    with pytest.raises(ConfigError) as error:
        plan(64, 34, num_replicas=2, accumulation_steps=4)
    assert str(error.value) == (
        "`--config.data.global_batch_size` must be a multiple of the 2 "
        "replicas, times the 4 parts of --config.optimizer.accumulation_steps. "
        "Received: 34. Choices: 32, 40."
    )
    with pytest.raises(ConfigError, match=r"Received: 3\. Choices: 4\.$"):
        plan(64, 3, accumulation_steps=4)


def test_batch_is_cut_to_a_multiple_of_the_parts():
    assert plan(5, 32, accumulation_steps=4) == steps.Steps(8, 1, 1)
    assert plan(9, 32, num_replicas=2, accumulation_steps=4) == steps.Steps(
        16, 1, 1
    )


def test_several_replicas_take_several_steps_a_call_too():
    assert plan(64, 16, num_replicas=2).per_execution == 4
    assert plan(64, 16, wanted=2, num_replicas=2).per_execution == 2


def test_wanted_steps_must_divide_the_epoch():
    assert plan(10, 1, wanted=5).per_execution == 5
    with pytest.raises(ConfigError) as error:
        plan(10, 1, wanted=3)
    assert str(error.value) == (
        "`--config.trainer.steps_per_execution` must be a divisor of the 10 "
        "steps of an epoch. Received: 3. "
        "Choices: 0, 1, 2, 5, 10."
    )


@pytest.mark.parametrize(
    "per_epoch, save_every_steps, first_batch, expected",
    [
        # Checkpoints alone.
        (16, 0, 0, 16),
        (16, 4, 0, 4),
        (16, 6, 0, 2),
        (16, 7, 0, 1),
        (16, 16, 0, 16),
        (16, 32, 0, 16),
        (16, 1_000_000, 0, 16),
        (100, 10, 0, 10),
        (1875, 1000, 0, 25),
        (1875, 600, 0, 25),
        (1875, 512, 0, 1),
        (128, 128, 0, 64),
        # The place of an interruption alone.
        (16, 0, 4, 4),
        (16, 0, 3, 1),
        (16, 0, 12, 4),
        (16, 0, 16, 16),
        (1875, 0, 1850, 25),
        # Both.
        (16, 8, 4, 4),
        (16, 4, 6, 2),
        (16, 3, 8, 1),
    ],
)
def test_calls_end_where_checkpoints_are_and_were(
    per_epoch, save_every_steps, first_batch, expected
):
    planned = plan(
        per_epoch * 8,
        8,
        save_every_steps=save_every_steps,
        first_batch=first_batch,
    )
    assert planned == steps.Steps(8, per_epoch, expected)
    # A call reaches into no other epoch, and over no checkpoint.
    for stop in (per_epoch, save_every_steps, first_batch):
        assert stop % planned.per_execution == 0


def test_wanted_steps_do_not_depend_on_checkpoints():
    planned = plan(10, 1, wanted=5, save_every_steps=3)
    assert planned == steps.Steps(1, 10, 5)
    planned = plan(10, 1, wanted=5, save_every_steps=5, first_batch=5)
    assert planned == steps.Steps(1, 10, 5)


def test_several_replicas_stop_where_one_does():
    planned = plan(64, 8, num_replicas=2, save_every_steps=4, first_batch=6)
    assert planned == steps.Steps(8, 8, 2)
