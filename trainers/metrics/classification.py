"""Numbers of a classification, from logits and labels.

Formulas as in scikit-learn with `zero_division=0`, with which the tests
compare them; computed in float64 on the host, from every example once, so
that they do not depend on batches or replicas.
"""

import warnings

import numpy as np

from trainers.errors import ConfigError
from trainers.metrics import names
from trainers.metrics.names import METRICS
from trainers.metrics.names import PER_CLASS_METRICS


def classification_metrics(labels, logits, class_names):
    """Computes all metrics of one pass.

    Args:
        labels: `int32[num_examples]`.
        logits: `float32[num_examples, num_classes]`.
        class_names: Names in label order.

    Returns:
        Dict for `metrics.json`: the `METRICS`, `num_examples`, `per_class` by
        name (`PER_CLASS_METRICS` and `support`), and `confusion_matrix` as
        lists, rows the true labels. All metrics are floats:

        - `loss`: log loss, the mean cross-entropy in nats.
        - `accuracy`, to which `micro_*` are equal, as each example has one
          label and one answer.
        - `macro_*`: means over the classes that are there or predicted.
        - `weighted_*`: means weighted by support.
        - `roc_auc`, `pr_auc` (average precision): means over the classes, one
          against the rest, that have an example and a counter-example, of
          float64 probabilities. With two classes `roc_auc` is that of either
          (unless probabilities round to 1, which makes ties), but `pr_auc`
          the mean of two that differ; `per_class` has each. `None` where
          undefined: no such class, or a probability that is NaN.
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
    # A class that is neither there nor predicted has no score to average.
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
    """Returns one number of `classification_metrics`, or its `None`.

    Args:
        metrics: The dict.
        name: One of `METRICS`, or `per_class/CLASS/METRIC` with one of
            `PER_CLASS_METRICS`; the class may contain `/`.

    Raises:
        ConfigError: There is no such class or metric.
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
    """Returns scikit-learn's `classification_report`, for the log.

    Its macro average counts a class that is neither there nor predicted as 0;
    `macro_*` of `classification_metrics` leaves it out.

    Args:
        labels: `int32[num_examples]`.
        logits: `float32[num_examples, num_classes]`.
        class_names: Names in label order.
    """
    # Not at the top: other commands do not wait for it.
    from sklearn.metrics import classification_report

    with warnings.catch_warnings():
        # Few examples of many classes: it takes labels for a regression's.
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


def _softmax(logits):
    exps = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exps / exps.sum(axis=1, keepdims=True)


def _rankings(labels, probabilities):
    """Returns `roc_auc` and `pr_auc`: lists of a float or `None` a class."""
    # Not at the top: other commands do not wait for it.
    from sklearn.metrics import average_precision_score
    from sklearn.metrics import roc_auc_score

    truth = labels[:, None] == np.arange(probabilities.shape[1])
    defined = truth.any(axis=0) & ~truth.all(axis=0)
    if not np.isfinite(probabilities).all():
        # A run that diverged is reported by its loss; scikit-learn would raise.
        defined[:] = False
    rankings = {}
    for name, function in (
        ("roc_auc", roc_auc_score),
        ("pr_auc", average_precision_score),
    ):
        values = np.full(len(defined), None)
        if defined.any():
            # Two columns at least: one class's counter-examples are another's
            # examples. All at once is faster than one by one, if rows are
            # contiguous: scikit-learn copies all for each column otherwise.
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
