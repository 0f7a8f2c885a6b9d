"""Texts in which each token has a tag, read in windows of a BERT encoder."""

import collections
import functools
import logging

import numpy as np
import tensorflow as tf

from trainers.data.texts import loading
from trainers.data.texts import tagging
from trainers.errors import ConfigError
from trainers.objectives import tag_alignment
from trainers.objectives import tag_columns
from trainers.objectives.rounding import IN_DOUBT
from trainers.tasks import signatures
from trainers.tasks.inputs import tag_signatures
from trainers.tasks.inputs import text_signatures
from trainers.tasks.inputs.texts import Texts

_LOG = logging.getLogger(__name__)


class TaggedTexts(Texts):
    """Texts of any length for a network with logits for each piece.

    A document becomes one example or, if it is longer than `sequence_length`,
    several: windows that overlap by half, see `data.texts.windows`. Training,
    evaluation and serving read the same windows and score each token once.

    >>> from tfmodels import BertTaggerConfig
    >>> from trainers import config as c
    >>> texts = TaggedTexts(
    ...     c.ExperimentConfig(
    ...         data=c.TaggedTextDataConfig(sequence_length=32),
    ...         model=BertTaggerConfig(),
    ...     )
    ... )
    >>> texts.window_size
    30

    Attributes:
        window_size: int. Largest number of pieces in a window, without `[CLS]`
            and `[SEP]`.
    """

    # Complete, also if a text has more entities than `serving_default` returns.
    row_request = "tags"

    def __init__(self, config, *args, **kwargs):
        """Makes the inputs.

        Args:
            config: `ExperimentConfig` on tagged texts.
            *args, **kwargs: As for `Texts`.
        """
        super().__init__(config, *args, **kwargs)
        self.window_size = self.sequence_length - 2

    def load(self, data, objective):
        """Loads, checks and tokenizes the splits of a run.

        Args:
            data: `TaggedTextDataConfig`.
            objective: `Objective` for tags, before its data is known.

        Returns:
            As `Texts.load`. The examples are windows, with targets of
            `tag_columns`.

        Raises:
            ConfigError, DataError: As for `Texts.load`.
        """
        inputs, objective, splits = super().load(data, objective)
        for name in ("train", "validation", "test"):
            documents = getattr(splits, name)
            if documents is None:
                continue
            examples = tagging.cut(documents, self.window_size)
            splits.report["splits"][name] |= {
                "windows": len(examples),
                "texts_of_several_windows": _num_longer(examples),
            }
            setattr(splits, name, examples)
            _log_scheme(name, splits.report["splits"][name])
        return inputs, objective, splits

    def _loading_settings(self, data):
        return {
            "tokenize_fn": functools.partial(_tokenize_all, data),
            "cuts": False,
        }

    def load_one(self, data, split, objective, run_data=None):
        """Loads one split, or any tagged file, as windows.

        Args:
            data, split, objective, run_data: As for `load_raw`.

        Returns:
            `Examples`, as those of `load`.

        Raises:
            ConfigError, DataError: See `loading.load_raw`.
        """
        fitted, raw = loading.load_fitted(data, split, objective, run_data)
        notes = collections.Counter()
        documents = _tokenize(data, raw, self.tokenizer, objective, notes)
        facts = {"examples": len(raw)} | fitted.counts(raw.targets)
        facts |= fitted.facts(split)
        _log_scheme(split, facts)
        for line in [*fitted.warnings(split, facts), *_words(split, notes)]:
            _LOG.warning(line)
        return tagging.cut(documents, self.window_size)

    def _make_tokenizer(self, encoder, vocabulary):
        tokenizer = super()._make_tokenizer(encoder, vocabulary)
        if tokenizer.added_tokens:
            first = tokenizer.added_tokens[0].content
            raise ConfigError(
                "`--config.model.encoder.preset` must have no added tokens for "
                "tagged texts, because their places in a text are not known. "
                f"Received: {encoder.preset!r}, with "
                f"{len(tokenizer.added_tokens)} added tokens, the first is "
                f"{first!r}."
            )
        return tokenizer

    def pad_targets(self, targets, inputs):
        """Returns targets with the shape of the ids.

        Args:
            targets: `int32[batch, (pieces), 4]`, ragged, see `tag_columns`.
            inputs: Dict of `token_ids: int32[batch, length]`.

        Returns:
            `int32[batch, length, 4]`. `[CLS]`, `[SEP]` and padding are not
            scored.
        """
        length = inputs["token_ids"].shape[1]
        if length is None:
            length = tf.shape(inputs["token_ids"])[1]
        width = tag_columns.NUM_TARGET_COLUMNS
        filler = tf.one_hot(
            tag_columns.TAG, width, tag_columns.NOT_SCORED, 0, dtype=tf.int32
        )
        dense = targets.to_tensor(filler, shape=(None, self.window_size, width))
        around = tf.broadcast_to(filler, (tf.shape(dense)[0], 1, width))
        dense = tf.concat([around, dense, around], axis=1)[:, :length]
        return tf.ensure_shape(dense, (*inputs["token_ids"].shape, width))

    def make_signatures(self, objective, network, *, with_doubt=False):
        """Returns the serving functions.

        `tags` takes `text: string[batch]` and answers with all tokens, see
        `tag_signatures.tag_outputs`. `serving_default` answers with entities,
        see `tag_signatures.entity_outputs`; for plain tags, as `tags` does.

        Args:
            objective: `Objective` for tags.
            network: Function from model inputs to logits.
            with_doubt: bool. As for `Inputs.make_signatures`.

        Returns:
            Dict from the name of a signature to a `tf.function`.
        """
        names, tokenizer = objective.names, self.tokenizer

        def logits_of(ids):
            features = self.preprocess({"token_ids": ids})
            return network(features, training=False)

        def read(text):
            return tag_signatures.read(
                text, tokenizer, self.window_size, logits_of, len(names)
            )

        def tags(text, tokens):
            return tag_signatures.tag_outputs(tokens, names)

        def entities(text, tokens):
            return tag_signatures.entity_outputs(
                tokens, names, text, tokenizer, self._config.export.max_entities
            )

        def serve(answer_fn, text):
            tokens = read(text)
            outputs = answer_fn(text, tokens)
            if with_doubt:
                in_doubt = tokens.start.with_values(
                    objective.is_in_doubt(tokens.logits)
                )
                outputs[IN_DOUBT] = tf.reduce_any(in_doubt, axis=1)
            return outputs

        functions = {
            "serving_default": tags if objective.is_plain else entities,
            "tags": tags,
        }
        return {
            name: signatures.make_one(
                [text_signatures.SPEC], functools.partial(serve, answer_fn)
            )
            for name, answer_fn in functions.items()
        }

    def make_check_inputs(self, seed):
        """Returns 100 rows of inputs for the check of an export.

        Args:
            seed: int. Determines random texts.

        Returns:
            Dict by signature of dicts by input of arrays with 100 rows.
        """
        text = np.array(text_signatures.check_corpus(seed), dtype=object)
        return {"serving_default": {"text": text}, "tags": {"text": text}}

    @classmethod
    def read_rows(cls, file, data):
        """Yields the texts of a file, see `reading.read_texts`.

        Args:
            file: str. Path of the file; `-` is stdin.
            data: `TaggedTextDataConfig`.

        Yields:
            `(place, row)`: a dict of `example` and `text`, and a dict of the
            bytes of `text`.
        """
        for place, row in super().read_rows(file, data):
            yield place | {"text": row["text"].decode()}, row

    def request_of(self, features):
        """Returns the request for a batch of texts.

        Args:
            features: Dict of `text`.
        """
        return "tags", {"text": list(features["text"])}

    def repeated(self, features):
        """Returns the text of each row, to which the places refer.

        Args:
            features: Dict of `text`.

        Returns:
            List of dict of `text`.
        """
        return [{"text": text.decode()} for text in features["text"]]

    def limits(self):
        """Returns how much of a text the model reads, and what places count."""
        return [
            "Places in a text count code points, and the end is exclusive: in "
            "Python, `text[start:end]`. JavaScript and Java count UTF-16 "
            "units, Go and C++ bytes. Bytes that are not UTF-8 do not count.",
            f"The model reads the first {self._config.data.max_bytes:,} bytes "
            f"of a text, in windows of {self.sequence_length} tokens that "
            "overlap by half. It knows nothing of a text outside of the "
            "window. What is behind these bytes gets no tags.",
        ]


