"""What every objective has: targets, loss, metrics, answers and words.

An objective is a file with two classes: its settings, an `ObjectiveConfig`, and
an `Objective`. It knows targets and logits, and no features. Its module imports
TensorFlow and Keras inside of functions only: flags are checked before.
"""

import json
import typing

from trainers.errors import ConfigError
from trainers.errors import first_of
from trainers.runtime import decimals
from trainers.runtime import look_alikes
from trainers.runtime.json_like import json_like


class ObjectiveConfig:
    """Settings of an objective, which they can make.

    The settings of an objective are a dataclass of this class, see
    `single_label`.

    Attributes:
        per_token: bool. Whether each token of a text has a target and logits
            of its own, see `DataConfig`.
    """

    __slots__ = ()
    per_token: typing.ClassVar[bool] = False

    def make_objective(self):
        """Returns the `Objective`, before its data is known."""
        raise NotImplementedError

    def problems(self, config):
        """Yields the broken rules of an experiment, a line for each.

        An objective that cannot learn from some kind of data says so here. It
        asks `kinds.name_of("data", type(config.data))`, which is `images`,
        `texts` or `MODULE:NAME`, with `kinds` of `trainers.config`.

        Args:
            config: `ExperimentConfig` with these settings.
        """
        return ()


class Objective:
    """From targets and logits to losses, metrics, answers and words.

    An objective does not change: `fitted`, `restored` and `for_training` return
    another one. The methods that raise `NotImplementedError` must be written;
    the others have a useful default.

    Attributes:
        shown_metrics: Tuple of str. Metrics of validation in the line of an
            epoch.
        metrics: Tuple of str. The metrics of a split that can select the best
            epoch.
        part_metrics: `names.PartMetrics`. Further ones, of each class, label or
            type; `None` if there are none.
        part_names: List of str. The names that have `part_metrics`; `None`
            before the data is known.
        settings_of_targets: Tuple of str. Names of the settings that change the
            targets; `None` means all. Tokenized texts are stored together with
            their targets, and are used again only if these settings and the
            code of the objective are the same.
        takes_json: bool. Whether `parse` gets what files of objects contain:
            numbers, bools, `None`, lists and dicts as well. Otherwise, they
            become words, or are refused.
        ranks: bool. Whether there is a `ranking`. Exports then have the
            signature `classify`.
        regresses: bool. Whether there is a `regression`. Exports then have the
            signature `regress`.
        decides: bool. Whether `decide` chooses something on the split
            `validation`.
        output_names: Tuple of str. Names of the `outputs`, by which `of_served`
            knows a served model; `None` means that it does not know it.
        names_are_outputs: bool. Whether the `outputs` contain all that
            `predict --scores` shows, with names. Otherwise, it asks a served
            model to `classify`.
    """

    shown_metrics = ("loss",)
    metrics = ("loss",)
    part_metrics = None
    part_names = None
    settings_of_targets = None
    takes_json = False
    ranks = False
    regresses = False
    decides = False
    output_names = None
    names_are_outputs = False

    # Targets.

    def target_columns(self, data):
        """Returns the columns of a file that contain the target of a row.

        Args:
            data: Data part of an `ExperimentConfig`.

        Returns:
            Dict from a name for `parse` to the name of the column.
        """
        return {"label": getattr(data, "label_column", "label")}

    def column_flag(self, name):
        """Returns the flag that names a column, for messages.

        Args:
            name: str. Key of `target_columns`.
        """
        return f"--config.data.{name}_column"

    def parse(self, values):
        """Returns the raw target of a row of a file.

        Args:
            values: Dict by the names of `target_columns` of str, or of what
                JSON contains if the objective `takes_json`. Tables such as CSV
                have str alone. The texts of the row are there as well, as
                bytes.

        Returns:
            Any object.

        Raises:
            ValueError: The row has no target; the message says why.
        """
        raise NotImplementedError

    def advice(self, problems, targets):
        """Returns a sentence about rows that have no target, or nothing.

        Args:
            problems: Collection of str. The messages of `parse` and of other
                checks of rows.
            targets: Iterable of raw targets, those of the other rows.

        Returns:
            str.
        """
        return ""

    def strata(self, targets):
        """Returns the group of each raw target.

        A split that is cut from `train` gets its share of each group.

        Args:
            targets: Sequence of raw targets.

        Returns:
            List of str, one for each target.
        """
        return ["" for _ in targets]

    def fitted(self, splits, source_names=None):
        """Returns the objective for some data, and its targets as arrays.

        Before the data is known, it learns for example the names of the
        classes. After that, it refuses what it does not know.

        Args:
            splits: Dict by split of `Examples` with raw targets: results of
                `parse`, or what a source of images has, an array of numbers.
            source_names: List of str. Names of the numbers; `None` means that
                the source has none.

        Returns:
            `Objective`, and a dict by split of columns: arrays of numbers with
            one row for each example, `columns.Ragged` of the room `runtime`,
            or `None` if it learns from the inputs alone.

        Raises:
            DataError: A target breaks a rule. The message names its place.
        """
        raise NotImplementedError

    def check_splits(self, splits, cut=()):
        """Checks that the splits are enough for training and evaluation.

        Args:
            splits: Dict by split of `Examples` with targets of `fitted`.
            cut: Names of the splits that were cut from the end of `train`.

        Raises:
            DataError: Targets are missing.
        """

    def for_training(self, targets):
        """Returns the objective for the training on some targets.

        Args:
            targets: Column of targets of the split `train`, or `None`.

        Raises:
            ConfigError: A setting does not fit the targets.
        """
        return self

    def state(self):
        """Returns what the data has decided, JSON-like, for `restored`.

        It is in `labels.json` of a run and in the manifest of an export. In
        JSON, a tuple becomes a list, and the keys of a dict become text:
        `restored` gets these.
        """
        raise NotImplementedError

    def restored(self, state):
        """Returns the objective of a finished run.

        Args:
            state: JSON-like. From `state`.

        Raises:
            ValueError: It has another form.
        """
        raise NotImplementedError

    # Decisions.

    def decide(self, metrics):
        """Returns what answers need that only a trained model can show.

        An objective that `decides` is asked at the end of a run, for example
        for the thresholds of answers.

        Args:
            metrics: dict. From `measure` for the split `validation` and the
                best weights.

        Returns:
            JSON-like, for `decided`. It is in `decisions.json` of a run and in
            the manifest of an export.
        """
        raise NotImplementedError

    def decided(self, decisions):
        """Returns the objective that answers with decisions.

        `measure` for the split `test`, and exports, use it.

        Args:
            decisions: JSON-like. From `decide`, as JSON gives it back; `None`
                if there is no split `validation`.

        Raises:
            ValueError: It has another form.
        """
        return self

    # Learning.

    @property
    def num_outputs(self):
        """Number of logits of an example, int."""
        raise NotImplementedError

    def example_losses(self, targets, logits):
        """Returns the training loss of each example.

        Args:
            targets: Batch of the targets of `fitted`: a tensor with the rows
                first, a `tf.RaggedTensor`, or `None` if it returned `None`.
            logits: float[batch, num_outputs].

        Returns:
            `float32[batch]`.
        """
        raise NotImplementedError

    def initial_logits(self):
        """Returns the logits with which a new network begins, or `None`.

        They become the bias of the last layer of the network, if it has one.

        Returns:
            `float32[num_outputs]`; `None` for the bias that the model has.
        """
        return None

    def example_weights(self, targets):
        """Returns how much each example weighs in the loss of a step.

        The loss of a step is the sum of weight times loss over all examples,
        divided by the sum of the weights, on any number of replicas. With the
        number of scored tokens, it is a mean over tokens.

        Args:
            targets: As for `example_losses`.

        Returns:
            `float32[batch]`, at least 0; `None` means that all are equal.
        """
        return None

    def make_train_metrics(self):
        """Returns the metrics that training shows beside the loss.

        Returns:
            List of `keras.metrics.Metric` of (targets, logits, sample_weight).
        """
        return []

    # Measuring.

    def metric_words(self):
        """Returns the metrics that can select the best epoch, in words."""
        words = ", ".join(self.metrics)
        parts = self.part_metrics
        return f"{words}, or {parts.words()}" if parts else words

    def metric_problem(self, name):
        """Returns why a metric cannot select the best epoch, or `None`.

        Args:
            name: str. Name of a metric. Before the data is known, a part that
                depends on the data is accepted.

        Returns:
            str that follows "`--config.trainer.best_metric` must be".
        """
        if name in self.metrics:
            return None
        parts = self.part_metrics
        if not (found := parts and parts.split(name)):
            return f"one of {self.metric_words()}. Received: {name!r}."
        choices = self.part_names
        if choices and found[0] not in choices:
            hint = look_alikes.hint(found[0], choices)
            return (
                f"{parts.key}/NAME/METRIC with a {parts.what} of the data. "
                f"Received: {name!r}{hint}. Choices: {first_of(choices)}."
            )
        return None

    def why_undefined(self, name, targets):
        """Returns why no model can have a metric on a split, or `None`.

        Args:
            name: str. A metric without a `metric_problem`.
            targets: Column of targets of the split, or `None`.

        Returns:
            str that follows the name of the split, such as "has only examples
            of the class 'ham'".
        """
        return None

    def scalar(self, metrics, name):
        """Returns one number of the result of `measure`.

        Args:
            metrics: dict. From `measure`.
            name: str. A metric without a `metric_problem`.

        Returns:
            float, or `None` if the metric is undefined.
        """
        parts = self.part_metrics
        return parts.scalar(metrics, name) if parts else metrics[name]

    def is_better_low(self, name):
        """Returns whether lower values of a metric are better.

        Args:
            name: str. As for `scalar`.
        """
        return name == "loss"

    def summarize(self, targets, logits):
        """Returns what evaluation keeps of each example. Runs in a graph.

        Args:
            targets: Batch of targets, as for `example_losses`.
            logits: float32[batch, num_outputs].

        Returns:
            Dict by name of tensors of numbers or bools, with one row for each
            example, or of `tf.RaggedTensor` with one ragged axis.
        """
        kept = {} if targets is None else {"target": targets}
        return kept | {"logits": logits}

    def measure(self, batches):
        """Returns all metrics of a split, for `metrics.json`.

        Args:
            batches: Iterable of dicts of arrays. Results of `summarize`, each
                example once; ragged ones are `columns.Ragged`. If replicas have
                rows of different widths, narrow rows are filled with 0. The
                iterable can be read once, and its sum can be larger than the
                memory: keep only what the metrics need, see
                `metrics.transposed`.

        Returns:
            dict, JSON-like, with `loss`, a float, and `num_examples`, an int.
            Numbers of NumPy become numbers of Python. TensorBoard shows the
            floats.
        """
        raise NotImplementedError

    def text_report(self, metrics):
        """Returns a table of metrics for the log.

        Args:
            metrics: dict from `measure`.
        """
        return "\n".join(
            f"{name} {decimals.short(value)}"
            for name, value in metrics.items()
            if isinstance(value, float)
        )

    def pictures(self, metrics):
        """Returns pictures of the metrics.

        Args:
            metrics: dict from `measure`.

        Returns:
            Dict by name of uint8[height, width, 3].
        """
        return {}

    def texts(self, metrics):
        """Returns texts that trackers show beside the pictures.

        Args:
            metrics: dict from `measure`.

        Returns:
            Dict of str in Markdown by name, with other names than `pictures`.
        """
        return {}

    # Answers.

    def outputs(self, logits):
        """Returns the outputs of the signatures that use the network.

        Args:
            logits: float32[batch, num_outputs].

        Returns:
            Dict of tensors by name. The first dimension is the batch.
        """
        raise NotImplementedError

    def compared(self, targets, logits):
        """Returns the outputs that another dtype of a network can change.

        Args:
            targets: As for `example_losses`.
            logits: float32[batch, num_outputs].

        Returns:
            Dict of tensors by name. The first dimension is the batch.
        """
        return self.outputs(logits)

    def is_in_doubt(self, logits):
        """Returns for which examples rounding can change `outputs`.

        The logits of an export differ in the last digits from those of the
        trained network. Outputs that are not of floats can then differ as
        well, for example the best class of two equal ones. An objective with
        such outputs names these examples, see `rounding`.

        Args:
            logits: float32[batch, num_outputs].

        Returns:
            `bool[batch]`; `None` means none.
        """
        return None

    def ranking(self, logits):
        """Returns the outputs of `classify`, if the objective `ranks`.

        Args:
            logits: float32[batch, num_outputs].

        Returns:
            Dict of `classes: string[batch, n]` and `scores: float32[batch,
            n]`, best first.
        """
        raise NotImplementedError

    def regression(self, logits):
        """Returns the outputs of `regress`, if the objective `regresses`.

        Args:
            logits: float32[batch, num_outputs].

        Returns:
            Dict of `outputs: float32[batch]`.
        """
        raise NotImplementedError

    def of_served(self, signatures, name):
        """Returns the objective for the answers of a served model, or `None`.

        Its data is not known, so its `answers` use nothing but outputs.

        Args:
            signatures: Dict by name of signatures with `inputs` and `outputs`,
                both dicts by name.
            name: str. The signature that is asked.
        """
        names = self.output_names
        is_known = names and {*names} == {*signatures[name].outputs}
        return self if is_known else None

    def answers(self, outputs, *, is_short=False, scores=False):
        """Yields the answer of each row for `predict`, ready for JSON.

        Args:
            outputs: Dict of arrays by name, the outputs of a signature.
            is_short: bool. Whether people read the answer: few numbers.
            scores: bool. Whether a short answer contains all scores.

        Yields:
            dict.
        """
        for row in zip(*outputs.values(), strict=True):
            yield {
                name: json_like(value)
                for name, value in zip(outputs, row, strict=True)
            }

    # Words.

    def describe(self, target):
        """Returns a target in words. Targets with equal words are equal.

        Args:
            target: Row of a column of targets: a number or array of NumPy.
        """
        return str(json_like(target))

    def counts(self, targets):
        """Returns facts about the targets of a split, for `data_report.json`.

        Args:
            targets: Column of targets, or `None`.

        Returns:
            dict, JSON-like. `examples_by_class`, a number by name, appears in
            the model card.
        """
        return {}

    def facts(self, name):
        """Returns what `fitted` found in a split, for `data_report.json`.

        Args:
            name: str. Name of the split.

        Returns:
            dict, JSON-like.
        """
        return {}

    def warnings(self, name, facts):
        """Yields, in words, what is suspicious about the targets of a split.

        Args:
            name: str. Name of the split.
            facts: dict. From `counts` and `facts`, and `examples`, the number
                of examples.
        """
        return ()

    def purpose(self, what):
        """Returns what a model does, for the model card.

        Args:
            what: str. The inputs in words, for example "texts".

        Returns:
            str in Markdown, without a period.
        """
        raise NotImplementedError

    def quality(self, metrics):
        """Returns the tables of metrics for the model card.

        Args:
            metrics: dict from `measure`.

        Returns:
            List of pairs: the header, a list of str, and the rows, lists of
            numbers, `None` (undefined) and names as str.
        """
        found = {k: v for k, v in metrics.items() if isinstance(v, float)}
        return [(list(found), [list(found.values())])]

    def limits(self, split, metrics):
        """Returns what users of a model must know, for the model card.

        Args:
            split: str. Name of the split that was measured, or `None`.
            metrics: dict from `measure`, or `None`.

        Returns:
            List of str in Markdown.
        """
        return []


