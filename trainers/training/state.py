"""All variables of a run as arrays by name, and back, bit for bit.

These are the weights, the seeds of dropout, the optimizer (its counters,
slots, averages and loss scale) and the metrics of the epoch so far.
"""

import re

import numpy as np
import tensorflow as tf

from trainers.distribution.workers import ALONE
from trainers.run import best_weights

_METRICS = "metrics/"


def read(model, workers=ALONE):
    """Returns copies of all variables of a compiled model, arrays by name.

    Args:
        model: `TrainingModel`.
        workers: `Workers`, all of which have to call it.
    """
    arrays = {}
    for name, copies in _variables(model).items():
        if _is_shared_out(copies):
            # Of metrics each replica has its own share. Their sum alone would
            # be divided anew, with other rounding errors.
            shares = workers.gather(np.stack([c.numpy() for c in copies]))
            for replica, share in enumerate(
                shares.reshape(-1, *shares.shape[2:])
            ):
                arrays[f"{name}@{replica}"] = share
        else:
            arrays[name] = copies[0].numpy()
    return arrays


def write(model, arrays, workers=ALONE):
    """Gives the variables of a model the values that `read` returned.

    Args:
        model: `TrainingModel`.
        arrays: From `read`, for as many replicas.
        workers: `Workers`.

    Raises:
        RunError: Names, shapes or dtypes differ; nothing was changed.
    """
    variables = _variables(model)
    num_replicas = model.distribute_strategy.num_replicas_in_sync
    wanted = {}
    for name, copies in variables.items():
        names = [name]
        if _is_shared_out(copies):
            names = [f"{name}@{replica}" for replica in range(num_replicas)]
        wanted |= dict.fromkeys(names, best_weights.kind(copies[0]))
    best_weights.check_same(
        wanted, arrays, "the checkpoint does not fit the model"
    )
    _assign(variables, arrays, workers)


def metrics_of(arrays):
    """Returns those of the arrays that are metrics, which `fit` resets."""
    return {n: array for n, array in arrays.items() if n.startswith(_METRICS)}


def write_metrics(model, arrays, workers=ALONE):
    """Does what `write` does, for the metrics alone."""
    _assign(metrics_of(_variables(model)), arrays, workers)


def not_finite(arrays):
    """Returns the first name whose array holds NaN or infinity, or `None`."""
    for name, array in arrays.items():
        is_number = array.dtype.kind not in "biu"
        if is_number and not np.isfinite(array).all():
            return name
    return None


def _assign(variables, arrays, workers):
    for name, copies in variables.items():
        first = workers.index * len(copies)
        for replica, copy in enumerate(copies, first):
            is_share = _is_shared_out(copies)
            copy.assign(arrays[f"{name}@{replica}" if is_share else name])


def _is_shared_out(copies):
    """Returns whether the copies of a variable differ, and add up to it."""
    return copies[0].synchronization == tf.VariableSynchronization.ON_READ


def _variables(model):
    """Returns the `tf.Variable`s of this worker's replicas behind each name."""
    groups = {
        "model": model.variables,
        "optimizer": model.optimizer.variables,
        "metrics": model.metrics_variables,
    }
    local_results = model.distribute_strategy.experimental_local_results
    return {
        f"{group}/{index:03d}/{_lasting(group, variable.path)}": local_results(
            variable.value
        )
        for group, variables in groups.items()
        for index, variable in enumerate(variables)
    }


def _lasting(group, path):
    """Returns a path without the numbers that a process counts up."""
    if group == "optimizer":
        return path.partition("/")[2]  # Keras: adam, adam_1, ...
    return re.sub(r"(^|/)seed_generator_\d+/", r"\1seed_generator/", path)
