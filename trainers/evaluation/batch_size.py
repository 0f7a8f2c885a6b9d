"""Decides how many examples a device computes at once."""

import tensorflow as tf

# Most logits of a batch on each replica: 4 MB. Memory contains several copies
# of them. With up to 4,096 classes, a batch of 256 rows has no more.
_MOST_LOGITS = 2**20


def rows_of_replica(inputs, num_outputs, strategy=None):
    """Returns the number of rows in a batch of one replica.

    The numbers for CPUs and for accelerators are those of the inputs, which
    know the size of an example. The results do not depend on them beyond
    rounding.

    Args:
        inputs: `Inputs`.
        num_outputs: int. Number of logits of an example.
        strategy: `tf.distribute.Strategy`; `None` means the current one.

    Returns:
        int, at least 1.
    """
    rows = inputs.eval_batch_size
    if is_accelerated(strategy):
        rows = inputs.accelerator_batch_size or rows
    return max(1, min(rows, _MOST_LOGITS // num_outputs))


def is_accelerated(strategy=None):
    """Returns whether the replicas of a strategy are GPUs or TPU cores.

    Every strategy of this project uses the GPUs of the machine if there are
    some. Only a `TPUStrategy` uses TPU cores.

    Args:
        strategy: `tf.distribute.Strategy`; `None` means the current one.
    """
    strategy = strategy or tf.distribute.get_strategy()
    return isinstance(strategy, tf.distribute.TPUStrategy) or bool(
        tf.config.list_logical_devices("GPU")
    )
