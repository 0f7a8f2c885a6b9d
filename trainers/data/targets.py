"""From raw examples to examples with targets, and the report about them."""

import dataclasses

import numpy as np

from trainers.data import report as report_lib
from trainers.errors import DataError
from trainers.runtime import columns


def fit(objective, splits, source_names=None):
    """Fits an objective to examples and converts their targets.

    Inputs call it in place of `objective.fitted`, whose result it checks.

    Args:
        objective: `Objective`.
        splits: Dict by split of `Examples` with raw targets.
        source_names: As for `Objective.fitted`.

    Returns:
        `Objective`, and a dict by split of `Examples` with columns of targets.

    Raises:
        DataError: A target breaks a rule.
        TypeError, ValueError: The objective breaks its contract.
    """
    after, targets = objective.fitted(splits, source_names)
    name = type(objective).__name__
    for split, examples in splits.items():
        if split not in targets:
            raise ValueError(
                f"`{name}.fitted` must return targets for each split. Received "
                f"none for {split!r}."
            )
        column = targets[split]
        if column is None:
            continue
        is_ragged = isinstance(column, columns.Ragged)
        values = column.values if is_ragged else column
        # Neither a file nor a hash can contain objects.
        if not isinstance(values, np.ndarray) or values.dtype.kind == "O":
            found = getattr(values, "dtype", type(values).__name__)
            raise TypeError(
                f"`{name}.fitted` must return arrays of numbers, "
                f"`columns.Ragged` of them, or `None`. Received {found} for "
                f"{split!r}."
            )
        if not values.ndim or len(column) != len(examples):
            rows = len(column) if values.ndim else "no"
            raise ValueError(
                f"`{name}.fitted` must return a row for each of the "
                f"{len(examples)} examples of {split!r}. Received {rows} rows."
            )
        if is_ragged and column.row_splits[-1] != len(values):
            raise ValueError(
                f"`{name}.fitted` returned {len(values)} values for {split!r}, "
                f"and `row_splits` for {column.row_splits[-1]} values."
            )
    return after, {
        split: dataclasses.replace(examples, targets=targets[split])
        for split, examples in splits.items()
    }


def check(objective, splits, *, keys, empty=None, cut=()):
    """Checks the examples of a run and returns their report.

    Args:
        objective: `Objective` from `fit`.
        splits: Dict by split of `Examples` from `fit`.
        keys, empty: As for `report.make_report`.
        cut: Names of the splits that were cut from the end of `train`.

    Returns:
        Dict for `data_report.json`.

    Raises:
        DataError: The objective cannot learn from the splits. Its `report` is
            the report.
    """
    report = report_lib.make_report(splits, objective, keys=keys, empty=empty)
    try:
        objective.check_splits(splits, cut)
    except DataError as error:
        error.report = report
        raise
    return report
