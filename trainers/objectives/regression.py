"""One number for each example: standardized regression."""

import dataclasses
import decimal
import math
import re

import numpy as np

from tfmodels.settings import setting
from trainers.errors import DataError
from trainers.errors import raise_problems
from trainers.metrics import regression as metrics_lib
from trainers.objectives import number_card
from trainers.objectives.objective import Objective
from trainers.objectives.objective import ObjectiveConfig

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.I)
# A comma, or points, among digits: 3,5 or 1.234,5 or 1,234.
_SEPARATED = re.compile(r"[+-]?[\d.,' ]*\d[\d.,' ]*", re.ASCII)
# Answers are float32.
_LARGEST = float(np.finfo(np.float32).max)
# Distance of neighbouring answers, in standard deviations, that is warned of.
_COARSE = 0.01
_STATE = ("mean", "deviation", "minimum", "maximum")


@dataclasses.dataclass(slots=True)
class RegressionConfig(ObjectiveConfig):
    """One number for each example.

    >>> RegressionConfig(loss="huber").huber_delta
    1.0
    """

    loss: str = setting(
        "mse",
        "Loss of training: the squared error (`mse`), or one that grows only "
        "linearly above `huber_delta` (`huber`), so that wrong targets count "
        "less. Both are of standardized targets: the unit is the standard "
        "deviation of the targets of train.",
        choices=("mse", "huber"),
    )
    huber_delta: float = setting(
        1.0,
        "Error, in standard deviations, above which the loss `huber` is "
        "linear.",
        above=0,
        only_with=("loss", ("huber",)),
    )
    clip_to_training_range: bool = setting(
        False,
        "Whether answers below the smallest and above the largest target of "
        "train become that target. The metrics are of these answers; the loss "
        "is not.",
    )

    def make_objective(self):
        """Returns a `Regression`, before its data is known."""
        return Regression(self)


