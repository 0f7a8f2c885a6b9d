"""Any number of labels for each example, as `sport;politics`."""

import dataclasses

import numpy as np

from tfmodels.settings import setting
from trainers.errors import raise_problems
from trainers.objectives.objective import Objective
from trainers.objectives.objective import ObjectiveConfig


@dataclasses.dataclass(slots=True)
class MultiLabelConfig(ObjectiveConfig):
    """Settings of the objective."""

    threshold: float = setting(
        0.5, "Smallest probability of a label in an answer.", above=0, below=1
    )

    def make_objective(self):
        """Returns a `MultiLabel`, before its labels are known."""
        return MultiLabel(self)


class MultiLabel(Objective):
    """One sigmoid for each label.

    Attributes:
        names: List of str. The labels; `None` before the data is known.
    """

    shown_metrics = ("loss", "micro_f1")
    metrics = ("loss", "subset_accuracy", "micro_f1")

    def __init__(self, config, names=None):
        """Makes the objective.

        Args:
            config: `MultiLabelConfig`.
            names: List of str, or `None`.
        """
        self.names = names
        self._config = config

    def parse(self, values):
        """Returns the labels of a row; there can be none.

        Args:
            values: Dict of str with `label`.
        """
        words = {word.strip() for word in values["label"].split(";")}
        return tuple(sorted(words - {""}))

    def strata(self, targets):
        """Returns the set of labels of each example as one word.

        Args:
            targets: Sequence of tuples of str.
        """
        return [";".join(target) for target in targets]

    def fitted(self, splits, source_names=None):
        """Returns the objective with its labels, and 1 for each label.

        Args:
            splits: Dict by split of `Examples`. The targets are tuples of str
                of `parse`, or 0 and 1 [num_examples, num_labels] of images.
            source_names: List of str. Names of the columns of images.

        Returns:
            `MultiLabel`, and a dict by split of float32[num_examples,
            num_labels].
        """
        if source_names is not None:
            targets = {
                split: e.targets.astype(np.float32)
                for split, e in splits.items()
            }
            return type(self)(self._config, source_names), targets
        words = {x for e in splits.values() for row in e.targets for x in row}
        names = self.names or sorted(words)
        raise_problems(
            "labels that the model does not know", sorted(words - {*names})
        )
        targets = {
            split: np.array(
                [[name in row for name in names] for row in e.targets],
                np.float32,
            )
            for split, e in splits.items()
        }
        return type(self)(self._config, names), targets

    def state(self):
        """Returns the labels."""
        return self.names

    def restored(self, state):
        """Returns the objective of a finished run.

        Args:
            state: List of str.
        """
        return type(self)(self._config, state)

    @property
    def num_outputs(self):
        """Number of logits, one for each label."""
        return len(self.names)

    def example_losses(self, targets, logits):
        """Returns the binary cross-entropy, the mean over the labels.

        Args:
            targets: float32[batch, num_labels].
            logits: float[batch, num_labels].

        Returns:
            `float32[batch]`.
        """
        import tensorflow as tf

        losses = tf.nn.sigmoid_cross_entropy_with_logits(
            targets, tf.cast(logits, tf.float32)
        )
        return tf.reduce_mean(losses, axis=-1)

    def summarize(self, targets, logits):
        """Returns what evaluation keeps of each example.

        Args:
            targets: float32[batch, num_labels].
            logits: float32[batch, num_labels].
        """
        return {
            "loss": self.example_losses(targets, logits),
            "target": targets,
            "answered": self._answer(logits),
        }

    def measure(self, batches):
        """Returns the metrics of a split.

        Args:
            batches: Iterable of dicts of arrays.
        """
        loss = right = hits = words = count = 0
        for batch in batches:
            truth, answer = batch["target"] == 1, batch["answered"] == 1
            loss += batch["loss"].sum(dtype=np.float64)
            right += (truth == answer).all(axis=1).sum()
            hits += (truth & answer).sum()
            words += truth.sum() + answer.sum()
            count += len(truth)
        return {
            "loss": float(loss / count),
            "subset_accuracy": float(right / count),
            "micro_f1": float(2 * hits / max(words, 1)),
            "num_examples": count,
        }

    def outputs(self, logits):
        """Returns the outputs of the signatures.

        Args:
            logits: float32[batch, num_labels].

        Returns:
            Dict of `probabilities: float32`, `answered: float32` (1 for the
            labels of the answer) and `labels: string`, all [batch,
            num_labels].
        """
        import tensorflow as tf

        probabilities = tf.sigmoid(logits)
        labels = tf.broadcast_to(
            tf.constant(self.names), tf.shape(probabilities)
        )
        return {
            "probabilities": probabilities,
            "answered": self._answer(logits),
            "labels": labels,
        }

    def _answer(self, logits):
        import tensorflow as tf

        is_likely = tf.sigmoid(logits) >= self._config.threshold
        return tf.cast(is_likely, tf.float32)

    def describe(self, target):
        """Returns the labels of an example in words.

        Args:
            target: float32[num_labels].
        """
        pairs = zip(self.names, target, strict=True)
        return ", ".join(name for name, is_there in pairs if is_there) or "none"

    def counts(self, targets):
        """Returns the number of examples with each label.

        Args:
            targets: float32[num_examples, num_labels].
        """
        counts = targets.sum(axis=0).astype(int).tolist()
        return {"examples_by_class": dict(zip(self.names, counts, strict=True))}

    def purpose(self, what):
        """Returns what a model does, for the model card.

        Args:
            what: str. The inputs in words.
        """
        return f"Finds which of {len(self.names)} labels fit {what}"
