"""Computes how a split is divided into batches, steps and graph calls."""

import dataclasses
import math

from trainers.data import pipeline
from trainers.errors import ConfigError

# A call of the graph from Python costs about 0.5 ms, as much as a step of a
# small MLP. For 64 steps in one call, that is 2 %.
_MOST_PER_EXECUTION = 64


@dataclasses.dataclass(frozen=True)
class Steps:
    """The numbers of batches and steps of a run.

    Attributes:
        batch_size: int. Rows of a batch over all replicas.
        per_epoch: int. Number of batches that contain every example once.
        per_execution: int. Steps in one call of the graph.
        first_epoch: int. Epoch, from 0, with which the schedule of the learning
            rate and the patience begin. Above 0, the run extends another.

    >>> from trainers.config import ExperimentConfig
    >>> plan(ExperimentConfig(), num_examples=1_000, num_replicas=1)
    Steps(batch_size=32, per_epoch=32, per_execution=32, first_epoch=0)
    """

    batch_size: int
    per_epoch: int
    per_execution: int
    first_epoch: int = 0


def plan(config, num_examples, num_replicas, first_batch=0, first_epoch=0):
    """Returns the `Steps` of a run.

    If the batch is larger than the split, its size is reduced to the number of
    examples, rounded up to a multiple of replicas times accumulated parts.

    Args:
        config: `ExperimentConfig`.
        num_examples: int. Examples of the training split.
        num_replicas: int.
        first_batch: int. Step of the epoch at which the run resumes; 0 for a
            new run.
        first_epoch: int. As in `Steps`.

    Raises:
        ConfigError: The batch cannot be divided among the replicas, or
            `steps_per_execution` does not divide the steps of an epoch.
    """
    batch_size = config.data.global_batch_size
    accumulation_steps = config.optimizer.accumulation_steps
    num_parts = num_replicas * accumulation_steps
    if batch_size % num_parts:
        below = batch_size - batch_size % num_parts
        choices = [n for n in (below, below + num_parts) if n]
        parts = (
            f", times the {accumulation_steps} parts of "
            "--config.optimizer.accumulation_steps"
            if accumulation_steps > 1
            else ""
        )
        raise ConfigError(
            f"`--config.data.global_batch_size` must be a multiple of the "
            f"{num_replicas} replicas{parts}. Received: {batch_size}. "
            f"Choices: {', '.join(map(str, choices))}."
        )
    enough = -(-num_examples // num_parts) * num_parts
    batch_size = min(batch_size, enough)
    per_epoch = pipeline.num_steps(num_examples, batch_size)
    per_execution = _per_execution(
        config.trainer.steps_per_execution,
        per_epoch,
        # A call must end at each checkpoint and start where the run resumes.
        math.gcd(config.trainer.save_every_steps, first_batch),
    )
    return Steps(batch_size, per_epoch, per_execution, first_epoch)


def _per_execution(wanted, per_epoch, stops):
    """Returns `wanted`, or for 0 the largest suitable divisor up to 64.

    The data has no end, so a call must not reach into the next epoch. The
    number must therefore divide the steps of an epoch. A chosen number divides
    `stops` as well.
    """
    largest = min(per_epoch, 1024)
    divisors = [n for n in range(1, largest + 1) if per_epoch % n == 0]
    if not wanted:
        return max(
            n for n in divisors if n <= _MOST_PER_EXECUTION and stops % n == 0
        )
    if wanted not in divisors:
        raise ConfigError(
            "`--config.trainer.steps_per_execution` must be a divisor of the "
            f"{per_epoch} steps of an epoch. Received: {wanted}. "
            f"Choices: 0, {', '.join(map(str, divisors))}."
        )
    return wanted
