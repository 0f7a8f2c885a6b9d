"""All variables of a run as arrays by name, and back, bit for bit.

These are the weights, the seeds of dropout, the optimizer (its counters,
slots, averages and loss scale) and the metrics of the epoch so far.
"""

import re

import numpy as np
import tensorflow as tf

from trainers import weights

_METRICS = "metrics/"


def read(model):
    """Returns copies of all variables of a compiled model, arrays by name."""
    return {name: v[0].numpy() for name, v in _variables(model).items()}


def write(model, arrays):
    """Gives the variables of a model the values that `read` returned.

    Raises:
        RunError: Names, shapes or dtypes differ; nothing was changed.
    """
    variables = _variables(model)
    wanted = {name: weights.kind(v[0]) for name, v in variables.items()}
    weights.check_same(wanted, arrays, "the checkpoint does not fit the model")
    _assign(variables, arrays)


def metrics_of(arrays):
    """Returns those of the arrays that are metrics, which `fit` resets."""
    return {n: array for n, array in arrays.items() if n.startswith(_METRICS)}


def write_metrics(model, arrays):
    """Does what `write` does, for the metrics alone."""
    _assign(metrics_of(_variables(model)), arrays)


def not_finite(arrays):
    """Returns the first name whose array holds NaN or infinity, or `None`."""
    for name, array in arrays.items():
        is_number = array.dtype.kind not in "biu"
        if is_number and not np.isfinite(array).all():
            return name
    return None


def _assign(variables, arrays):
    for name, copies in variables.items():
        for copy in copies:
            copy.assign(arrays[name])


def _variables(model):
    """Returns the `tf.Variable`s behind each name, of equal values."""
    groups = {
        "model": model.variables,
        "optimizer": model.optimizer.variables,
        "metrics": model.metrics_variables,
    }
    found = {}
    for group, variables in groups.items():
        for index, variable in enumerate(variables):
            name = f"{group}/{index:03d}/{_lasting(group, variable.path)}"
            value = variable.value
            copies = model.distribute_strategy.experimental_local_results(value)
            if value.synchronization == tf.VariableSynchronization.ON_READ:
                # Of metrics each replica has its own share. Their sum alone
                # would be divided anew, with other rounding errors.
                for replica, copy in enumerate(copies):
                    found[f"{name}@{replica}"] = [copy]
            else:
                found[name] = copies
    return found


def _lasting(group, path):
    """Returns a path without the numbers that a process counts up."""
    if group == "optimizer":
        return path.partition("/")[2]  # Keras: adam, adam_1, ...
    return re.sub(r"(^|/)seed_generator_\d+/", r"\1seed_generator/", path)
