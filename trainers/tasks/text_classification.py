"""One label for a text."""

import dataclasses
import json

import keras
import numpy as np
import tensorflow as tf

from tfmodels.bert import inference
from tfmodels.bert import presets
from tfmodels.bert import wordpiece
from tfmodels.bert.config import EncoderConfig
from trainers.data import buckets
from trainers.data.texts import loading
from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.tasks import class_weights
from trainers.tasks import text_signatures

# Files of a work directory, which make it independent of the preset.
_VOCABULARY = "vocabulary.txt"
_ENCODER = "encoder.json"
# Settings of the encoder that are not in it: the weights are the same.
_HOW_COMPUTED = ("implementation", "recompute_activations")
_VOCABULARY_FLAG = "`--config.model.encoder.vocabulary` cannot be used: "
# Ids in a batch of evaluation: 128 texts of 128 tokens.
_EVAL_TOKENS = 128 * 128


class TextClassification:
    """Softmax classification of texts by a BERT encoder.

    Attributes:
        model_config: `BertClassifierConfig` with the sizes of the preset or
            of the learned vocabulary, after `load` or `read_assets`.
        tokenizer: `WordPieceTokenizer`, then too.
        num_draws: 0, as nothing is augmented.
        sequence_length: Most ids of a text, with the two around it.
        eval_batch_size: Rows of a batch in evaluation, on each replica.
    """

    num_draws = 0

    def __init__(self, config):
        """Takes the `ExperimentConfig`."""
        self._config = config.task
        self._data = config.data
        self.sequence_length = config.data.sequence_length
        self.eval_batch_size = max(_EVAL_TOKENS // self.sequence_length, 1)
        self.model_config = config.model
        self.tokenizer = None
        self._class_weights = None

    def load(self, data):
        """Loads, checks and tokenizes the splits of a run.

        Returns:
            `Splits` with `token_ids`, ragged.
        """
        encoder = self.model_config.encoder
        vocabulary = None
        try:
            if encoder.preset:
                encoder, vocabulary = presets.read(encoder)
            elif encoder.vocabulary:
                vocabulary = wordpiece.read_vocabulary(encoder.vocabulary)
        except ValueError as error:
            flag = "" if encoder.preset else _VOCABULARY_FLAG
            raise ConfigError(f"{flag}{error}") from error
        _check_sizes(encoder, self.sequence_length)

        def make_tokenizer(train_texts):
            return self._make_tokenizer(
                encoder,
                vocabulary
                or wordpiece.learn_vocabulary(
                    train_texts,
                    size=encoder.vocabulary_size,
                    lowercase=encoder.lowercase,
                    max_bytes=data.max_bytes,
                ),
            )

        splits, vocabulary = loading.load(
            data,
            make_tokenizer_fn=make_tokenizer,
            tokenizer_facts=[
                vocabulary or encoder.vocabulary_size,
                encoder.lowercase,
            ],
        )
        self._set_encoder(encoder, vocabulary)
        self._class_weights = class_weights.parse(
            self._config.class_weights, splits.class_names, splits.train.labels
        )
        return splits

    def load_raw(self, data, split, *, class_names, run_data):
        """Loads one split, or the rows of any labelled file, as `text`."""
        return loading.load_raw(
            data, split, class_names=class_names, run_data=run_data
        )

    def load_one(self, data, split, *, class_names, run_data):
        """Loads what `load_raw` does, as `token_ids`."""
        raw = self.load_raw(
            data, split, class_names=class_names, run_data=run_data
        )
        return loading.tokenize(raw, self.tokenizer)

    def assets(self):
        """Returns the files, text by name, that `read_assets` needs."""
        encoder = dataclasses.asdict(self.model_config.encoder)
        for name in _HOW_COMPUTED:
            del encoder[name]
        return {
            _VOCABULARY: "".join(f"{t}\n" for t in self.tokenizer.vocabulary),
            _ENCODER: json.dumps(encoder, indent=2) + "\n",
        }

    def read_assets(self, directory):
        """Makes tokenizer and sizes what they were in training.

        Raises:
            ConfigError: A file is missing or damaged.
        """
        try:
            vocabulary = wordpiece.read_vocabulary(directory / _VOCABULARY)
            text = (directory / _ENCODER).read_text(encoding="utf-8")
            encoder = EncoderConfig(**json.loads(text))
            for name in _HOW_COMPUTED:
                asked_for = getattr(self.model_config.encoder, name)
                setattr(encoder, name, asked_for)
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(
                "`--workdir` must be the directory of a run. Received: "
                f"{str(directory)!r}: {error}"
            ) from None
        self._set_encoder(encoder, vocabulary)

    def _make_tokenizer(self, encoder, vocabulary):
        return wordpiece.WordPieceTokenizer(
            vocabulary,
            lowercase=encoder.lowercase,
            max_bytes=self._data.max_bytes,
        )

    def _set_encoder(self, encoder, vocabulary):
        if not encoder.preset:
            encoder = dataclasses.replace(
                encoder, vocabulary_size=len(vocabulary)
            )
        self.model_config = dataclasses.replace(
            self.model_config, encoder=encoder
        )
        self.tokenizer = self._make_tokenizer(encoder, vocabulary)

    def lengths(self, examples):
        """Returns `int64[num_examples]`, ids of each text as the model gets it.

        Args:
            examples: `Examples` with `token_ids`.
        """
        lengths = examples.features["token_ids"].row_lengths().numpy() + 2
        return np.minimum(lengths, self.sequence_length)

    def padding_share(self, examples, *, batch_size, seed):
        """Returns the share of padding in the first epoch of training."""
        return buckets.padding_share(
            self.lengths(examples),
            batch_size=batch_size,
            seed=seed,
            longest=self.sequence_length,
        )

    def preprocess(self, features):
        """Makes model inputs; the same in training, evaluation and serving.

        Args:
            features: `token_ids: int32[batch, (tokens)]`, ragged, from the
                tokenizer.

        Returns:
            `token_ids` and `padding_mask: int32[batch, padded_length]`: the
            text cut to fit between `[CLS]` and `[SEP]`, and padded with
            `[PAD]` to the shortest of `buckets.padded_lengths` that holds the
            longest of the batch. The mask is 1 for tokens.
        """
        tokenizer, longest = self.tokenizer, self.sequence_length
        ids = features["token_ids"]
        # With the two around them, [batch, 1].
        lengths = tf.cast(ids.row_lengths(), tf.int32)[:, tf.newaxis] + 2
        lengths = tf.minimum(lengths, longest)
        choices = tf.constant(buckets.padded_lengths(longest))
        is_short = choices < tf.reduce_max(lengths)
        length = choices[tf.reduce_sum(tf.cast(is_short, tf.int32))]
        ids = ids.to_tensor(tokenizer.pad_id, shape=(None, longest - 2))
        ids = tf.pad(ids[:, : length - 2], [[0, 0], [1, 1]])
        positions = tf.range(length)
        ids = tf.where(positions == 0, tokenizer.start_id, ids)
        ids = tf.where(positions == lengths - 1, tokenizer.end_id, ids)
        ids = tf.where(positions < lengths, ids, tokenizer.pad_id)
        mask = tf.cast(positions < lengths, tf.int32)
        return {"token_ids": ids, "padding_mask": mask}

    def example_losses(self, labels, logits):
        """Returns the training loss `float32[batch]` of integer labels.

        Cross-entropy against (1 - s) of the label and s / num_classes of all
        classes, s the label smoothing, times the weight of the label's class.
        """
        logits = tf.cast(logits, tf.float32)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        smoothing = self._config.label_smoothing
        if smoothing:
            uniform = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
            losses = (1 - smoothing) * losses + smoothing * uniform
        if self._class_weights is not None:
            losses *= tf.gather(self._class_weights, labels)
        return losses

    def make_train_metrics(self):
        """Returns metrics of `(labels, logits, sample_weight)` for training."""
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def make_inference(self, network):
        """Returns what computes the logits of a network for answers."""
        return inference.BertInference(network, self.model_config)

    def make_signatures(self, network, class_names):
        """Returns serving functions by name, see `text_signatures`."""
        return text_signatures.make(self, network, class_names)

    def make_check_inputs(self, seed):
        """Returns 100 rows of inputs by signature and input name.

        Raises:
            RunError: The tokenizer gives other ids in tf.data than eagerly.
        """
        corpus = text_signatures.check_corpus(seed)
        eager = self.tokenizer(tf.constant(corpus)).to_list()
        dataset = tf.data.Dataset.from_tensor_slices(corpus).batch(7)
        mapped = [
            row for b in dataset.map(self.tokenizer) for row in b.to_list()
        ]
        if eager != mapped:
            raise RunError(
                "the tokenizer gives other ids in tf.data than eagerly; no "
                "version was published."
            )
        return text_signatures.check_inputs(
            corpus, len(self.tokenizer.vocabulary), seed
        )


def _check_sizes(encoder, sequence_length):
    """Checks settings against the sizes that a preset has."""
    if encoder.frozen_layers > encoder.num_layers:
        raise ConfigError(
            "`--config.model.encoder.frozen_layers` must be at most "
            f"{encoder.num_layers}, the layers that the encoder has. "
            f"Received: {encoder.frozen_layers}."
        )
    if sequence_length > encoder.max_sequence_length:
        raise ConfigError(
            "`--config.data.sequence_length` must be at most "
            f"{encoder.max_sequence_length}, the positions that the encoder "
            f"has. Received: {sequence_length}."
        )