def _tokenize_all(data, splits, tokenizer, objective, report):
    """Returns the documents of all splits as pieces with tags."""
    found = {}
    for name, examples in splits.items():
        notes = collections.Counter()
        found[name] = _tokenize(data, examples, tokenizer, objective, notes)
        report["splits"][name]["alignment"] = dict(notes)
        report["warnings"] += _words(name, notes)
    return found


def _words(split, notes):
    return [
        f"split {split}: {count:,} {tag_alignment.NOTES[note]}."
        for note, count in notes.items()
        if count
    ]


def _log_scheme(split, facts):
    if scheme := facts.get("scheme"):
        _LOG.info(
            "split %s: the tags of %s words have the scheme %s",
            split,
            f"{facts['words']:,}",
            scheme,
        )


def _tokenize(data, examples, tokenizer, objective, notes):
    return tagging.tokenize(
        examples,
        tokenizer,
        objective,
        expands=data.misaligned == "expand",
        notes=notes,
    )


def _num_longer(windows):
    """Returns the number of documents with several windows."""
    documents = windows.targets.values[:, tag_columns.DOCUMENT]
    first = windows.targets.row_splits[:-1]
    (filled,) = np.nonzero(windows.targets.lengths())
    _, counts = np.unique(documents[first[filled]], return_counts=True)
    return int((counts > 1).sum())