def make(config):
    """Returns the objective of its settings, before its data is known.

    Args:
        config: `ObjectiveConfig`.

    Raises:
        ConfigError: `make_objective` returns something else.
    """
    try:
        found = config.make_objective()
    except NotImplementedError:
        found = None
    if isinstance(found, Objective):
        return found
    raise ConfigError(
        f"`config.task`: `{type(config).__name__}.make_objective` must return "
        f"an instance of {Objective.__module__}.{Objective.__name__}. "
        f"Received: {found!r}."
    )


def json_state(objective):
    """Returns the `state` of an objective as JSON gives it back.

    Args:
        objective: `Objective` of some data.

    Raises:
        ConfigError: JSON cannot contain it.
    """
    return _from_json(objective, "state", objective.state())


def json_decisions(objective, metrics):
    """Returns what an objective decides, as JSON gives it back.

    Args:
        objective: `Objective` that `decides`.
        metrics: dict. As for `Objective.decide`; `None` if there is no split
            `validation`.

    Raises:
        ConfigError: JSON cannot contain it.
    """
    if metrics is None:
        return None
    return _from_json(objective, "decide", objective.decide(metrics))


def restore(objective, labels, decisions):
    """Returns the objective of a finished run.

    Args:
        objective: `Objective`, before its data is known.
        labels: JSON-like. From `json_state`.
        decisions: JSON-like. From `json_decisions`.

    Raises:
        ValueError: One of them has another form.
    """
    return objective.restored(labels).decided(decisions)


def _from_json(objective, name, value):
    try:
        # NaN differs from itself, so a run with it could not resume.
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"`config.task`: `{type(objective).__name__}.{name}` must return "
            "what JSON can contain: numbers, text, true, false, None, lists "
            f"and dicts. {error}. Received: {value!r}."
        ) from error
