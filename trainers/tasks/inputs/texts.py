"""Texts as inputs: token ids of a BERT encoder."""

import collections
import dataclasses
import json

import numpy as np
import tensorflow as tf

from tfmodels.bert import normalization
from tfmodels.bert import vocabulary_learner
from tfmodels.bert import wordpiece
from tfmodels.bert.added_tokens import AddedToken
from tfmodels.bert.added_tokens import Vocabulary
from tfmodels.bert.config import EncoderConfig
from trainers.data import buckets
from trainers.data.texts import loading
from trainers.data.texts import reading
from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.tasks.inputs import text_signatures
from trainers.tasks.inputs.inputs import Inputs

# With these two files, a work directory does not depend on the preset.
_VOCABULARY = "vocabulary.txt"
_ENCODER = "encoder.json"
# Settings of the encoder that its file does not contain: they decide how layers
# are computed, and the weights do not depend on them.
_NOT_SAVED = ("implementation", "recompute_activations")
# Number of ids in a batch of evaluation: 128 texts of 128 tokens.
_EVAL_TOKENS = 128 * 128
# The same on a GPU or TPU, an estimate. Between two batches, the device waits
# for the host for about 1 ms. At 200 TFLOP/s, the matrix products of 128 x 128
# ids take 2 ms in MiniLM and 14 ms in BERT base. MiniLM would wait for a third
# of the time, with four times as many ids for a ninth. More ids take memory,
# but only the tensors of one layer exist at a time. In BERT base with texts of
# 512 ids, these are 18,000 numbers for each id, 12,000 of them scores of the
# attention: 4.7 GB in float32. Twice as many would not fit into a GPU of 8 GB.
_ACCELERATOR_TOKENS = 4 * _EVAL_TOKENS


