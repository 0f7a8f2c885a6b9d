"""A tag for each token of a text: entities, or plain tags such as O, A, B."""

import dataclasses
import hashlib
import typing

from tfmodels.settings import setting
from trainers.errors import DataError
from trainers.errors import first_of
from trainers.objectives import entity_spans
from trainers.objectives import raw_tags
from trainers.objectives import rounding
from trainers.objectives import tag_alignment
from trainers.objectives import tag_answers
from trainers.objectives import tag_card
from trainers.objectives import tag_columns
from trainers.objectives import tag_fitting
from trainers.objectives import tag_losses
from trainers.objectives import tag_metrics
from trainers.objectives import tag_report
from trainers.objectives import tag_schemes
from trainers.objectives.objective import Objective
from trainers.objectives.objective import ObjectiveConfig

# In characters. Longer descriptions are cut.
_SHOWN = 120


@dataclasses.dataclass(slots=True)
class TagsConfig(ObjectiveConfig):
    """A tag for each token.

    >>> TagsConfig(scheme="plain").label_smoothing
    0.0
    """

    per_token: typing.ClassVar[bool] = True

    scheme: str = setting(
        "auto",
        "What the tags of words mean. `iob1`, `iob2`, `bioes`: entities, "
        "marked with B-X, I-X and so on. `plain`: each tag is learned as it "
        "is. `auto` recognizes it. Spans need no scheme.",
        choices=("auto", *tag_schemes.SCHEMES),
    )
    label_smoothing: float = setting(
        0.0,
        "Share of the target that is spread over all tags, in training.",
        at_least=0,
        below=1,
    )

    def make_objective(self):
        """Returns `Tags`, before the tags are known."""
        return Tags(self)


