"""Any number of labels for each example: a sigmoid for each label."""

import dataclasses

import numpy as np

from tfmodels.settings import setting
from trainers.metrics import label_bars
from trainers.metrics import label_names
from trainers.metrics import label_report
from trainers.metrics import many_labels
from trainers.metrics import thresholds as thresholds_lib
from trainers.objectives import label_card
from trainers.objectives import label_outputs
from trainers.objectives import label_rows
from trainers.objectives import label_sets
from trainers.objectives.objective import Objective
from trainers.objectives.objective import ObjectiveConfig


@dataclasses.dataclass(slots=True)
class MultiLabelConfig(ObjectiveConfig):
    """Any number of labels for each example.

    >>> MultiLabelConfig(label_columns=("spam", "urgent")).label_separator
    ';'
    """

    label_separator: str = setting(
        ";",
        "Text between the labels in the column of labels of a file, such as "
        "`,` or `|`. White space around a label is no part of it. Lists of "
        "JSON, Parquet, Arrow, TFRecord and TFDS need no separator.",
        only_with=("label_columns", ((),)),
    )
    label_columns: tuple[str, ...] = setting(
        (),
        "Labels, if each has a column of its own in the files, with 0, 1, "
        "true or false. Empty means that --config.data.label_column names a "
        "column with all labels of a row.",
    )
    positive_weights: str = setting(
        "none",
        "Factor of the training loss of the examples that have a label. "
        "`balanced` is the number of examples without the label for each "
        "example with it. Rare labels are then found more often, and wrongly "
        "found more often.",
        choices=("none", "balanced"),
    )
    largest_positive_weight: float = setting(
        10.0,
        "Largest factor of `positive_weights`. The smallest one is its "
        "inverse.",
        at_least=1,
        only_with=("positive_weights", ("balanced",)),
    )

    def make_objective(self):
        """Returns a `MultiLabel`, before its labels are known."""
        return MultiLabel(self)

    def problems(self, config):
        """Yields the broken rules of an experiment.

        Args:
            config: `ExperimentConfig` with these settings.
        """
        if not self.label_separator:
            yield (
                "`--config.task.label_separator` must be a text of one "
                "character or more. Received: ''. If each label has a column, "
                "name the columns with --config.task.label_columns."
            )
        columns = self.label_columns
        if not columns:
            return
        if hasattr(config.data, "image_column"):
            yield (
                "`--config.task.label_columns` is for files of texts; for "
                "images, the source has a row of 0 and 1. Received: "
                f"{columns!r}. Set --config.task.label_columns=."
            )
            return
        if len(set(columns)) < len(columns) or "" in columns:
            yield (
                "`--config.task.label_columns` must name each column once. "
                f"Received: {columns!r}."
            )
        other = getattr(config.data, "label_column", "label")
        if other != "label":
            yield (
                "`--config.data.label_column` must not be given with "
                "--config.task.label_columns, which names all columns of "
                f"labels. Received: {other!r}."
            )


