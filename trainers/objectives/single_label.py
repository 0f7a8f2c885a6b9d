"""One class for each example: softmax classification."""

import dataclasses

import numpy as np

from tfmodels.settings import setting
from trainers.metrics import classification
from trainers.metrics import names as names_lib
from trainers.metrics import pictures
from trainers.metrics import report
from trainers.objectives import class_card
from trainers.objectives import class_outputs
from trainers.objectives import class_weights
from trainers.objectives import cross_entropy
from trainers.objectives import labels
from trainers.objectives import other_objectives
from trainers.objectives import rounding
from trainers.objectives.objective import Objective
from trainers.objectives.objective import ObjectiveConfig

_EMPTY = "the label is empty"


@dataclasses.dataclass(slots=True)
class SingleLabelConfig(ObjectiveConfig):
    """One label for each example.

    >>> SingleLabelConfig(class_weights="spam=2").label_smoothing
    0.0
    """

    label_smoothing: float = setting(
        0.0,
        "Share of the target that is spread over all classes, in training.",
        at_least=0,
        below=1,
    )
    class_weights: str = setting(
        "none",
        "Factor of the training loss for each class: `none`, `balanced` (the "
        "examples of each class weigh the same in sum), or "
        "NAME=FACTOR,NAME=FACTOR. Other classes have the factor 1.",
    )
    focal_gamma: float = setting(
        0.0,
        "Exponent of the focal loss: the loss of an example is multiplied by "
        "(1 - p) to this power, where p is the probability of its class. "
        "Examples that are already right count less. 0 means no factor.",
        at_least=0,
        at_most=100,
    )

    def make_objective(self):
        """Returns a `SingleLabel`, before its classes are known."""
        return SingleLabel(self)


