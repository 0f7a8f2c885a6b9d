"""Pairs of texts as inputs: token ids of both in one row of a BERT encoder."""

import dataclasses

import numpy as np
import tensorflow as tf

from tfmodels.bert.config import PairEncoderConfig
from trainers.errors import ConfigError
from trainers.tasks import example_signatures
from trainers.tasks.inputs import pair_packing
from trainers.tasks.inputs import text_signatures
from trainers.tasks.inputs.texts import Texts

_SPECS = [
    tf.TensorSpec((None,), tf.string, name="text"),
    tf.TensorSpec((None,), tf.string, name="text_pair"),
]


class TextPairs(Texts):
    """Pairs of texts for a network with a BERT encoder.

    >>> from tfmodels import BertClassifierConfig
    >>> from trainers import config as c
    >>> pairs = TextPairs(
    ...     c.ExperimentConfig(
    ...         data=c.TextPairDataConfig(sequence_length=32),
    ...         model=BertClassifierConfig(),
    ...     )
    ... )
    >>> pairs.example_features
    ('text', 'text_pair')

    Attributes:
        tokenizer: `WordPieceTokenizer`; `None` before `load` or `restored`.
        sequence_length: int. Maximum number of ids of a pair, with `[CLS]` and
            both `[SEP]`.
    """

    example_features = ("text", "text_pair")

    def _encoder_of(self, encoder):
        """Returns the encoder whose network tells both texts apart."""
        fields = dataclasses.fields(encoder)
        return PairEncoderConfig(
            **{field.name: getattr(encoder, field.name) for field in fields}
        )

    def lengths(self, examples):
        """Returns the number of ids of each pair in the inputs of the model.

        Args:
            examples: `Examples` with `token_ids` and `pair_token_ids`.

        Returns:
            `int64[num_examples]`.
        """
        lengths = sum(x.lengths() for x in examples.features.values())
        return np.minimum(
            lengths + pair_packing.NUM_SPECIAL, self.sequence_length
        )

    def preprocess(self, features):
        """Returns model inputs, in evaluation and serving.

        A row is `[CLS] first [SEP] second [SEP]`. If it has more than
        `sequence_length` ids, the longer text is cut until both fit, see
        `pair_packing.kept_lengths`. Rows are padded as those of `Texts`.

        Args:
            features: Dict of `token_ids` and `pair_token_ids`, both
                int32[batch, (tokens)], ragged, from the tokenizer.

        Returns:
            Dict of `token_ids`, `padding_mask` and, for BERT, `segment_ids`,
            all `int32[batch, padded_length]`.
        """
        return self._preprocess(features, "many")

    def _preprocess(self, features, how_many):
        packed = pair_packing.pack(
            features["token_ids"],
            features["pair_token_ids"],
            self.sequence_length,
            how_many,
            pad_id=self.tokenizer.pad_id,
            start_id=self.tokenizer.start_id,
            end_id=self.tokenizer.end_id,
        )
        return self._known(packed)

    def _known(self, features):
        """Returns the features that the network has."""
        if not self.model_config.encoder.has_segment_ids:
            del features["segment_ids"]
        return features

    def signatures(self):
        """Returns the signatures that answer with the outputs of the objective.

        - `serving_default` takes `text` and `text_pair`, both string[batch].
        - `tokens` takes the `token_ids` that `tokenize` returns, or rows of
          other lengths, see `text_signatures.pair_inputs`.

        Returns:
            Dict as `Inputs.signatures` says.
        """
        ids = tf.TensorSpec((None, None), tf.int32, name="token_ids")
        return {
            "serving_default": (_SPECS, self.from_example),
            "tokens": ([ids], self._from_ids),
        }

    def other_signatures(self):
        """Returns the signature `tokenize`, which does not use the network.

        It takes `text` and `text_pair`, both string[batch], and returns
        `token_ids: int32[batch, sequence_length]`, with `[CLS]` and `[SEP]`.

        Returns:
            Dict from the name of a signature to a `tf.function`.
        """

        @tf.function(input_signature=_SPECS, autograph=False)
        def tokenize(text, text_pair):
            return self._whole_rows(self.from_example(text, text_pair))

        return {"tokenize": tokenize}

    def from_example(self, text, text_pair):
        """Returns the features of pairs, for requests with texts.

        Args:
            text: string[batch].
            text_pair: string[batch].
        """
        return self.preprocess(
            {
                "token_ids": self.tokenizer(text),
                "pair_token_ids": self.tokenizer(text_pair),
            }
        )

    def _from_ids(self, token_ids):
        return self._known(
            text_signatures.pair_inputs(
                token_ids,
                self.sequence_length,
                pad_id=self.tokenizer.pad_id,
                start_id=self.tokenizer.start_id,
                end_id=self.tokenizer.end_id,
            )
        )

    def make_check_inputs(self, seed):
        """Returns 100 rows of inputs for the check of an export.

        The second text is the first one of the next row, so long and short
        texts, and texts without tokens, are in one pair.

        Args:
            seed: int. Determines random texts and ids.

        Returns:
            Dict by signature of dicts by input of arrays with 100 rows.

        Raises:
            RunError: The tokenizer gives other ids in tf.data than eagerly.
        """
        fed = super().make_check_inputs(seed)
        text = fed["serving_default"]["text"]
        pair = np.roll(text, -1)
        ids = fed["tokens"]["token_ids"].copy()
        # The second text begins and ends somewhere else in each row.
        rng = np.random.default_rng(seed)
        width = min(ids.shape[1], self.sequence_length)
        ends = np.sort(
            np.argsort(rng.random((len(ids), width - 1)))[:, :2] + 1, axis=1
        )
        # No other [SEP], and no id that ends a row.
        special = (
            self.tokenizer.pad_id,
            self.tokenizer.start_id,
            self.tokenizer.end_id,
        )
        unknown_id = self.tokenizer.vocabulary.index("[UNK]")
        ids[:, 1:][np.isin(ids[:, 1:], special)] = unknown_id
        np.put_along_axis(ids, ends, self.tokenizer.end_id, axis=1)
        ids[1] = self.tokenizer.pad_id
        texts = {"text": text, "text_pair": pair}
        return fed | {
            "serving_default": texts,
            "tokens": {"token_ids": ids},
            "tokenize": texts,
            "examples": example_signatures.check_inputs(
                text=text.tolist(), text_pair=pair.tolist()
            ),
        }

    @classmethod
    def read_rows(cls, file, data):
        """Yields the pairs of a file, see `reading.read_texts`.

        Args:
            file: str. Path of a table with both columns.
            data: `TextPairDataConfig`.

        Yields:
            `(place, row)`: a dict of `example`, and a dict of the bytes of
            `text` and `text_pair`.

        Raises:
            ConfigError: The file has a text on each line, and no columns.
        """
        for place, texts in super().read_rows(file, data):
            if "text_pair" not in texts:
                raise ConfigError(
                    "`FILE`: must be a table such as .csv or .jsonl for a "
                    f"model of pairs, with the columns {data.text_column!r} "
                    f"and {data.text_pair_column!r}, or those of "
                    "--config.data.text_column and "
                    "--config.data.text_pair_column. Received: "
                    f"{str(file)!r}, which has a text on each line."
                )
            yield place, texts

    def request_of(self, features):
        """Returns the request for a batch of pairs.

        Args:
            features: Dict of `text` and `text_pair`.
        """
        fed = {name: list(features[name]) for name in self.example_features}
        return "serving_default", fed

    def describe(self):
        """Returns the pairs in words."""
        return "pairs of texts"

    def limits(self):
        """Returns how much of a pair the model reads."""
        limit = self.sequence_length - pair_packing.NUM_SPECIAL
        return [
            f"The model reads the first {self._config.data.max_bytes:,} bytes "
            f"of each text, and {limit} tokens of both together. Of longer "
            "pairs, the longer text is cut until both fit."
        ]
