"""Reads and writes all variables of a run as arrays by name, bit for bit.

These are the weights, the dropout seeds, the optimizer (its counters, slots,
averages and loss scale) and the metrics of the current epoch.
"""

import re

import numpy as np
import tensorflow as tf

from trainers.distribution.workers import ALONE
from trainers.run import best_weights

_METRICS = "metrics/"


def read(model, workers=ALONE):
    """Returns copies of all variables of a compiled model.

    Args:
        model: `TrainingModel`.
        workers: `Workers`. All must call this.

    Returns:
        dict. NumPy arrays by name. The name of a metric on replica 1 ends with
        `@1`.
    """
    arrays = {}
    for name, copies in _variables(model).items():
        if _is_per_replica(copies):
            # Each replica has its own share of a metric. A saved sum would have
            # to be divided again, with other rounding errors.
            shares = workers.gather(np.stack([c.numpy() for c in copies]))
            for replica, share in enumerate(
                shares.reshape(-1, *shares.shape[2:])
            ):
                arrays[f"{name}@{replica}"] = share
        else:
            arrays[name] = copies[0].numpy()
    return arrays


def write(model, arrays, workers=ALONE):
    """Assigns the values that `read` returned to the variables of a model.

    Args:
        model: `TrainingModel`.
        arrays: dict. From `read`, for the same number of replicas.
        workers: `Workers`.

    Raises:
        RunError: Names, shapes or dtypes differ. No variable was changed.
    """
    variables = _variables(model)
    num_replicas = model.distribute_strategy.num_replicas_in_sync
    wanted = {}
    for name, copies in variables.items():
        names = [name]
        if _is_per_replica(copies):
            names = [f"{name}@{replica}" for replica in range(num_replicas)]
        wanted |= dict.fromkeys(names, best_weights.kind(copies[0]))
    best_weights.check_same(
        wanted, arrays, "the checkpoint does not fit the model"
    )
    _assign(variables, arrays, workers)


def metrics_of(arrays):
    """Returns the arrays that are metrics, which `fit` resets.

    Args:
        arrays: dict. From `read`.
    """
    return {n: array for n, array in arrays.items() if n.startswith(_METRICS)}


def write_metrics(model, arrays, workers=ALONE):
    """Assigns the metrics among the values that `read` returned.

    Args:
        model: `TrainingModel`.
        arrays: dict. From `read` or `metrics_of`.
        workers: `Workers`.
    """
    _assign(metrics_of(_variables(model)), arrays, workers)


def not_finite(arrays):
    """Returns the first name whose array contains NaN or infinity, or `None`.

    Args:
        arrays: dict. NumPy arrays by name.
    """
    for name, array in arrays.items():
        is_number = array.dtype.kind not in "biu"
        if is_number and not np.isfinite(array).all():
            return name
    return None


def _assign(variables, arrays, workers):
    for name, copies in variables.items():
        first = workers.index * len(copies)
        for replica, copy in enumerate(copies, first):
            is_share = _is_per_replica(copies)
            copy.assign(arrays[f"{name}@{replica}" if is_share else name])


def _is_per_replica(copies):
    """Returns whether each replica has its own share of a variable."""
    return copies[0].synchronization == tf.VariableSynchronization.ON_READ


def _variables(model):
    """Returns the `tf.Variable`s of this worker's replicas by name."""
    groups = {
        "model": model.variables,
        "optimizer": model.optimizer.variables,
        "metrics": model.metrics_variables,
    }
    local_results = model.distribute_strategy.experimental_local_results
    return {
        f"{group}/{index:03d}/{_stable(group, variable.path)}": local_results(
            variable.value
        )
        for group, variables in groups.items()
        for index, variable in enumerate(variables)
    }


def _stable(group, path):
    """Returns a path without the counters of a process."""
    if group == "optimizer":
        return path.partition("/")[2]  # Keras: adam, adam_1, ...
    return re.sub(r"(^|/)seed_generator_\d+/", r"\1seed_generator/", path)
