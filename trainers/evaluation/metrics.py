"""Numbers of a classification, from logits and labels.

Formulas as in scikit-learn with `zero_division=0`, with which the tests
compare them; computed in float64 on the host, from every example once, so
that they do not depend on batches or replicas.
"""

import numpy as np


def classification_metrics(labels, logits, class_names):
    """Computes all metrics of one pass.

    Args:
        labels: `int32[num_examples]`.
        logits: `float32[num_examples, num_classes]`.
        class_names: Names in label order.

    Returns:
        Dict for `metrics.json`: `loss` (mean cross-entropy in nats),
        `accuracy`, `macro_precision`, `macro_recall`, `macro_f1` as floats,
        `num_examples`, `per_class` by name, and `confusion_matrix` as lists,
        rows the true labels.
    """
    labels = np.asarray(labels)
    logits = np.asarray(logits, np.float64)
    predicted = logits.argmax(axis=1)
    matrix = confusion_matrix(labels, predicted, len(class_names))
    hits = np.diag(matrix)
    support = matrix.sum(axis=1)
    precision = _divide(hits, matrix.sum(axis=0))
    recall = _divide(hits, support)
    f1 = _divide(2 * hits, matrix.sum(axis=0) + support)
    # A class that is neither there nor predicted has no score to average.
    seen = (support + matrix.sum(axis=0)) > 0
    per_class = {
        name: {
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "f1": float(f1[i]),
            "support": int(support[i]),
        }
        for i, name in enumerate(class_names)
    }
    return {
        "loss": float(_log_losses(labels, logits).mean()),
        "accuracy": float(hits.sum() / len(labels)),
        "macro_precision": float(precision[seen].mean()),
        "macro_recall": float(recall[seen].mean()),
        "macro_f1": float(f1[seen].mean()),
        "num_examples": len(labels),
        "per_class": per_class,
        "confusion_matrix": matrix.tolist(),
    }


def confusion_matrix(labels, predicted, num_classes):
    """Returns `int64[num_classes, num_classes]`, rows the true labels."""
    cells = labels.astype(np.int64) * num_classes + predicted
    counts = np.bincount(cells, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def _log_losses(labels, logits):
    """Returns -log softmax(logits)[label], `float64[num_examples]`."""
    largest = logits.max(axis=1)
    exps = np.exp(logits - largest[:, None])
    return np.log(exps.sum(axis=1)) - (
        logits[np.arange(len(labels)), labels] - largest
    )


def _divide(a, b):
    return np.divide(a, b, out=np.zeros(len(a)), where=b != 0)
