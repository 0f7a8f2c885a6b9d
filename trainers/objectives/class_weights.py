"""Factors of the training loss for each class."""

import math

import numpy as np

from trainers.errors import ConfigError
from trainers.errors import first_of
from trainers.runtime import look_alikes


def parse(text, class_names, labels):
    """Converts `--config.task.class_weights` to factors.

    `balanced` is num_examples / (num_classes * examples of the class), as in
    scikit-learn. All classes then have the same total weight, and the mean
    over the examples is 1. Classes without an example do not count.

    Args:
        text: str. `none`, `balanced` or NAME=FACTOR,NAME=FACTOR. Other classes
            have the factor 1.
        class_names: List of str. Class names in label order.
        labels: int32[num_examples]. Labels of the training split.

    Returns:
        `float32[num_classes]`, or `None` for `none`.

    Raises:
        ConfigError: The text has another form or names an unknown class.
    """
    if text == "none":
        return None
    if text == "balanced":
        counts = np.bincount(labels, minlength=len(class_names))
        present = np.count_nonzero(counts)
        return (len(labels) / (present * np.maximum(counts, 1))).astype(
            np.float32
        )
    known, weights = set(class_names), {}
    for part in _parts(text, class_names):
        name, _, factor = part.rpartition("=")
        is_good = name in known and name not in weights
        if not is_good or not _is_factor(factor):
            raise ConfigError(
                "`--config.task.class_weights` must be none, balanced, or "
                "NAME=FACTOR,NAME=FACTOR with factors above 0. Received: "
                f"{text!r}, where {part!r} is wrong"
                f"{look_alikes.hint(name, class_names)}. Names: "
                f"{first_of(class_names)}."
            )
        weights[name] = float(factor)
    return np.asarray([weights.get(n, 1.0) for n in class_names], np.float32)


def _parts(text, class_names):
    """Yields each NAME=FACTOR. A name can contain commas."""
    part = None
    for word in text.split(","):
        part = word if part is None else f"{part},{word}"
        if part.rpartition("=")[0] in class_names:
            yield part
            part = None
    if part is not None:
        yield part


def _is_factor(text):
    try:
        return math.isfinite(float(text)) and float(text) > 0
    except ValueError:
        return False