class Regression(Objective):
    """The numbers of the examples are learned, one for each example.

    Targets are in their own unit. The network answers in standard deviations
    from the mean of train; loss and answers convert it.

    >>> import numpy as np
    >>> state = {"mean": 10, "deviation": 2, "minimum": 7, "maximum": 13}
    >>> objective = Regression(RegressionConfig()).restored(state)
    >>> answers = objective.outputs(np.array([[0.5]], np.float32))
    >>> answers["value"].numpy().tolist()
    [11.0]
    """

    shown_metrics = ("loss", "mae", "pearson")
    output_names = ("value",)
    metrics = metrics_lib.METRICS
    settings_of_targets = ()
    takes_json = True
    regresses = True
    names_are_outputs = True
    num_outputs = 1

    def __init__(self, config, state=None):
        """Makes the objective.

        Args:
            config: `RegressionConfig`.
            state: Dict of `mean`, `deviation`, `minimum` and `maximum` of the
                targets of train, floats; `None` before the data is known.
        """
        self._config = config
        self._state = state

    def parse(self, values):
        """Returns the number of a row.

        Args:
            values: Dict with `label`: a str, or a number of a JSON file.

        Returns:
            float.

        Raises:
            ValueError: The value is no finite number, or too large.
        """
        return _number(values["label"])

    def fitted(self, splits, source_names=None):
        """Returns the objective with the scale of train, and the targets.

        Args:
            splits: Dict by split of `Examples`. The targets are results of
                `parse`, or an array of numbers.
            source_names: List of str. Class names of the numbers; they are
                refused.

        Returns:
            `Regression`, and a dict by split of float64[num_examples], in the
            unit of the data.

        Raises:
            DataError: A target is no finite number, or numbers are classes.
        """
        if source_names is not None:
            raise DataError(
                "the labels are classes, which have no order and no distances. "
                f"Received: {', '.join(map(repr, source_names[:10]))}. To "
                "learn classes, set --config.task.objective=single_label."
            )
        targets = {
            name: _numbers(name, examples) for name, examples in splits.items()
        }
        if self._state is not None:
            return self, targets
        train = targets["train"]
        state = {
            "mean": float(train.mean()),
            "deviation": float(train.std()),
            "minimum": float(train.min()),
            "maximum": float(train.max()),
        }
        if state["minimum"] == state["maximum"]:
            state["deviation"] = 0.0  # The mean can be rounded.
        return Regression(self._config, state), targets

    def check_splits(self, splits, cut=()):
        """Checks that the targets of `train` differ.

        Args:
            splits: Dict by split of `Examples` with targets.
            cut: Not used.

        Raises:
            DataError: All targets of `train` are equal.
        """
        if not self._state["deviation"]:
            words = self.describe(self._state["mean"])
            raise DataError(
                "split train: must contain at least two different numbers to "
                f"learn from. Received: only {words}, "
                f"{len(splits['train'])} examples. If another column has the "
                "numbers, name it with --config.data.label_column."
            )

    def state(self):
        """Returns mean, deviation, minimum and maximum of train."""
        return dict(self._state)

    def restored(self, state):
        """Returns the objective of a finished run.

        Args:
            state: Dict from `state`.

        Raises:
            ValueError: It is no such dict.
        """
        is_state = isinstance(state, dict) and sorted(state) == sorted(_STATE)
        if not is_state or not all(
            isinstance(x, float | int) and math.isfinite(x)
            for x in state.values()
        ):
            raise ValueError(f"not an object of the numbers {_STATE}.")
        return Regression(
            self._config, {name: float(state[name]) for name in _STATE}
        )

    def example_losses(self, targets, logits):
        """Returns the training loss of each example.

        Args:
            targets: float64[batch]. In the unit of the data.
            logits: float[batch, 1].

        Returns:
            `float32[batch]`, in standard deviations of train.
        """
        import tensorflow as tf

        # float64: the digits of large numbers that differ by little.
        wanted = tf.cast(targets, tf.float64) - self._state["mean"]
        wanted = tf.cast(wanted / self._state["deviation"], tf.float32)
        error = tf.cast(logits, tf.float32)[:, 0] - wanted
        if self._config.loss == "mse":
            return error**2
        size, delta = tf.abs(error), self._config.huber_delta
        linear = delta * (size - delta / 2)
        return tf.where(size <= delta, error**2 / 2, linear)

    # Measuring.

    def why_undefined(self, name, targets):
        """Returns why no model can have a metric on a split, or `None`.

        Args:
            name: str. One of `metrics`.
            targets: float64[num_examples].
        """
        return metrics_lib.why_undefined(name, targets)

    def is_better_low(self, name):
        """Returns whether lower values of a metric are better.

        Args:
            name: str. One of `metrics`.
        """
        return metrics_lib.is_better_low(name)

    def summarize(self, targets, logits):
        """Returns what evaluation keeps of each example.

        Args:
            targets: float64[batch].
            logits: float32[batch, 1].

        Returns:
            Dict of `target: float64[batch]`, `value: float32[batch]`, the
            answer as it is served, and `loss: float32[batch]`.
        """
        return {
            "target": targets,
            "value": self.outputs(logits)["value"],
            "loss": self.example_losses(targets, logits),
        }

    def measure(self, batches):
        """Returns all metrics of a split.

        Args:
            batches: Iterable of dicts of arrays. Results of `summarize`.

        Returns:
            dict for `metrics.json`: `loss`, the mean of `example_losses`, in
            standard deviations of train, and `metrics_of` of
            `metrics.regression`, in the unit of the data.
        """
        columns = [
            (batch["target"], batch["value"], batch["loss"])
            for batch in batches
        ]
        targets, values, losses = map(
            np.concatenate, zip(*columns, strict=True)
        )
        loss = float(losses.mean(dtype=np.float64))
        return {"loss": loss} | metrics_lib.metrics_of(targets, values)

    def text_report(self, metrics):
        """Returns the metrics as lines for the log.

        Args:
            metrics: dict from `measure`.
        """
        return number_card.text_report(metrics)

    def pictures(self, metrics):
        """Returns pictures of predictions and residuals for the trackers.

        Args:
            metrics: dict from `measure`.

        Returns:
            Dict by name of uint8[height, width, 3].
        """
        from trainers.metrics import number_pictures

        if metrics["residuals"] is None:
            return {}
        return {
            "predicted_by_true": number_pictures.predicted_by_true(metrics),
            "residuals": number_pictures.residuals(metrics),
        }

    # Answers.

    def outputs(self, logits):
        """Returns the outputs of the signatures.

        Args:
            logits: float32[batch, 1].

        Returns:
            Dict of `value: float32[batch]`, in the unit of the data.
        """
        import tensorflow as tf

        return {"value": tf.cast(self._values(logits), tf.float32)}

    def regression(self, logits):
        """Returns the output of `regress`.

        Args:
            logits: float32[batch, 1].

        Returns:
            Dict of `outputs: float32[batch]`, in the unit of the data.
        """
        return {"outputs": self.outputs(logits)["value"]}

    def _values(self, logits):
        """Returns the answers of logits, `float64[batch]`."""
        import tensorflow as tf

        # As logits are float32, the sum keeps their digits only in float64.
        values = tf.cast(logits, tf.float64)[:, 0] * self._state["deviation"]
        values += self._state["mean"]
        if self._config.clip_to_training_range:
            low, high = self._state["minimum"], self._state["maximum"]
            values = tf.clip_by_value(values, low, high)
        return values

    def answers(self, outputs, *, is_short=False, scores=False):
        """Yields the answer of each row for `predict`.

        Args:
            outputs: Dict of `value: float32[num_rows]`.
            is_short: Not used: an answer is one number.
            scores: Not used.

        Yields:
            Dict of `value`, a float with the digits of a float32.
        """
        for value in outputs["value"]:
            yield {"value": float(str(np.float32(value)))}

    # Words.

    def describe(self, target):
        """Returns a number in words, with all its digits.

        Args:
            target: float.
        """
        return repr(float(target)).removesuffix(".0")

    def counts(self, targets):
        """Returns facts about the numbers of a split.

        Args:
            targets: float64[num_examples].

        Returns:
            Dict of `minimum`, `maximum`, `mean` and `deviation`, and
            `far_outside`, the count of numbers more than one standard
            deviation of train below its smallest or above its largest number.
        """
        margin = self._state["deviation"]
        is_far = targets < self._state["minimum"] - margin
        is_far |= targets > self._state["maximum"] + margin
        return {
            "minimum": float(targets.min()),
            "maximum": float(targets.max()),
            "mean": float(targets.mean()),
            "deviation": float(targets.std()),
            "far_outside": int(is_far.sum()),
        }

    def warnings(self, name, facts):
        """Yields what is suspicious about the numbers of a split, in words.

        It is that answers, which are float32, are too coarse for train, or that
        numbers are far outside of those of train.

        Args:
            name: str. Name of the split.
            facts: dict. From `counts`.
        """
        mean, deviation = self._state["mean"], self._state["deviation"]
        step = float(np.spacing(np.float32(abs(mean))))
        if name == "train" and step > deviation * _COARSE:
            yield (
                f"split train: answers are float32, which near {mean:.6g}, the "
                f"mean of the numbers, are {step:.4g} apart. The standard "
                f"deviation of the numbers is {deviation:.4g}. Learn the "
                "differences from a number such as the mean, and add it to the "
                "answers."
            )
        if facts["far_outside"]:
            low, high, least, most = map(
                self.describe,
                (
                    *(self._state["minimum"], self._state["maximum"]),
                    *(facts["minimum"], facts["maximum"]),
                ),
            )
            yield (
                f"split {name}: {facts['far_outside']} of {facts['examples']} "
                "numbers are far outside of those of train, by more than their "
                f"standard deviation. train: from {low} to {high}. {name}: "
                f"from {least} to {most}."
            )

    def purpose(self, what):
        """Returns what a model does, for the model card.

        Args:
            what: str. The inputs in words.
        """
        return (
            f"Predicts a number for {what}, like those of train, from "
            f"{self.describe(self._state['minimum'])} to "
            f"{self.describe(self._state['maximum'])}"
        )

    def quality(self, metrics):
        """Returns the tables of metrics, see `number_card.quality`."""
        return number_card.quality(metrics)

    def limits(self, split, metrics):
        """Returns what users must know, see `number_card.limits`."""
        return number_card.limits(
            split, metrics, self._state, self._config.clip_to_training_range
        )