class Tags(Objective):
    """The tag of each token is learned.

    A token is a token of BERT before it is cut into pieces: a word without
    white space, punctuation and Chinese characters. A word of the data can
    have several tokens; metrics of words use the first of them.

    >>> tags = Tags(TagsConfig(), ["O", "B-PER", "I-PER"], is_plain=False)
    >>> tags.num_outputs, tags.types
    (3, ['PER'])

    Attributes:
        names: List of str. The tags, in the order of the logits. For entities
            O, and B-X and I-X of each type. `None` before the data is known.
        is_plain: bool. Whether the tags mark no entities.
    """

    settings_of_targets = ("scheme",)
    takes_json = True
    names_are_outputs = True

    def __init__(
        self, config, names=None, is_plain=None, notes=None, facts=None
    ):
        """Makes the objective.

        Args:
            config: `TagsConfig`.
            names: List of str, or `None`.
            is_plain: bool; `None` before the data is known.
            notes: Dict by split of lists of str: what is odd about the tags.
            facts: Dict by split of dicts, see `facts`.
        """
        self.names = names
        self.is_plain = is_plain
        self._config = config
        self._notes = notes or {}
        self._facts = facts or {}
        learns_plain = is_plain or (
            is_plain is None and config.scheme == tag_schemes.PLAIN
        )
        self.part_metrics = (
            tag_metrics.PER_TAG if learns_plain else tag_metrics.PER_TYPE
        )
        if learns_plain:
            self.metrics = tag_metrics.PLAIN_METRICS
            self.shown_metrics = ("loss", "word_accuracy")
        else:
            self.metrics = tag_metrics.ENTITY_METRICS
            self.shown_metrics = ("loss", "entity_f1")
        if is_plain is None and config.scheme == "auto":
            self.metrics = tuple(
                dict.fromkeys(self.metrics + tag_metrics.PLAIN_METRICS)
            )

    @property
    def types(self):
        """List of str. The types of entities; empty for plain tags."""
        return [] if self.is_plain else entity_spans.types_of(self.names)

    # Targets.

    def parse(self, values):
        """Returns the words or spans of a document, see `raw_tags.parse`.

        Args:
            values: Dict of `text`, bytes in UTF-8, and `label`, JSON-like.

        Raises:
            ValueError: `label` has another form, or does not fit the text.
        """
        return raw_tags.parse(values["label"], values["text"].decode())

    def fitted(self, splits, source_names=None):
        """Returns the objective with its tags, and the items of each document.

        Args:
            splits: Dict by split of `Examples` with `RawTags` as targets.
            source_names: Not used.

        Returns:
            `Tags`, and a dict by split of `Ragged` of int32[num_examples,
            (items), 3], see `tag_columns`.

        Raises:
            DataError: Tags break a rule, or the model does not know them.
        """
        found = tag_fitting.fit(
            splits, self._config.scheme, self.names, self.is_plain
        )
        fitted = Tags(
            self._config,
            found.names,
            found.is_plain,
            found.notes,
            found.facts,
        )
        return fitted, found.items

    def check_splits(self, splits, cut=()):
        """Checks that `train` has something to learn.

        Args:
            splits: Dict by split of `Examples` with items.
            cut: Not used.

        Raises:
            DataError: It has no entity, or fewer than two plain tags.
        """
        counts = self.counts(splits["train"].targets)["examples_by_class"]
        found = [name for name, count in counts.items() if count]
        if self.is_plain and len(found) < 2:
            raise DataError(
                "split train: must have words of at least two tags. Received: "
                f"only {first_of(found)}. If these are entities, their tags "
                "are B-X and I-X."
            )
        if not found:
            raise DataError(
                "split train: must have at least one entity. Received: "
                f"{len(splits['train']):,} texts without any."
            )

    def token_tags(
        self, items, starts, ends, text, *, expands=False, notes=None
    ):
        """Returns the tag of each token, see `tag_alignment.token_tags`.

        Args:
            items: int32[num_items, 3]. A row of the targets of `fitted`.
            starts, ends: int[num_tokens]. Places of the tokens in code points.
            text: str. The document.
            expands: bool. Whether `misaligned` is `expand`.
            notes: `collections.Counter` of `tag_alignment.NOTES`, or `None`.

        Returns:
            `(tags, is_first_of_word)`: int32[num_tokens] and
            bool[num_tokens].

        Raises:
            ValueError: An item does not fit the tokens.
        """
        return tag_alignment.token_tags(
            items,
            starts,
            ends,
            text,
            self.names,
            is_plain=self.is_plain,
            expands=expands,
            notes=notes,
        )

    def state(self):
        """Returns the tags and whether they are plain."""
        return {"names": list(self.names), "is_plain": self.is_plain}

    def restored(self, state):
        """Returns the objective of a finished run.

        Args:
            state: Dict of `names` and `is_plain`.

        Raises:
            ValueError: It has another form.
        """
        if not isinstance(state, dict) or state.keys() != {
            "names",
            "is_plain",
        }:
            raise ValueError("not the names of tags.")
        names, is_plain = state["names"], state["is_plain"]
        if (
            not isinstance(names, list)
            or not all(isinstance(name, str) for name in names)
            or len(set(names)) < len(names)
        ):
            raise ValueError("not a list of distinct names.")
        types = entity_spans.types_of(names)
        if not is_plain and names != entity_spans.tag_names(types):
            raise ValueError("not O, and B-X and I-X of each type.")
        return Tags(self._config, names, bool(is_plain))

    # Learning.

    @property
    def num_outputs(self):
        """Number of logits of a token, int."""
        return len(self.names)

    def example_losses(self, targets, logits):
        """Returns the mean loss of the scored tokens of each window.

        Args:
            targets: int32[batch, length, 4], see `tag_columns`.
            logits: float[batch, length, num_tags].

        Returns:
            `float32[batch]`; 0 for a window without scored tokens.
        """
        return tag_losses.means(
            targets, logits, smoothing=self._config.label_smoothing
        )

    def example_weights(self, targets):
        """Returns the number of scored tokens of each window.

        Args:
            targets: int32[batch, length, 4].

        Returns:
            `float32[batch]`.
        """
        return tag_losses.num_scored(targets)

    def make_train_metrics(self):
        """Returns the metrics that training shows.

        Returns:
            List of `keras.metrics.Metric` of (targets, logits, sample_weight).
        """
        import keras

        return [
            keras.metrics.MeanMetricWrapper(
                tag_losses.accuracies, name="accuracy"
            )
        ]

    # Measuring.

    @property
    def part_names(self):
        """List of str. The types, or the plain tags; `None` before the data."""
        return self.names and (self.types or self.names)

    def metric_problem(self, name):
        """Returns why a metric cannot select the best epoch, or `None`.

        Args:
            name: str. One of `metrics`, or per_class/NAME/METRIC, where NAME is
                a type of entities or a plain tag.
        """
        is_of_entities = name in tag_metrics.ENTITY_METRICS
        if self.is_plain and is_of_entities and name not in self.metrics:
            return (
                f"one of {self.metric_words()}. Received: {name!r}, but the "
                "tags of the data were read as plain: they mark no entities, "
                f"as B-X and I-X do. They are {first_of(self.names)}. Set "
                "--config.trainer.best_metric=word_accuracy for plain tags."
            )
        return super().metric_problem(name)

    def why_undefined(self, name, targets):
        """Returns why no model can have a metric on a split, or `None`.

        Args:
            name: str. A metric without a `metric_problem`.
            targets: `Ragged` of int32[num_windows, (pieces), 4].
        """
        tags = targets.values[:, tag_columns.TAG]
        tags = tags[tags != tag_columns.NOT_SCORED]
        class_name, metric = self.part_metrics.split(name) or (None, name)
        if self.is_plain:
            if class_name and self.names.index(class_name) not in tags:
                return f"has no word with the tag {class_name!r}"
            return None
        found = entity_spans.type_ids(tags)
        if class_name and self.types.index(class_name) not in found:
            return f"has no entity of the type {class_name!r}"
        is_of_entities = metric != "loss" and not metric.endswith("accuracy")
        return (
            "has no entity"
            if is_of_entities and not (found >= 0).any()
            else None
        )

    def summarize(self, targets, logits):
        """Returns what evaluation keeps, see `tag_losses.summary`.

        Args:
            targets: int32[batch, length, 4].
            logits: float32[batch, length, num_tags].
        """
        return tag_losses.summary(targets, logits)

    def measure(self, batches):
        """Returns all metrics of a split, see `tag_metrics.measure`.

        Args:
            batches: Iterable of dicts of arrays. Results of `summarize`.

        Returns:
            dict for `metrics.json`. `num_examples` is the number of texts with
            a token.
        """
        tokens = tag_metrics.gather(batches)
        return tag_metrics.measure(tokens, self.names, self.is_plain) | {
            "num_examples": tokens.num_documents
        }

    def text_report(self, metrics):
        """Returns the metrics of each type or tag as a table for the log.

        Args:
            metrics: dict from `measure`.
        """
        return tag_report.text_report(metrics, self.is_plain)

    def pictures(self, metrics):
        """Returns pictures of the metrics for the trackers.

        Args:
            metrics: dict from `measure`.

        Returns:
            Dict by name of uint8[height, width, 3].
        """
        name = "f1_by_tag" if self.is_plain else "f1_by_type"
        return {name: tag_report.picture(metrics)}

    # Answers.

    def outputs(self, logits):
        """Returns the answer for each position of the network.

        Args:
            logits: float32[batch, length, num_tags].

        Returns:
            Dict of `probabilities: float32[batch, length, num_tags]` and
            `tag_id: int32[batch, length]`.
        """
        import tensorflow as tf

        return {
            "probabilities": tf.nn.softmax(logits),
            "tag_id": tf.argmax(logits, axis=-1, output_type=tf.int32),
        }

    def compared(self, targets, logits):
        """Returns `outputs`, with 0 where no token is scored.

        Args:
            targets: int32[batch, length, 4].
            logits: float32[batch, length, num_tags].
        """
        return tag_losses.where_scored(targets, self.outputs(logits))

    def is_in_doubt(self, logits):
        """Returns where two tags are best, see `rounding.is_close`.

        Args:
            logits: float32[..., num_tags].

        Returns:
            `bool[...]`.
        """
        return rounding.is_close(logits)

    def of_served(self, signatures, name):
        """Returns the objective for the answers of a served tagger.

        Args:
            signatures: Dict by name of signatures with `inputs` and `outputs`.
            name: str. The signature that is asked.
        """
        if {*signatures[name].outputs} != {*tag_answers.TAGS}:
            return None
        outputs = signatures["serving_default"].outputs
        return type(self)(self._config, is_plain="entity_label" not in outputs)

    def answers(self, outputs, *, is_short=False, scores=False):
        """Yields the answer of each text, see `tag_answers.answers`."""
        return tag_answers.answers(
            outputs,
            self.names,
            self.is_plain,
            is_short=is_short,
            scores=scores,
        )

    # Words.

    def describe(self, target):
        """Returns a target in words. Targets with equal words are equal.

        Args:
            target: int32[num_items, 3], the items of a document, or
                int32[num_pieces, 4], the pieces of a window.
        """
        if target.shape[1] == tag_columns.NUM_TARGET_COLUMNS:
            tags = target[:, tag_columns.TAG]
            words = [self.names[t] for t in tags if t >= 0]
        elif tag_columns.are_words(target):
            words = [self.names[t] for t in target[:, tag_columns.ITEM_TAG]]
        else:
            words = [
                f"{start}-{end} {self.names[-1 - tag].removeprefix('B-')}"
                for start, end, tag in target.tolist()
            ]
        words = " ".join(words) or "nothing"
        if len(words) <= _SHOWN:
            return words
        digest = hashlib.sha256(words.encode()).hexdigest()[:8]
        return f"{words[:_SHOWN]}... ({digest})"

    def counts(self, targets):
        """Returns the number of words or spans, and how many of each name.

        Args:
            targets: `Ragged` of int32[num_examples, (items), 3].

        Returns:
            Dict of `words` and `spans`, int, and of `examples_by_class`: the
            number of entities of each type, or of words of each plain tag.
        """
        num_words = int((targets.values[:, tag_columns.ITEM_TAG] >= 0).sum())
        return {
            "words": num_words,
            "spans": len(targets.values) - num_words,
            "examples_by_class": tag_fitting.counts_by_name(
                targets.values, self.names, self.is_plain
            ),
        }

    def facts(self, name):
        """Returns what `fitted` found in a split.

        Args:
            name: str. Name of the split.

        Returns:
            Dict of `scheme`, if it has words, and of numbers of what is odd.
        """
        return self._facts.get(name, {})

    def warnings(self, name, facts):
        """Yields what is odd about the tags of a split.

        Args:
            name: str. Name of the split.
            facts: Not used.
        """
        yield from self._notes.get(name, ())

    def purpose(self, what):
        """Returns what a model does, see `tag_card.purpose`."""
        return tag_card.purpose(what, self.types or self.names, self.is_plain)

    def quality(self, metrics):
        """Returns the tables of metrics, see `tag_card.quality`."""
        return tag_card.quality(metrics, self.is_plain)

    def limits(self, split, metrics):
        """Returns what users must know, see `tag_card.limits`."""
        return tag_card.limits(split, metrics, self.is_plain)
