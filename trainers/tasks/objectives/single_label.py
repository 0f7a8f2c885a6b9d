"""One class for each example: softmax classification."""

import keras
import tensorflow as tf

from trainers.metrics import classification
from trainers.metrics import pictures
from trainers.tasks.objectives import class_weights


class SingleLabel:
    """The classes of the examples are learned, one for each example.

    >>> import numpy as np
    >>> from trainers.config import ImageClassificationConfig
    >>> objective = SingleLabel(ImageClassificationConfig(), ["cat", "dog"])
    >>> objective.num_outputs
    2
    >>> loss = objective.example_losses(np.array([1]), np.array([[0.0, 0.0]]))
    >>> print(f"{loss[0]:.3f}")  # log(2)
    0.693

    Attributes:
        names: List of str. Class names in label order; `None` before the data
            is known.
    """

    def __init__(self, config, names=None, weights=None):
        """Makes the objective.

        Args:
            config: Task part of an `ExperimentConfig`, with `label_smoothing`
                and `class_weights`.
            names: List of str. Class names in label order, or `None`.
            weights: float32[num_classes]. Factor of the loss of each class;
                `None` means 1.
        """
        self.names = names
        self._config = config
        self._weights = weights

    def fitted(self, names, targets):
        """Returns the objective for the data of a run.

        Args:
            names: List of str. Class names in label order.
            targets: int32[num_examples]. Labels of the training split.

        Returns:
            `SingleLabel`.

        Raises:
            ConfigError: `class_weights` names an unknown class.
        """
        weights = class_weights.parse(
            self._config.class_weights, names, targets
        )
        return SingleLabel(self._config, names, weights)

    def restored(self, names):
        """Returns the objective of a finished run, which is not for training.

        Args:
            names: List of str. Class names in label order.

        Returns:
            `SingleLabel`.
        """
        return SingleLabel(self._config, names)

    @property
    def num_outputs(self):
        """Number of logits of the network, int."""
        return len(self.names)

    def example_losses(self, targets, logits):
        """Returns the training loss of each example.

        It is the cross-entropy with the target (1 - s) * label + s /
        num_classes, where s is the label smoothing, times the weight of the
        class.

        Args:
            targets: int32[batch]. Labels.
            logits: float[batch, num_classes].

        Returns:
            `float32[batch]`.
        """
        logits = tf.cast(logits, tf.float32)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        smoothing = self._config.label_smoothing
        if smoothing:
            uniform = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
            losses = (1 - smoothing) * losses + smoothing * uniform
        if self._weights is not None:
            losses *= tf.gather(self._weights, targets)
        return losses

    def make_train_metrics(self):
        """Returns the metrics that training shows.

        Returns:
            List of `keras.metrics.Metric` of (targets, logits, sample_weight).
        """
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def summarize(self, targets, logits):
        """Returns what evaluation keeps of each example.

        Args:
            targets: int32[batch]. Labels.
            logits: float32[batch, num_classes].

        Returns:
            Dict of `label: int32[batch]` and `logits: float32[batch,
            num_classes]`.
        """
        return {"label": targets, "logits": logits}

    def measure(self, summaries):
        """Returns all metrics of a split, see `classification_metrics`.

        Args:
            summaries: Dict of arrays. Results of `summarize` of all examples.

        Returns:
            dict for `metrics.json`.
        """
        return classification.classification_metrics(
            summaries["label"], summaries["logits"], self.names
        )

    def text_report(self, summaries):
        """Returns the metrics of each class as a table for the log.

        Args:
            summaries: As for `measure`.
        """
        return classification.text_report(
            summaries["label"], summaries["logits"], self.names
        )

    def pictures(self, metrics):
        """Returns pictures of the metrics for TensorBoard.

        Args:
            metrics: dict from `measure`.

        Returns:
            Dict by name of uint8[height, width, 3].
        """
        matrix = metrics["confusion_matrix"]
        picture = pictures.confusion_matrix(matrix, self.names)
        return {"confusion_matrix": picture}

    def describe(self, target):
        """Returns a target in words: the name of the class.

        Args:
            target: int. Label.
        """
        return self.names[target]

    def outputs(self, logits):
        """Returns the outputs of a signature.

        Args:
            logits: float32[batch, num_classes].

        Returns:
            Dict of `logits` and `probabilities`, both `float32[batch,
            num_classes]`, `class_id: int64[batch]` and `label: string[batch]`.
        """
        class_id = tf.argmax(logits, axis=-1)
        return {
            "logits": logits,
            "probabilities": tf.nn.softmax(logits),
            "class_id": class_id,
            "label": tf.gather(tf.constant(self.names), class_id),
        }

    def ranking(self, logits):
        """Returns all classes, best first. Equal scores are in label order.

        Args:
            logits: float32[batch, num_classes].

        Returns:
            Dict of `classes: string[batch, num_classes]` and `scores:
            float32[batch, num_classes]`. The scores are probabilities.
        """
        # Among equal elements, the op puts the lower index first.
        scores, order = tf.math.top_k(tf.nn.softmax(logits), len(self.names))
        return {"classes": tf.gather(self.names, order), "scores": scores}