def _number(value):
    """Returns the float of a value of a file."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]  # As TFRecord files have it.
    if value is None or (isinstance(value, str) and not value.strip()):
        raise ValueError("the number is empty")
    number = value
    if isinstance(value, decimal.Decimal):  # Of a Parquet file.
        number = float(value)
    if isinstance(value, str):
        word = value.strip()
        if not _NUMBER.fullmatch(word):
            raise ValueError(f"{value!r} is no number{_advice(word)}")
        number = float(word)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError(f"{str(value)[:80]!r} is no number")
    # A whole number of JSON can be too large for a float. Not `<=` of NaN.
    if not abs(number) <= _LARGEST:
        raise ValueError(
            f"{str(value)[:80]!r} is no finite number of the type float32"
        )
    return float(number)


def _advice(word):
    """Returns what to do with a word that looks like a number."""
    if word.lower().strip("+-") in ("nan", "inf", "infinity"):
        return ", which has to be finite: remove the row"
    if _SEPARATED.fullmatch(word):
        return (
            ": write numbers with a decimal point and without separators of "
            "thousands, such as 1234.5"
        )
    return ""


def _numbers(split, examples):
    """Returns the targets of a split as float64[num_examples]."""
    found = np.asarray(examples.targets)
    if found.dtype == object and all(isinstance(x, float) for x in found):
        return found.astype(np.float64)  # Results of `parse`.
    if found.dtype.kind not in "iuf" or found.ndim != 1:
        raise DataError(
            f"split {split}: each example must have one number to learn. "
            f"Received: {found.dtype}, shape {found.shape}."
        )
    numbers = found.astype(np.float64)
    with np.errstate(invalid="ignore"):
        bad = np.flatnonzero(~(np.abs(numbers) <= _LARGEST))
    raise_problems(
        f"numbers of split {split} that are not finite numbers of the type "
        "float32",
        bad,
        lambda row: f"{examples.places[row]}: {found[row]}",
    )
    return numbers