class MultiLabel(Objective):
    """The labels of the examples are learned, any number for each example.

    An answer has the labels whose probability reaches a threshold. After the
    training, a threshold for each label is chosen on the validation split, see
    `decide`. Until then, `measure` chooses them on the split that it measures,
    and answers have those of 0.5.

    >>> import numpy as np
    >>> objective = MultiLabel(MultiLabelConfig(), ["cat", "dog"])
    >>> objective.num_outputs
    2
    >>> loss = objective.example_losses(
    ...     np.array([[1, 0]], np.uint8), np.array([[0.0, 0.0]], np.float32)
    ... )
    >>> print(f"{loss[0]:.3f}")  # log(2)
    0.693

    Attributes:
        names: List of str. The labels; `None` before the data is known.
        thresholds: List of float. Smallest probability of each label in an
            answer; `None` before they are chosen.
    """

    shown_metrics = ("loss", "micro_f1", "macro_f1")
    metrics = label_names.METRICS
    part_metrics = label_names.PER_LABEL
    settings_of_targets = ("label_separator", "label_columns")
    ranks = True
    takes_json = True
    decides = True
    output_names = label_outputs.NAMES
    names_are_outputs = True

    def __init__(
        self, config, names=None, weights=None, thresholds=None, prior=None
    ):
        """Makes the objective.

        Args:
            config: `MultiLabelConfig`.
            names: List of str, or `None`.
            weights: float32[num_labels]. Factor of the loss of the examples
                that have a label; `None` means 1.
            thresholds: List of float, or `None`.
            prior: float32[num_labels]. Logits of the shares of the examples
                that have a label; `None` before the training.
        """
        self.names = names
        self.thresholds = thresholds
        self._config = config
        self._weights = weights
        self._prior = prior

    def target_columns(self, data):
        """Returns the columns of a file that contain the labels of a row.

        Args:
            data: Data part of an `ExperimentConfig`.
        """
        columns = self._config.label_columns
        if columns:
            return {f"label {name}": name for name in columns}
        return super().target_columns(data)

    def column_flag(self, name):
        """Returns the flag that names a column, for messages.

        Args:
            name: str. Key of `target_columns`.
        """
        if self._config.label_columns:
            return "--config.task.label_columns"
        return super().column_flag(name)

    def parse(self, values):
        """Returns the `LabelSet` of a row, see `label_rows`.

        Args:
            values: Dict with the fields of `target_columns`.

        Raises:
            ValueError: The labels have another form.
        """
        columns = self._config.label_columns
        if columns:
            return label_rows.parse_columns(
                {name: values[f"label {name}"] for name in columns}
            )
        return label_rows.parse(values["label"], self._config.label_separator)

    def strata(self, targets):
        """Returns the rarest label of each row: each split has its share.

        Args:
            targets: Sequence of `LabelSet`.
        """
        return label_sets.rarest(targets)

    def fitted(self, splits, source_names=None):
        """Returns the objective with its labels, and rows of 0 and 1.

        Args:
            splits: Dict by split of `Examples`, see `label_sets.fit`.
            source_names: List of str. Names of numbers, or `None`.

        Returns:
            `MultiLabel`, and a dict by split of uint8[num_examples,
            num_labels].

        Raises:
            DataError: A row breaks a rule.
        """
        names, targets = label_sets.fit(
            splits, source_names, self.names, self._config.label_columns
        )
        return self._with(names=names), targets

    def check_splits(self, splits, cut=()):
        """Checks that `train` has all labels, see `label_sets.check_splits`.

        Args:
            splits: Dict by split of `Examples` with rows of 0 and 1.
            cut: Names of the splits that were cut from the end of `train`.

        Raises:
            DataError: A label is missing.
        """
        label_sets.check_splits(splits, self.names, cut)

    def for_training(self, targets):
        """Returns the objective with the weights and shares of the labels.

        Args:
            targets: uint8[num_examples, num_labels] of the training split.
        """
        # No share is 0 or 1, because its logit would be infinite.
        positive = label_sets.count(targets) + 1
        odds = positive / (len(targets) + 2 - positive)
        weights = None
        if self._config.positive_weights == "balanced":
            largest = self._config.largest_positive_weight
            weights = np.clip(1 / odds, 1 / largest, largest)
            odds = odds * weights
            weights = weights.astype(np.float32)
        return self._with(
            weights=weights, prior=np.log(odds).astype(np.float32)
        )

    def state(self):
        """Returns the labels."""
        return list(self.names)

    def restored(self, state):
        """Returns the objective of a finished run.

        Args:
            state: List of str. The labels.

        Raises:
            ValueError: It is no list of different names.
        """
        if (
            not isinstance(state, list)
            or not all(isinstance(name, str) for name in state)
            or len(set(state)) < len(state)
        ):
            raise ValueError("not a list of distinct names.")
        return self._with(names=state)

    def decide(self, metrics):
        """Returns the thresholds that `measure` has chosen.

        Args:
            metrics: dict from `measure` of the validation split.

        Returns:
            Dict of `thresholds`, a dict of float by label.
        """
        return {
            "thresholds": {
                name: numbers["threshold"]
                for name, numbers in metrics["per_label"].items()
            }
        }

    def decided(self, decisions):
        """Returns the objective with thresholds.

        Args:
            decisions: dict from `decide`. `None`, without a validation split,
                means 0.5 for each label.

        Raises:
            ValueError: It has another form.
        """
        chosen = dict.fromkeys(self.names, thresholds_lib.DEFAULT)
        if decisions is not None:
            chosen = decisions.get("thresholds")
        if (
            not isinstance(chosen, dict)
            or chosen.keys() != {*self.names}
            or not all(
                isinstance(x, float) and 0 < x < 1 for x in chosen.values()
            )
        ):
            raise ValueError("not a threshold between 0 and 1 for each label.")
        return self._with(thresholds=[chosen[name] for name in self.names])

    def _with(self, **changes):
        """Returns a copy with other attributes."""
        attributes = {
            "names": self.names,
            "weights": self._weights,
            "thresholds": self.thresholds,
            "prior": self._prior,
        }
        return type(self)(self._config, **attributes | changes)

    @property
    def num_outputs(self):
        """Number of logits of the network, one for each label."""
        return len(self.names)

    def example_losses(self, targets, logits):
        """Returns the binary cross-entropy, the mean over the labels.

        Args:
            targets: uint8[batch, num_labels].
            logits: float[batch, num_labels].

        Returns:
            `float32[batch]`.
        """
        import tensorflow as tf

        targets = tf.cast(targets, tf.float32)
        logits = tf.cast(logits, tf.float32)
        if self._weights is None:
            losses = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
        else:
            losses = tf.nn.weighted_cross_entropy_with_logits(
                targets, logits, self._weights
            )
        return tf.reduce_mean(losses, axis=-1)

    def initial_logits(self):
        """Returns the logits that answer with the shares of the labels.

        With logits of 0, many steps would only learn that labels are rare.

        References:
            Lin et al. 2017, Focal Loss for Dense Object Detection, section
            3.3, https://arxiv.org/abs/1708.02002.
        """
        return self._prior

    @property
    def part_names(self):
        """`names`."""
        return self.names

    def why_undefined(self, name, targets):
        """Returns why no model can have a metric on a split, or `None`.

        Args:
            name: str. One of `metrics` or of `part_metrics`.
            targets: uint8[num_examples, num_labels] of the split.
        """
        return many_labels.why_undefined(name, targets, self.names)

    def is_better_low(self, name):
        """Returns whether lower values of a metric are better.

        Args:
            name: str. As for `scalar`.
        """
        return name in label_names.LOWER_IS_BETTER

    def measure(self, batches):
        """Returns all metrics of a split, see `many_labels`.

        Before the thresholds are chosen, it chooses them on this split.

        Args:
            batches: Iterable of dicts of arrays. Results of `summarize`. It is
                read once, and memory does not contain all of it.
        """
        return many_labels.metrics_of_batches(
            ((batch["target"], batch["logits"]) for batch in batches),
            self.names,
            self.thresholds,
        )

    def text_report(self, metrics):
        """Returns the metrics of each label as a table for the log.

        Args:
            metrics: dict from `measure`.
        """
        return label_report.text_report(metrics)

    def pictures(self, metrics):
        """Returns a picture of the scores of each label.

        Args:
            metrics: dict from `measure`.

        Returns:
            Dict by name of uint8[height, width, 3].
        """
        return {"labels": label_bars.draw(metrics["per_label"])}

    def texts(self, metrics):
        """Returns the names of labels that the picture shows as numbers.

        Args:
            metrics: dict from `measure`.

        Returns:
            Dict of `class_numbers`, a table in Markdown, or an empty dict.
        """
        legend = label_bars.legend(metrics["per_label"])
        return {"class_numbers": legend} if legend else {}

    def describe(self, target):
        """Returns the labels of an example in words.

        Args:
            target: uint8[num_labels].
        """
        pairs = zip(self.names, target, strict=True)
        return ", ".join(name for name, is_there in pairs if is_there) or "none"

    def outputs(self, logits):
        """Returns the outputs of a signature, see `label_outputs.outputs`."""
        return label_outputs.outputs(logits, self.names, self._thresholds())

    def is_in_doubt(self, logits):
        """Returns whether a label is at its threshold, see `label_outputs`."""
        return label_outputs.is_in_doubt(logits, self._thresholds())

    def _thresholds(self):
        return self.thresholds or [thresholds_lib.DEFAULT] * len(self.names)

    def ranking(self, logits):
        """Returns all labels, best first, see `label_outputs.ranking`."""
        return label_outputs.ranking(logits, self.names)

    def answers(self, outputs, *, is_short=False, scores=False):
        """Yields the answer of each row, see `label_outputs.answers`."""
        return label_outputs.answers(outputs, is_short=is_short, scores=scores)

    def counts(self, targets):
        """Returns facts about the labels of a split, see `label_card.counts`.

        Args:
            targets: uint8[num_examples, num_labels].
        """
        return label_card.counts(targets, self.names)

    def warnings(self, name, facts):
        """Yields what is suspicious, see `label_card.warnings`.

        Args:
            name: str. Name of the split.
            facts: dict. From `counts`.
        """
        return label_card.warnings(name, facts)

    def purpose(self, what):
        """Returns what a model does, see `label_card.purpose`."""
        return label_card.purpose(what, self.names)

    def quality(self, metrics):
        """Returns the tables of metrics, see `label_card.quality`."""
        return label_card.quality(metrics)

    def limits(self, split, metrics):
        """Returns what users must know, see `label_card.limits`."""
        return label_card.limits(split, metrics)
