"""Computes classification metrics from logits and labels.

The formulas are those of scikit-learn with `zero_division=0`; the tests compare
both. Metrics are computed in float64 on the host, from all examples, each
counted once. They therefore do not depend on batches or replicas. Memory
contains the probabilities of one class at a time, see `transposed`, and the
counts of the confusion matrix that are not 0.
"""

import numpy as np

from trainers.metrics import names
from trainers.metrics import transposed


def metrics_of_batches(batches, class_names, max_bytes=transposed.MAX_BYTES):
    """Computes all metrics of one pass over a split, in bounded memory.

    Memory contains about 200 bytes for each example, and `max_bytes`. The
    numbers do not depend on the sizes of the batches.

    Args:
        batches: Iterable of `(labels, logits)`: int32[batch] and
            float32[batch, num_classes]. It is read once.
        class_names: List of str. Names in label order.
        max_bytes: int. Logits that take more are in a temporary file.

    Returns:
        dict for `metrics.json`: each of `names.METRICS`, `num_examples`,
        `per_class` (by class name: those of `PER_CLASS` and `support`), and
        `confusion_matrix` (see `confusion_matrix`). All metrics are floats:

        - `loss`: log loss, the mean cross-entropy in nats.
        - `accuracy`: each example has one label and one answer, so `micro_*`
          equal it.
        - `macro_*`: means over the classes that occur as label or as answer.
        - `weighted_*`: means over the classes, weighted by support.
        - `roc_auc`, `pr_auc` (average precision): one class against the rest,
          from float64 probabilities. They are means over the classes that
          have an example and a counter-example. With two classes, both have
          the same `roc_auc` (unless probabilities round to 1 and tie), but
          different `pr_auc`; `per_class` contains each. `None` if undefined:
          there is no such class, or a probability is NaN.

    Raises:
        RunError: The temporary file could not be written.
    """
    num_classes = len(class_names)
    with transposed.Transposed(max_bytes) as kept:
        rows = []
        for labels, logits in transposed.joined(batches):
            kept.append(logits)
            rows.append((labels, *_of_rows(labels, logits)))
        labels, answers, losses, largest, sums = map(
            np.concatenate, zip(*rows, strict=True)
        )
        rankings = _rankings(labels, kept, largest, sums, num_classes)
    hits, support, predicted = (
        np.bincount(classes, minlength=num_classes)
        for classes in (labels[labels == answers], labels, answers)
    )
    decisions = {
        "precision": _divide(hits, predicted),
        "recall": _divide(hits, support),
        "f1": _divide(2 * hits, predicted + support),
    }
    # A class that is neither a label nor an answer has no score to average.
    seen = (support + predicted) > 0
    accuracy = float(hits.sum() / len(labels))
    columns = {name: x.tolist() for name, x in decisions.items()} | rankings
    return {
        "loss": float(losses.mean()),
        "accuracy": accuracy,
        **{f"macro_{k}": float(x[seen].mean()) for k, x in decisions.items()},
        **{f"micro_{k}": accuracy for k in decisions},
        **{
            f"weighted_{k}": float(np.average(x, weights=support))
            for k, x in decisions.items()
        },
        **{k: _mean_of_defined(x) for k, x in rankings.items()},
        "num_examples": len(labels),
        "per_class": {
            name: {
                metric: columns[metric][i] for metric in names.PER_CLASS.metrics
            }
            | {"support": int(support[i])}
            for i, name in enumerate(class_names)
        },
        "confusion_matrix": confusion_matrix(labels, answers, class_names),
    }


def why_undefined(name, labels, class_names):
    """Returns why a metric of a split cannot compare epochs, or `None`.

    A class that no example has gets the precision, recall and F1 of 0 from
    every model.

    Args:
        name: str. One of `names.METRICS` or of `names.PER_CLASS`.
        labels: int32[num_examples]. Labels of the split.
        class_names: List of str. Names in label order.

    Returns:
        str that follows the name of the split, or `None`.
    """
    present = np.unique(labels)
    class_name, metric = names.PER_CLASS.split(name) or (None, name)
    if class_name is not None:
        if class_names.index(class_name) not in present:
            return f"has no example of the class {class_name!r}"
    if metric in names.RANKINGS and len(present) == 1:
        return f"has only examples of the class {class_names[present[0]]!r}"
    return None


def confusion_matrix(labels, answers, class_names):
    """Counts examples by true class and by the class of the answer.

    Args:
        labels: int[num_examples].
        answers: int[num_examples].
        class_names: List of str. Names in label order.

    Returns:
        Dict by name of each true class, of dicts by name of the answer, with
        the number of examples. Counts of 0 are left out, so it has no more
        numbers than there are examples.

    >>> confusion_matrix([0, 0, 1], [0, 1, 1], ["cat", "dog", "owl"])
    {'cat': {'cat': 1, 'dog': 1}, 'dog': {'dog': 1}, 'owl': {}}
    """
    # int64: the number of a cell can be larger than labels of few bits.
    cells = np.asarray(labels, np.int64) * len(class_names) + answers
    found = {name: {} for name in class_names}
    for cell, count in zip(
        *map(np.ndarray.tolist, np.unique(cells, return_counts=True)),
        strict=True,
    ):
        row, column = divmod(cell, len(class_names))
        found[class_names[row]][class_names[column]] = count
    return found


def _of_rows(labels, logits):
    """Returns what the metrics need of each row, arrays [num_rows].

    Returns:
        `(answers, losses, largest, sums)`: the class of the largest logit,
        -log softmax(logits) of the label, the largest logit, and the sum of
        exp(logit - largest).
    """
    answers = logits.argmax(axis=1)
    logits = logits.astype(np.float64)
    largest = logits.max(axis=1)
    logits -= largest[:, None]
    sums = np.exp(logits).sum(axis=1)
    losses = np.log(sums) - logits[np.arange(len(labels)), labels]
    return answers, losses, largest, sums


def _rankings(labels, kept, largest, sums, num_classes):
    """Returns `roc_auc` and `pr_auc`: lists of a float or `None` per class.

    Args:
        labels: int32[num_examples].
        kept: `Transposed`. Logits [num_examples, num_classes].
        largest: float64[num_examples]. As from `_of_rows`.
        sums: float64[num_examples]. As from `_of_rows`.
        num_classes: int.
    """
    # Imported here, so that other commands do not wait for it.
    from sklearn.metrics import average_precision_score
    from sklearn.metrics import roc_auc_score

    rankings = {
        "roc_auc": [None] * num_classes,
        "pr_auc": [None] * num_classes,
    }
    if not np.isfinite(sums).all():
        # Probabilities are NaN, and scikit-learn would raise. The loss reports
        # a run that diverged.
        return rankings
    for label, logits in enumerate(kept.columns()):
        truth = labels == label
        if not truth.any() or truth.all():
            continue
        scores = np.exp(logits.astype(np.float64) - largest) / sums
        # Sorted once for both functions, and faster than they would sort. The
        # values do not depend on the order. They take integers faster than
        # truth values.
        order = np.argsort(scores)[::-1]
        truth, scores = truth[order].astype(np.int8), scores[order]
        rankings["roc_auc"][label] = float(roc_auc_score(truth, scores))
        rankings["pr_auc"][label] = float(
            average_precision_score(truth, scores)
        )
    return rankings


def _mean_of_defined(values):
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def _divide(a, b):
    return np.divide(a, b, out=np.zeros(len(a)), where=b != 0)
