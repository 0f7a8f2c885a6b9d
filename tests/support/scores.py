"""Metrics of a classification from arrays."""

import numpy as np

from trainers.metrics import classification


def metrics_of(labels, logits, class_names):
    """Returns `metrics_of_batches` of one batch.

    Args:
        labels: int[num_examples].
        logits: float[num_examples, num_classes].
        class_names: List of str.
    """
    batch = np.asarray(labels), np.asarray(logits)
    return classification.metrics_of_batches([batch], class_names)


def named_cells(matrix, class_names):
    """Returns a matrix of counts as `confusion_matrix` of the metrics has it.

    Args:
        matrix: int[num_classes, num_classes]. One row for each true class.
        class_names: List of str.
    """
    return {
        true: {
            answer: int(count)
            for answer, count in zip(class_names, row, strict=True)
            if count
        }
        for true, row in zip(class_names, matrix, strict=True)
    }
