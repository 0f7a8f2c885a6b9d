"""The objective of one label for each example, and texts read with it."""

from trainers.data.texts import reading
from trainers.objectives.single_label import SingleLabelConfig


def unfitted():
    """Returns the objective before its classes are known."""
    return SingleLabelConfig().make_objective()


def of(class_names):
    """Returns the objective of a run with these classes."""
    return unfitted().restored(list(class_names))


def read_splits(data):
    """Returns a dict by split of texts with their labels as words."""
    return reading.read_splits(data, unfitted())[0]


def list_files(data):
    """Returns the paths of all files of the splits."""
    return reading.list_files(data)


def read_one(data, split, run_data=None):
    """Returns one split of texts with their labels as words."""
    return reading.read_one(data, split, unfitted(), run_data)
