"""Batches, steps and calls of the graph."""

import pytest

from trainers.config import ExperimentConfig
from trainers.errors import ConfigError
from trainers.training import steps


def plan(
    num_examples, batch_size, wanted=0, num_replicas=1, accumulation_steps=1
):
    config = ExperimentConfig()
    config.data.global_batch_size = batch_size
    config.optimizer.accumulation_steps = accumulation_steps
    config.trainer.steps_per_execution = wanted
    return steps.plan(config, num_examples, num_replicas)


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


def test_several_replicas_take_one_step_a_call():
    assert plan(64, 32, num_replicas=2).per_execution == 1
    with pytest.raises(ConfigError, match=r"Received: 2\. Choices: 0, 1\.$"):
        plan(64, 32, wanted=2, num_replicas=2)


def test_wanted_steps_must_divide_the_epoch():
    assert plan(10, 1, wanted=5).per_execution == 5
    with pytest.raises(ConfigError) as error:
        plan(10, 1, wanted=3)
    assert str(error.value) == (
        "`--config.trainer.steps_per_execution` must be a divisor of the 10 "
        "steps of an epoch, and 1 on several replicas. Received: 3. "
        "Choices: 0, 1, 2, 5, 10."
    )
