"""Computes classification metrics from logits and labels.

The formulas are those of scikit-learn with `zero_division=0`; the tests compare
both. Metrics are computed in float64 on the host, from all examples, each
counted once. They therefore do not depend on batches or replicas.
"""

import warnings

import numpy as np

from trainers.errors import ConfigError
from trainers.metrics import names
from trainers.metrics.names import METRICS
from trainers.metrics.names import PER_CLASS_METRICS


def classification_metrics(labels, logits, class_names):
    """Computes all metrics of one pass over a split.

    Args:
        labels: int32[num_examples].
        logits: float32[num_examples, num_classes].
        class_names: List of str. Names in label order.

    Returns:
        dict for `metrics.json`: each of `METRICS`, `num_examples`, `per_class`
        (by class name: `PER_CLASS_METRICS` and `support`), and
        `confusion_matrix` as lists, one row for each true label. All metrics
        are floats:

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
    """
    labels = np.asarray(labels)
    logits = np.asarray(logits, np.float64)
    matrix = confusion_matrix(labels, logits.argmax(axis=1), len(class_names))
    hits = np.diag(matrix)
    support, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    decisions = {
        "precision": _divide(hits, predicted),
        "recall": _divide(hits, support),
        "f1": _divide(2 * hits, predicted + support),
    }
    rankings = _rankings(labels, _softmax(logits))
    # A class that is neither a label nor an answer has no score to average.
    seen = (support + predicted) > 0
    accuracy = float(hits.sum() / len(labels))
    columns = {name: x.tolist() for name, x in decisions.items()} | rankings
    return {
        "loss": float(_log_losses(labels, logits).mean()),
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
            name: {metric: columns[metric][i] for metric in PER_CLASS_METRICS}
            | {"support": int(support[i])}
            for i, name in enumerate(class_names)
        },
        "confusion_matrix": matrix.tolist(),
    }


def scalar(metrics, name):
    """Returns one number from the result of `classification_metrics`.

    Args:
        metrics: dict. From `classification_metrics`.
        name: str. One of `METRICS`, or `per_class/CLASS/METRIC` with one of
            `PER_CLASS_METRICS`. CLASS may contain `/`.

    Returns:
        float, or `None` if the metric is undefined.

    Raises:
        ConfigError: The class or the metric does not exist.
    """
    if name in METRICS:
        return metrics[name]
    class_name, metric = names.of_class(name) or (None, None)
    if metric is None:
        rule = "a metric of the validation split"
        choices = (*METRICS, "per_class/CLASS/METRIC")
    elif metric not in PER_CLASS_METRICS:
        rule = "per_class/CLASS/METRIC with a metric of one class"
        choices = PER_CLASS_METRICS
    elif class_name not in metrics["per_class"]:
        rule = "per_class/CLASS/METRIC with a class of the data"
        choices = metrics["per_class"]
    else:
        return metrics["per_class"][class_name][metric]
    raise ConfigError(
        f"`--config.trainer.best_metric` must be {rule}. Received: {name!r}. "
        f"Choices: {', '.join(choices)}."
    )


def text_report(labels, logits, class_names):
    """Returns scikit-learn's `classification_report` as text for the log.

    A class that occurs neither as label nor as answer counts as 0 in its macro
    average. `macro_*` of `classification_metrics` leaves such a class out.

    Args:
        labels: int32[num_examples].
        logits: float32[num_examples, num_classes].
        class_names: List of str. Names in label order.
    """
    # Imported here, so that other commands do not wait for it.
    from sklearn.metrics import classification_report

    with warnings.catch_warnings():
        # With few examples of many classes, scikit-learn takes the labels for
        # targets of a regression.
        warnings.filterwarnings("ignore", "The number of unique classes is")
        return classification_report(
            np.asarray(labels),
            np.asarray(logits).argmax(axis=1),
            labels=range(len(class_names)),
            target_names=class_names,
            digits=4,
            zero_division=0,
        )


def confusion_matrix(labels, predicted, num_classes):
    """Counts examples by true label and predicted label.

    Args:
        labels: int32[num_examples].
        predicted: int[num_examples].
        num_classes: int.

    Returns:
        int64[num_classes, num_classes]. One row for each true label.
    """
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


def _softmax(logits):
    exps = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exps / exps.sum(axis=1, keepdims=True)


def _rankings(labels, probabilities):
    """Returns `roc_auc` and `pr_auc`: lists of a float or `None` per class."""
    # Imported here, so that other commands do not wait for it.
    from sklearn.metrics import average_precision_score
    from sklearn.metrics import roc_auc_score

    truth = labels[:, None] == np.arange(probabilities.shape[1])
    defined = truth.any(axis=0) & ~truth.all(axis=0)
    if not np.isfinite(probabilities).all():
        # scikit-learn would raise. The loss reports a run that diverged.
        defined[:] = False
    rankings = {}
    for name, function in (
        ("roc_auc", roc_auc_score),
        ("pr_auc", average_precision_score),
    ):
        values = np.full(len(defined), None)
        if defined.any():
            # At least two columns, because counter-examples of a class are
            # examples of another. One call for all columns is faster than one
            # call each if rows are contiguous. Otherwise scikit-learn copies
            # the array for each column.
            values[defined] = function(
                truth.compress(defined, axis=1),
                probabilities.compress(defined, axis=1),
                average=None,
            )
        rankings[name] = values.tolist()
    return rankings


def _mean_of_defined(values):
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def _divide(a, b):
    return np.divide(a, b, out=np.zeros(len(a)), where=b != 0)