class Texts(Inputs):
    """Texts for a network with a BERT encoder.

    >>> from tfmodels import BertClassifierConfig
    >>> from trainers import config as c
    >>> texts = Texts(
    ...     c.ExperimentConfig(
    ...         data=c.TextDataConfig(sequence_length=32),
    ...         model=BertClassifierConfig(),
    ...     )
    ... )
    >>> texts.eval_batch_size
    512

    Attributes:
        tokenizer: `WordPieceTokenizer`; `None` before `load` or `restored`.
        sequence_length: int. Maximum number of ids of a text, with `[CLS]` and
            `[SEP]`.
    """

    def __init__(
        self,
        config,
        encoder=None,
        vocabulary=None,
        normalizer=normalization.BERT,
    ):
        """Makes the inputs.

        Args:
            config: `ExperimentConfig` on texts.
            encoder: `EncoderConfig` with the sizes of a preset; `None` before
                they are known.
            vocabulary: List of str or `Vocabulary`, or `None`.
            normalizer: str. That of the tokenizer.
        """
        super().__init__(config)
        self._config = config
        self._normalizer = normalizer
        self.sequence_length = config.data.sequence_length
        self.eval_batch_size = max(_EVAL_TOKENS // self.sequence_length, 1)
        self.accelerator_batch_size = max(
            _ACCELERATOR_TOKENS // self.sequence_length, 1
        )
        self.tokenizer = None
        if vocabulary is None:
            return
        self.tokenizer = self._make_tokenizer(encoder, vocabulary)
        if not encoder.preset:
            encoder = dataclasses.replace(
                encoder, vocabulary_size=len(vocabulary)
            )
        self.model_config = dataclasses.replace(
            config.model, encoder=self._encoder_of(encoder)
        )

    def _encoder_of(self, encoder):
        """Returns the settings of the encoder of the network."""
        return encoder

    def load(self, data, objective):
        """Loads, checks and tokenizes the splits of a run.

        Args:
            data: `TextDataConfig`.
            objective: `Objective`, before its data is known.

        Returns:
            `(inputs, objective, splits)`: the `Texts` of these splits, with a
            tokenizer, the fitted objective, and `Splits` with the feature
            `token_ids: int32[num_examples, (tokens)]`, ragged.

        Raises:
            ConfigError: A path, a preset or a setting is wrong.
            DataError: The rows break a rule.
        """
        try:
            model, vocabulary = self.model_config.settled()
        except ValueError as error:
            raise ConfigError(str(error)) from error
        encoder = model.encoder
        added_tokens = getattr(vocabulary, "added_tokens", ())
        self._check_length(encoder)

        def make_tokenizer(train_texts):
            return self._make_tokenizer(
                encoder,
                vocabulary
                or vocabulary_learner.learn_vocabulary(
                    train_texts,
                    size=encoder.vocabulary_size,
                    lowercase=encoder.lowercase,
                    max_bytes=data.max_bytes,
                    normalizer=self._normalizer,
                ),
            )

        splits, objective, vocabulary = loading.load(
            data,
            objective,
            make_tokenizer_fn=make_tokenizer,
            tokenizer_facts=[
                vocabulary or encoder.vocabulary_size,
                encoder.lowercase,
                self._normalizer,
                *map(dataclasses.asdict, added_tokens),
            ],
            target_facts=self._settings_of_targets(objective),
            longest=encoder.max_sequence_length,
            **self._loading_settings(data),
        )
        vocabulary = Vocabulary(vocabulary, added_tokens)
        inputs = type(self)(self._config, encoder, vocabulary, self._normalizer)
        return inputs, objective, splits

    def _loading_settings(self, data):
        """Returns further arguments of `loading.load`."""
        return {}

    def _settings_of_targets(self, objective):
        settings = dataclasses.asdict(self._config.task)
        names = objective.settings_of_targets
        return [
            [name, value]
            for name, value in settings.items()
            if names is None or name in names
        ]

    def _check_length(self, encoder):
        if self.sequence_length > encoder.max_sequence_length:
            raise ConfigError(
                "`--config.data.sequence_length` must be at most "
                f"{encoder.max_sequence_length}, the positions that the "
                f"encoder has. Received: {self.sequence_length}."
            )

    def load_raw(self, data, split, objective, run_data=None):
        """Loads one split, or the rows of any labelled file, as texts.

        Args:
            data: `TextDataConfig`.
            split: str. Name of a split, or a path.
            objective: `Objective` of the run.
            run_data: `TextDataConfig` of the run that trained the model;
                `None` means `data`.

        Returns:
            `Examples` with the feature `text`, see `loading.load_raw`.

        Raises:
            ConfigError, DataError: See `loading.load_raw`.
        """
        return loading.load_raw(data, split, objective, run_data)

    def load_one(self, data, split, objective, run_data=None):
        """Loads one split, or the rows of any labelled file, as token ids.

        Args:
            data, split, objective, run_data: As for `load_raw`.

        Returns:
            `Examples` with the feature `token_ids`.

        Raises:
            ConfigError, DataError: See `loading.load_raw`.
        """
        raw = self.load_raw(data, split, objective, run_data)
        return loading.tokenize(raw, self.tokenizer)

    def assets(self):
        """Returns the files that `restored` needs.

        Returns:
            Dict from the name of a file to its text.
        """
        encoder = dataclasses.asdict(self.model_config.encoder)
        for name in _NOT_SAVED:
            del encoder[name]
        # Without it, as older versions wrote the file.
        if self._normalizer != normalization.NFKC:
            encoder["normalizer"] = self._normalizer
        if added := self.tokenizer.added_tokens:
            encoder["added_tokens"] = [*map(dataclasses.asdict, added)]
        return {
            _VOCABULARY: "".join(f"{t}\n" for t in self.tokenizer.vocabulary),
            _ENCODER: json.dumps(encoder, indent=2) + "\n",
        }

    def restored(self, directory):
        """Returns the inputs of a run, with its tokenizer and sizes.

        Args:
            directory: `pathlib.Path` of the work directory.

        Returns:
            `Texts`.

        Raises:
            ConfigError: A file is missing or damaged.
        """
        try:
            vocabulary = wordpiece.read_vocabulary(directory / _VOCABULARY)
            facts, normalizer = _read_encoder(directory)
            added_tokens = facts.pop("added_tokens", ())
            vocabulary = Vocabulary(
                vocabulary, [AddedToken(**token) for token in added_tokens]
            )
            encoder = EncoderConfig(**facts)
            for name in _NOT_SAVED:
                value = getattr(self.model_config.encoder, name)
                setattr(encoder, name, value)
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(
                "`--workdir` must be the directory of a run. Received: "
                f"{str(directory)!r}: {error}"
            ) from None
        return type(self)(self._config, encoder, vocabulary, normalizer)

    def resumed(self, directory):
        """Returns inputs that load texts as the run in a directory does.

        A run that an older version began keeps its tokenizer.

        Args:
            directory: `pathlib.Path` of the work directory.
        """
        try:
            _, normalizer = _read_encoder(directory)
        except (OSError, ValueError):
            return self  # The data is compared with that of the run.
        return type(self)(self._config, normalizer=normalizer)

    def _make_tokenizer(self, encoder, vocabulary):
        return wordpiece.WordPieceTokenizer(
            vocabulary,
            lowercase=encoder.lowercase,
            max_bytes=self._config.data.max_bytes,
            normalizer=self._normalizer,
        )

    def lengths(self, examples):
        """Returns the number of ids of each text in the inputs of the model.

        Args:
            examples: `Examples` with `token_ids`.

        Returns:
            `int64[num_examples]`.
        """
        lengths = examples.features["token_ids"].lengths() + 2
        return np.minimum(lengths, self.sequence_length)

    def padding_share(self, examples, *, batch_size, seed):
        """Returns the share of padding in the first epoch of training.

        Args:
            examples: `Examples` with `token_ids`.
            batch_size: int. Number of rows in a batch, over all replicas.
            seed: int. Seed of the run.

        Returns:
            float from 0 to 1.
        """
        return buckets.padding_share(
            self.lengths(examples),
            batch_size=batch_size,
            seed=seed,
            longest=self.sequence_length,
            how_many=self._config.data.padded_lengths,
        )

    def training_lengths(self, examples):
        """Returns the lengths of training batches, the most frequent first.

        Args:
            examples: `Examples` with `token_ids`.

        Returns:
            List of int.
        """
        lengths = buckets.padded_lengths(
            self.sequence_length, self._config.data.padded_lengths
        )
        found = np.searchsorted(lengths, self.lengths(examples))
        # A batch has the length of its longest text.
        counts = collections.Counter(found.tolist())
        return [lengths[index] for index, _ in counts.most_common()]

    def preprocess_for_training(self, features):
        """Returns model inputs, padded to a length of `padded_lengths`.

        Args:
            features: As for `preprocess`.

        Returns:
            As `preprocess`.
        """
        return self._preprocess(features, self._config.data.padded_lengths)

    def preprocess(self, features):
        """Returns model inputs, in evaluation and serving.

        Puts each text between `[CLS]` and `[SEP]` and cuts it to
        `sequence_length` ids. Pads it with `[PAD]` to the shortest of
        `buckets.padded_lengths` that fits the longest text of the batch.

        Args:
            features: Dict of `token_ids: int32[batch, (tokens)]`, ragged, from
                the tokenizer.

        Returns:
            Dict of `token_ids` and `padding_mask`, both `int32[batch,
            padded_length]`. The mask is 1 for tokens and 0 for padding.
        """
        return self._preprocess(features, "many")

    def _preprocess(self, features, how_many):
        tokenizer, longest = self.tokenizer, self.sequence_length
        ids = features["token_ids"]
        # [batch, 1], with [CLS] and [SEP].
        lengths = tf.cast(ids.row_lengths(), tf.int32)[:, tf.newaxis] + 2
        lengths = tf.minimum(lengths, longest)
        choices = buckets.padded_lengths(longest, how_many)
        length = choices[0]  # A static shape, if there is one choice.
        if len(choices) > 1:
            is_short = choices < tf.reduce_max(lengths)
            index = tf.reduce_sum(tf.cast(is_short, tf.int32))
            length = tf.constant(choices)[index]
        ids = ids.to_tensor(tokenizer.pad_id, shape=(None, longest - 2))
        ids = tf.pad(ids[:, : length - 2], [[0, 0], [1, 1]])
        positions = tf.range(length)
        ids = tf.where(positions == 0, tokenizer.start_id, ids)
        ids = tf.where(positions == lengths - 1, tokenizer.end_id, ids)
        ids = tf.where(positions < lengths, ids, tokenizer.pad_id)
        mask = tf.cast(positions < lengths, tf.int32)
        return {"token_ids": ids, "padding_mask": mask}

    def signatures(self):
        """Returns the signatures that answer with the outputs of the objective.

        - `serving_default` takes `text: string[batch]`.
        - `tokens` takes the `token_ids` that `tokenize` returns, or rows of
          other lengths, see `text_signatures.model_inputs`.

        Returns:
            Dict as `Inputs.signatures` says.
        """
        ids = tf.TensorSpec((None, None), tf.int32, name="token_ids")
        return {
            "serving_default": ([text_signatures.SPEC], self.from_example),
            "tokens": ([ids], self._from_ids),
        }

    def other_signatures(self):
        """Returns the signature `tokenize`, which does not use the network.

        It takes `text: string[batch]` and returns `token_ids: int32[batch,
        sequence_length]`, with `[CLS]` and `[SEP]`.

        Returns:
            Dict from the name of a signature to a `tf.function`.
        """

        @tf.function(input_signature=[text_signatures.SPEC], autograph=False)
        def tokenize(text):
            return self._whole_rows(self.from_example(text))

        return {"tokenize": tokenize}

    def _whole_rows(self, features):
        """Returns the outputs of `tokenize` for features of a batch."""
        ids = features["token_ids"]
        # The width must not depend on other texts of the batch.
        missing = self.sequence_length - tf.shape(ids)[1]
        return {
            "token_ids": tf.pad(
                ids,
                [[0, 0], [0, missing]],
                constant_values=self.tokenizer.pad_id,
            )
        }

    def from_example(self, text):
        """Returns the features of texts, for `serving_default` and `classify`.

        Args:
            text: string[batch].
        """
        return self.preprocess({"token_ids": self.tokenizer(text)})

    def _from_ids(self, token_ids):
        return text_signatures.model_inputs(
            token_ids,
            self.sequence_length,
            pad_id=self.tokenizer.pad_id,
            start_id=self.tokenizer.start_id,
            end_id=self.tokenizer.end_id,
        )

    def make_check_inputs(self, seed):
        """Returns 100 rows of inputs for the check of an export.

        Args:
            seed: int. Determines random texts and ids.

        Returns:
            Dict by signature of dicts by input of arrays with 100 rows.

        Raises:
            RunError: The tokenizer gives other ids in tf.data than eagerly.
        """
        corpus = text_signatures.check_corpus(seed)
        eager = self.tokenizer(tf.constant(corpus)).to_list()
        dataset = tf.data.Dataset.from_tensor_slices(corpus).batch(7)
        tokenize = tf.autograph.experimental.do_not_convert(self.tokenizer)
        mapped = [row for b in dataset.map(tokenize) for row in b.to_list()]
        if eager != mapped:
            raise RunError(
                "the tokenizer gives other ids in tf.data than eagerly; no "
                "version was published."
            )
        return text_signatures.check_inputs(
            corpus,
            len(self.tokenizer.vocabulary),
            pad_id=self.tokenizer.pad_id,
            start_id=self.tokenizer.start_id,
            seed=seed,
        )

    @classmethod
    def read_rows(cls, file, data):
        """Yields the texts of a file, see `reading.read_texts`.

        Args:
            file: str. Path of the file; `-` is stdin.
            data: `TextDataConfig`.

        Yields:
            `(place, row)`: a dict of `example`, and a dict of the bytes of
            `text`.
        """
        rows = reading.read_texts(file, data, encoding_flag="--encoding")
        for place, texts in rows:
            yield {"example": place}, texts

    @classmethod
    def settings_of_files(cls, data, encoding):
        """Returns the settings for the files of `predict`.

        Without `encoding`, files are UTF-8, even if those of the run are not:
        in most encodings, texts in UTF-8 can be read, but wrongly.

        Args:
            data: `TextDataConfig`. Its encoding does not count.
            encoding: str, or `None`.
        """
        return dataclasses.replace(data, encoding=encoding or "utf-8")

    def request_of(self, features):
        """Returns the request for a batch of texts.

        Args:
            features: Dict of `text`.
        """
        return "serving_default", {"text": list(features["text"])}

    def describe(self):
        """Returns the texts in words."""
        return "texts"

    def limits(self):
        """Returns how much of a text the model reads."""
        return [
            f"The model reads the first {self._config.data.max_bytes:,} bytes "
            f"of a text, and the first {self.sequence_length - 2} tokens of "
            "them."
        ]


def _read_encoder(directory):
    """Returns the dict of an `EncoderConfig`, and the name of a normalizer."""
    facts = json.loads((directory / _ENCODER).read_text(encoding="utf-8"))
    if not isinstance(facts, dict):
        raise ValueError(f"{_ENCODER}: must be a JSON object.")
    normalizer = facts.pop("normalizer", normalization.NFKC)
    if normalizer not in (normalization.BERT, normalization.NFKC):
        raise ValueError(f"{_ENCODER}: unknown normalizer {normalizer!r}.")
    return facts, normalizer
