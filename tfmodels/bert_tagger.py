"""A BERT encoder with logits for each token: tags of the words of a text."""

import dataclasses
import typing

from tfmodels.bert import encoder as encoder_lib
from tfmodels.bert.model_config import BertModelConfig
from tfmodels.settings import setting


@dataclasses.dataclass(slots=True)
class BertTaggerConfig(BertModelConfig):
    """Settings of the network: encoder, dropout.

    >>> from tfmodels import EncoderConfig
    >>> encoder = EncoderConfig(num_layers=1, hidden_dim=32, num_heads=2)
    >>> BertTaggerConfig(encoder=encoder).build(num_outputs=9).output.shape
    (None, None, 9)
    """

    per_token: typing.ClassVar[bool] = True

    dropout: float = setting(
        0.1,
        "Share of the units of each token that training drops.",
        at_least=0,
        below=1,
    )

    def build(self, num_outputs):
        """Builds the network, see `make_bert_tagger`.

        Args:
            num_outputs: int. Number of logits of a token.
        """
        return make_bert_tagger(self, num_outputs)

    def make_inference(self, network):
        """Returns the network without what only training needs.

        Args:
            network: `keras.Model` from `build`.

        Returns:
            `BertTaggerInference`.
        """
        from tfmodels.bert import inference

        return inference.BertTaggerInference(network, self)


def make_bert_tagger(config, num_outputs):
    """Builds the network with random weights.

    Args:
        config: `BertTaggerConfig`. If its encoder has a preset, the config
            contains the sizes of the preset, see `settled`.
        num_outputs: int. Number of logits of a token.

    Returns:
        `keras.Model` from `{"token_ids", "padding_mask": int32[batch,
        sequence_length]}` to logits `float32[batch, sequence_length,
        num_outputs]`, also at special tokens and padding, where they mean
        nothing. The mask is 1 for tokens and 0 for padding.
    """
    import keras

    encoder = encoder_lib.make_encoder(config.encoder)
    x = encoder.output  # [batch, sequence_length, hidden_dim]
    if config.dropout:
        x = encoder_lib.make_dropout(
            config.dropout, config.encoder, name="dropout"
        )(x)
    logits = keras.layers.Dense(
        num_outputs,
        kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
        # float32 under every policy: a softmax over bfloat16 loses digits.
        dtype="float32",
        name="logits",
    )(x)
    return keras.Model(encoder.input, logits, name="bert_tagger")
