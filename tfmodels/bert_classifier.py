"""A BERT encoder with a classification head: one label for each text."""

import dataclasses

from tfmodels.bert import encoder as encoder_lib
from tfmodels.bert.model_config import BertModelConfig
from tfmodels.settings import setting


@dataclasses.dataclass(slots=True)
class BertClassifierConfig(BertModelConfig):
    """Settings of the network: encoder, pooling, dropout.

    >>> from tfmodels import EncoderConfig
    >>> encoder = EncoderConfig(num_layers=1, hidden_dim=32, num_heads=2)
    >>> config = BertClassifierConfig(encoder=encoder, pooling="mean")
    >>> config.build(num_outputs=3).output.shape
    (None, 3)
    """

    pooling: str = setting(
        "pooled",
        "How the vectors of a text become one vector: a dense layer on the "
        "vector of [CLS] (`pooled`, as in the training of BERT), or the mean "
        "of all vectors (`mean`, as in the training of sentence encoders).",
        choices=("pooled", "mean"),
    )
    dropout: float = setting(
        0.1,
        "Share of the pooled units that training drops.",
        at_least=0,
        below=1,
    )

    def build(self, num_outputs):
        """Builds the network, see `make_bert_classifier`.

        Args:
            num_outputs: int. Number of logits.
        """
        return make_bert_classifier(self, num_outputs)

    def make_inference(self, network):
        """Returns the network without what only training needs.

        Args:
            network: `keras.Model` from `build`.

        Returns:
            `BertInference`.
        """
        from tfmodels.bert import inference

        return inference.BertInference(network, self)


def make_bert_classifier(config, num_outputs):
    """Builds the network with random weights.

    Args:
        config: `BertClassifierConfig`. If its encoder has a preset, the
            config contains the sizes of the preset, see `settled`.
        num_outputs: int. Number of logits.

    Returns:
        `keras.Model` from `{"token_ids", "padding_mask": int32[batch,
        sequence_length]}` to logits `float32[batch, num_outputs]`. The mask
        is 1 for tokens and 0 for padding. For pairs, it also takes
        `segment_ids`, see `make_encoder`.
    """
    import keras

    encoder = encoder_lib.make_encoder(
        config.encoder, only_first=config.pooling == "pooled"
    )
    x = encoder.output  # [batch, sequence_length, hidden_dim]
    if config.pooling == "mean":
        # float32, because bfloat16 represents whole numbers only up to 256.
        x = keras.layers.GlobalAveragePooling1D(dtype="float32", name="mean")(
            x, mask=encoder.input["padding_mask"]
        )
    else:
        # Name and activation are those of the family's pretrained pooler.
        is_bert = config.encoder.family == "bert"
        x = keras.layers.Dense(
            config.encoder.hidden_dim,
            activation="tanh" if is_bert else "relu",
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="pooled_dense",
        )(x[:, 0, :])
    if config.dropout:
        x = keras.layers.Dropout(config.dropout, name="dropout")(x)
    logits = keras.layers.Dense(
        num_outputs,
        kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
        # float32 under every policy: a softmax over bfloat16 loses digits.
        dtype="float32",
        name="logits",
    )(x)
    return keras.Model(encoder.input, logits, name="bert_classifier")
