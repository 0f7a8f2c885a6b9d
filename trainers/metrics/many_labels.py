"""Computes the metrics of any number of labels an example.

The formulas are those of scikit-learn with `zero_division=0`; the tests compare
both. All metrics are computed in float64 on the host, from all examples, each
counted once. Memory contains the logits of one label at a time, see
`transposed`, and a few numbers for each example.
"""

import numpy as np

from trainers.metrics import label_names
from trainers.metrics import thresholds as thresholds_lib
from trainers.metrics import transposed


def metrics_of_batches(
    batches, names, thresholds=None, max_bytes=transposed.MAX_BYTES
):
    """Computes all metrics of one pass over a split, in bounded memory.

    Args:
        batches: Iterable of `(targets, logits)`: 0 and 1 as uint8[batch,
            num_labels], and float32[batch, num_labels]. It is read once.
        names: List of str. The labels.
        thresholds: List of float, the smallest probability of each label in
            an answer. `None` chooses them on this split.
        max_bytes: int. Logits that take more are in a temporary file.

    Returns:
        dict for `metrics.json`: each of `label_names.METRICS`, `num_examples`,
        `thresholds_of` and `per_label`. `thresholds_of` is `this split` or
        `the run`. `per_label` has, by label, those of `PER_LABEL`, `support`,
        `predicted` (numbers of examples) and `threshold`:

        - `loss`: the binary cross-entropy in nats, the mean over the labels
          and examples.
        - `micro_*`: over all pairs of an example and a label.
        - `macro_*`, `weighted_*`, `map`: means over the labels that some
          example has, `weighted_*` weighted by their number; `None` if there
          is no such label.
        - `samples_*`: means over the examples. An example without labels,
          which is answered without labels, counts 0, as in scikit-learn.
        - `hamming_loss`: share of the pairs that are answered wrongly.
        - `subset_accuracy`: share of the examples whose labels are all right.
        - `lrap`: label ranking average precision.
        - `map`: mean of the average precisions.

        `lrap`, `map` and the average precisions are `None` if a logit is NaN.

    Raises:
        RunError: The temporary file could not be written.
    """
    with (
        transposed.Transposed(max_bytes) as logits,
        transposed.Transposed(max_bytes // 4) as targets,
    ):
        rows = []
        for truth, scores in transposed.joined(batches):
            targets.append(np.asarray(truth, np.uint8))
            logits.append(scores)
            rows.append(_of_rows(np.asarray(truth, bool), scores))
        losses, lrap = map(np.concatenate, zip(*rows, strict=True))
        is_finite = bool(np.isfinite(losses).all())
        curves = None
        if is_finite:
            curves = [
                thresholds_lib.curve(truth == 1, scores)
                for truth, scores in _columns(targets, logits)
            ]
        chosen = thresholds
        if chosen is None:
            chosen = [thresholds_lib.DEFAULT] * len(names)
            if is_finite:
                chosen = thresholds_lib.choose(curves)
        counts = _count(targets, logits, chosen, len(losses), len(names))
    precisions = [None] * len(names)
    if is_finite:
        precisions = [curve.average_precision for curve in curves]
    overall, of_label = _scores(*counts)
    return {
        "loss": float(losses.mean()),
        **overall,
        "lrap": float(lrap.mean()) if is_finite else None,
        "map": _mean_of_defined(precisions),
        "num_examples": len(losses),
        "thresholds_of": "this split" if thresholds is None else "the run",
        "per_label": {
            name: numbers
            | {"average_precision": precision, "threshold": float(threshold)}
            for name, numbers, precision, threshold in zip(
                names, of_label, precisions, chosen, strict=True
            )
        },
    }


def why_undefined(name, targets, names):
    """Returns why a metric of a split cannot compare epochs, or `None`.

    Args:
        name: str. One of `label_names.METRICS` or of `label_names.PER_LABEL`.
        targets: 0 and 1, uint8[num_examples, num_labels].
        names: List of str. The labels.

    Returns:
        str that follows the name of the split, or `None`.
    """
    label, _ = label_names.PER_LABEL.split(name) or (None, None)
    if label is not None and not targets[:, names.index(label)].any():
        return f"has no example with the label {label!r}"
    if name in label_names.OF_LABELS_THERE and not targets.any():
        return "has no example with a label"
    return None


def _of_rows(truth, logits):
    """Returns loss and LRAP of each row, float64[num_rows] both."""
    z = logits.astype(np.float64)
    losses = np.maximum(z, 0) - z * truth + np.log1p(np.exp(-abs(z)))
    return losses.mean(axis=1), _lrap(truth, logits)


def _lrap(truth, logits):
    """Returns the label ranking average precision of each row.

    For each label of a row: the share of its labels among those with a score
    that is not lower. A row without labels, or with all of them, has 1.
    """
    order = np.argsort(-logits, axis=1, kind="stable")
    scores = np.take_along_axis(logits, order, axis=1)
    truth = np.take_along_axis(truth, order, axis=1)
    # The last place of each group of equal scores.
    width = scores.shape[1]
    ends = np.broadcast_to(np.arange(width), scores.shape).copy()
    ends[:, :-1][scores[:, :-1] == scores[:, 1:]] = width - 1
    ends = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
    hits = np.take_along_axis(np.cumsum(truth, axis=1), ends, axis=1)
    sums = (truth * hits / (ends + 1)).sum(axis=1)
    support = truth.sum(axis=1)
    is_open = (support > 0) & (support < width)
    return np.divide(sums, support, out=np.ones(len(sums)), where=is_open)


def _columns(targets, logits):
    return zip(targets.columns(), logits.columns(), strict=True)


def _count(targets, logits, thresholds, num_rows, num_labels):
    """Returns counts for each example, and for each label.

    Returns:
        `(of_rows, of_labels)`: int64[3, num_rows] and int64[3, num_labels],
        the numbers of right answers, of labels, and of answers.
    """
    of_rows = np.zeros((3, num_rows), np.int64)
    of_labels = np.zeros((3, num_labels), np.int64)
    smallest = thresholds_lib.logits_of(thresholds)
    for label, (truth, scores) in enumerate(_columns(targets, logits)):
        truth, answer = truth == 1, scores >= smallest[label]
        found = np.stack([truth & answer, truth, answer])
        of_rows += found
        of_labels[:, label] = found.sum(axis=1)
    return of_rows, of_labels


def _scores(of_rows, of_labels):
    """Returns the metrics of answers: of the split, and a dict a label."""
    columns = _three(*of_labels)
    support = of_labels[1]
    is_there = support > 0
    overall = {}
    for average, (hits, labels, answers) in (
        ("micro", of_labels.sum(axis=1, keepdims=True)),
        ("samples", of_rows),
    ):
        for score, values in _three(hits, labels, answers).items():
            overall[f"{average}_{score}"] = float(values.mean())
    for score, values in columns.items():
        macro = weighted = None
        if is_there.any():
            macro = float(values[is_there].mean())
            weighted = float(np.average(values, weights=support))
        overall[f"macro_{score}"] = macro
        overall[f"weighted_{score}"] = weighted
    hits, labels, answers = of_rows
    wrong = (labels + answers - 2 * hits).sum()
    overall["hamming_loss"] = float(wrong / (len(hits) * len(support)))
    is_right = (hits == labels) & (hits == answers)
    overall["subset_accuracy"] = float(is_right.mean())
    of_label = [
        # Nothing is known about a label that no example has.
        {
            score: float(values[i]) if is_there[i] else None
            for score, values in columns.items()
        }
        | {"support": int(support[i]), "predicted": int(of_labels[2, i])}
        for i in range(len(support))
    ]
    return overall, of_label


def _three(hits, labels, answers):
    """Returns precision, recall and F1 by name, 0 where they are 0 / 0."""
    return {
        "precision": _divide(hits, answers),
        "recall": _divide(hits, labels),
        "f1": _divide(2 * hits, labels + answers),
    }


def _mean_of_defined(values):
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def _divide(a, b):
    return np.divide(a, b, out=np.zeros(len(a)), where=b != 0)