class SingleLabel(Objective):
    """The classes of the examples are learned, one for each example.

    >>> import numpy as np
    >>> objective = SingleLabel(SingleLabelConfig(), ["cat", "dog"])
    >>> objective.num_outputs
    2
    >>> loss = objective.example_losses(np.array([1]), np.array([[0.0, 0.0]]))
    >>> print(f"{loss[0]:.3f}")  # log(2)
    0.693

    Attributes:
        names: List of str. Class names in label order; `None` before the data
            is known.
    """

    shown_metrics = ("loss", "accuracy", "macro_f1")
    metrics = names_lib.METRICS
    part_metrics = names_lib.PER_CLASS
    settings_of_targets = ()
    ranks = True
    output_names = class_outputs.NAMES

    def __init__(self, config, names=None, weights=None):
        """Makes the objective.

        Args:
            config: `SingleLabelConfig`.
            names: List of str. Class names in label order, or `None`.
            weights: float32[num_classes]. Factor of the loss of each class;
                `None` means 1.
        """
        self.names = names
        self._config = config
        self._weights = weights

    def parse(self, values):
        """Returns the label of a row, without white space around it.

        Args:
            values: Dict of str with `label`.

        Raises:
            ValueError: The label is empty.
        """
        label = values["label"].strip()
        if not label:
            raise ValueError(_EMPTY)
        return label

    def advice(self, problems, targets):
        """Returns what learns from empty labels beside lists, or nothing.

        Args:
            problems: Collection of str.
            targets: Iterable of str. The other labels.
        """
        if _EMPTY not in problems:
            return ""
        return other_objectives.sentence_for_empty(targets)

    def strata(self, targets):
        """Returns the labels: each class is cut by itself.

        Args:
            targets: Sequence of str.
        """
        return list(targets)

    def fitted(self, splits, source_names=None):
        """Returns the objective with its class names, and labels as positions.

        Args:
            splits: Dict by split of `Examples`. The targets are words or
                numbers.
            source_names: List of str. Class names of the numbers, or `None`.

        Returns:
            `SingleLabel`, and a dict by split of int32[num_examples].

        Raises:
            DataError: A label is none, or the model does not know it.
        """
        words = all(_are_words(e.targets) for e in splits.values())
        if words:
            names, targets = labels.from_words(splits, self.names)
        else:
            names, targets = labels.from_numbers(
                splits, source_names, self.names
            )
        return type(self)(self._config, names), targets

    def check_splits(self, splits, cut=()):
        """Checks that `train` has two classes and all of the other splits.

        Args:
            splits: Dict by split of `Examples` with labels.
            cut: Names of the splits that were cut from the end of `train`.

        Raises:
            DataError: A class is missing.
        """
        labels.check_training_classes(splits, self.names)
        labels.check_cut(cut, splits, self.names)

    def for_training(self, targets):
        """Returns the objective with the weights of the classes.

        Args:
            targets: int32[num_examples]. Labels of the training split.

        Raises:
            ConfigError: `class_weights` names an unknown class.
        """
        weights = class_weights.parse(
            self._config.class_weights, self.names, targets
        )
        return type(self)(self._config, self.names, weights)

    def state(self):
        """Returns the class names in label order."""
        return list(self.names)

    def restored(self, state):
        """Returns the objective of a finished run.

        Args:
            state: List of str. Class names in label order.

        Raises:
            ValueError: It is no list of different names.
        """
        if (
            not isinstance(state, list)
            or not all(isinstance(name, str) for name in state)
            or len(set(state)) < len(state)
        ):
            raise ValueError("not a list of distinct names.")
        return type(self)(self._config, state)

    @property
    def num_outputs(self):
        """Number of logits of the network, int."""
        return len(self.names)

    def example_losses(self, targets, logits):
        """Returns the training loss of each example, see `cross_entropy`.

        Args:
            targets: int32[batch]. Labels.
            logits: float[batch, num_classes].

        Returns:
            `float32[batch]`.
        """
        return cross_entropy.losses(
            targets,
            logits,
            smoothing=self._config.label_smoothing,
            gamma=self._config.focal_gamma,
            weights=self._weights,
        )

    def make_train_metrics(self):
        """Returns the metrics that training shows.

        Returns:
            List of `keras.metrics.Metric` of (targets, logits, sample_weight).
        """
        import keras

        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    @property
    def part_names(self):
        """`names`."""
        return self.names

    def why_undefined(self, name, targets):
        """Returns why no model can have a metric on a split, or `None`.

        Args:
            name: str. One of `metrics` or of `part_metrics`.
            targets: int32[num_examples]. Labels of the split.
        """
        return classification.why_undefined(name, targets, self.names)

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

    def measure(self, batches):
        """Returns all metrics of a split, see `metrics_of_batches`.

        Args:
            batches: Iterable of dicts of arrays. Results of `summarize`. It is
                read once, and memory does not contain all of it.

        Returns:
            dict for `metrics.json`.
        """
        return classification.metrics_of_batches(
            ((batch["label"], batch["logits"]) for batch in batches),
            self.names,
        )

    def text_report(self, metrics):
        """Returns the metrics of each class as a table for the log.

        Args:
            metrics: dict from `measure`.
        """
        return report.text_report(metrics)

    def pictures(self, metrics):
        """Returns pictures of the metrics for the trackers.

        Args:
            metrics: dict from `measure`.

        Returns:
            Dict by name of uint8[height, width, 3].
        """
        cells = metrics["confusion_matrix"]
        picture = pictures.confusion_matrix(cells, self.names)
        return {"confusion_matrix": picture}

    def texts(self, metrics):
        """Returns the names of classes that the picture shows as numbers.

        Args:
            metrics: dict from `measure`.

        Returns:
            Dict of `class_numbers`, a table in Markdown, or an empty dict.
        """
        cells = metrics["confusion_matrix"]
        legend = pictures.legend(cells, self.names)
        return {"class_numbers": legend} if legend else {}

    def describe(self, target):
        """Returns a target in words: the name of the class.

        Args:
            target: int. Label.
        """
        return self.names[target]

    def outputs(self, logits):
        """Returns the outputs of a signature, see `class_outputs.outputs`."""
        return class_outputs.outputs(logits, self.names)

    def is_in_doubt(self, logits):
        """Returns whether two classes are best, see `rounding.is_close`."""
        return rounding.is_close(logits)

    def ranking(self, logits):
        """Returns all classes, best first, see `class_outputs.ranking`."""
        return class_outputs.ranking(logits, self.names)

    def answers(self, outputs, *, is_short=False, scores=False):
        """Yields the answer of each row, see `class_outputs.answers`."""
        return class_outputs.answers(
            outputs, self.names, is_short=is_short, scores=scores
        )

    def counts(self, targets):
        """Returns the number of examples of each class.

        Args:
            targets: int32[num_examples]. Labels.

        Returns:
            Dict of `examples_by_class`, a dict by class name.
        """
        counts = np.bincount(targets, minlength=len(self.names)).tolist()
        return {"examples_by_class": dict(zip(self.names, counts, strict=True))}

    def warnings(self, name, facts):
        """Yields a warning if a split lacks classes.

        Args:
            name: str. Name of the split.
            facts: dict. From `counts`.
        """
        yield from labels.without_examples(
            name, facts["examples_by_class"], "classes"
        )

    def purpose(self, what):
        """Returns what a model does, see `class_card.purpose`."""
        return class_card.purpose(what, self.names)

    def quality(self, metrics):
        """Returns the tables of metrics, see `class_card.quality`."""
        return class_card.quality(metrics)

    def limits(self, split, metrics):
        """Returns what users must know, see `class_card.limits`."""
        return class_card.limits(split, metrics, self.names)


def _are_words(targets):
    return len(targets) > 0 and isinstance(targets[0], str)
