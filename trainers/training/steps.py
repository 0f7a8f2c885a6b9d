"""How a training split is cut into batches, steps and calls of the graph."""

import dataclasses
import math

from trainers.data import pipeline
from trainers.errors import ConfigError

# A call of the graph from Python costs about 0.5 ms, as much as a step of a
# small MLP: over 64 steps, 2 % of it.
_MOST_PER_EXECUTION = 64


@dataclasses.dataclass(frozen=True)
class Steps:
    """Numbers of one run.

    Attributes:
        batch_size: Rows of a batch, over all replicas.
        per_epoch: Batches that hold every example once.
        per_execution: Steps in one call of the graph.
    """

    batch_size: int
    per_epoch: int
    per_execution: int


def plan(config, num_examples, num_replicas, first_batch=0):
    """Returns the `Steps` of a run.

    A batch that is larger than the data would be padding beyond it: its rows
    are cut to the number of examples, rounded up to a multiple of the
    replicas and of the parts that they accumulate.

    Args:
        config: `ExperimentConfig`.
        num_examples: int, of the training split.
        num_replicas: int.
        first_batch: Steps of an epoch after which the run goes on.

    Raises:
        ConfigError: The batch cannot be divided among the replicas, or the
            wanted steps per execution cannot be had.
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
        # Calls end where a checkpoint is to be, and where one was.
        math.gcd(config.trainer.save_every_steps, first_batch),
    )
    return Steps(batch_size, per_epoch, per_execution)


def _per_execution(wanted, per_epoch, stops):
    """Returns the wanted number, or for 0 the largest divisor up to 64.

    That is a divisor of `stops` as well. The data has no end, so a call must
    not reach into the next epoch: it has to be a divisor of the steps of an
    epoch.
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
