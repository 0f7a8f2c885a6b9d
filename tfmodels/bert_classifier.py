"""A BERT encoder with a head that gives one label a text."""

import dataclasses

from tfmodels.bert import encoder as encoder_lib
from tfmodels.bert.config import EncoderConfig
from tfmodels.settings import setting


@dataclasses.dataclass(slots=True)
class BertClassifierConfig:
    """Encoder, pooling, dropout, logits."""

    encoder: EncoderConfig = dataclasses.field(default_factory=EncoderConfig)
    pooling: str = setting(
        "pooled",
        "What stands for a text: a dense layer on the vector of [CLS] "
        "(`pooled`, as BERT was trained), or the mean of all vectors (`mean`, "
        "as sentence encoders were).",
        choices=("pooled", "mean"),
    )
    dropout: float = setting(
        0.1,
        "Share of the pooled units dropped in training.",
        at_least=0,
        below=1,
    )


def make_bert_classifier(config, num_classes):
    """Builds the network with random weights.

    Args:
        config: `BertClassifierConfig`, its encoder with a preset's sizes if
            it has one.
        num_classes: int, number of logits.

    Returns:
        `keras.Model` from `{"token_ids", "padding_mask": int32[batch,
        sequence_length]}`, mask 1 for tokens and 0 for padding, to logits
        `float32[batch, num_classes]`.
    """
    import keras

    encoder = encoder_lib.make_encoder(
        config.encoder, only_first=config.pooling == "pooled"
    )
    x = encoder.output  # [batch, sequence_length, hidden_dim]
    if config.pooling == "mean":
        # float32: bfloat16 counts only to 256.
        x = keras.layers.GlobalAveragePooling1D(dtype="float32", name="mean")(
            x, mask=encoder.input["padding_mask"]
        )
    else:
        # Names and activations of each family's pretrained pooler.
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
        num_classes,
        kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
        # float32 whatever the policy: a softmax over bfloat16 loses digits.
        dtype="float32",
        name="logits",
    )(x)
    return keras.Model(encoder.input, logits, name="bert_classifier")
