"""A bag of words for texts: the mean of learned vectors of tokens."""

import dataclasses

from tfmodels import EncoderConfig
from tfmodels.model_config import ModelConfig


@dataclasses.dataclass(slots=True)
class BagConfig(ModelConfig):
    """Settings of the network.

    Texts need `encoder`: the sizes of the vocabulary and of the vectors.
    """

    encoder: EncoderConfig = dataclasses.field(default_factory=EncoderConfig)

    def build(self, num_outputs):
        """Builds the network.

        Args:
            num_outputs: int. Number of logits.

        Returns:
            `keras.Model` from `{"token_ids", "padding_mask": int32[batch,
            sequence_length]}` to logits `float32[batch, num_outputs]`.
        """
        import keras

        ids = keras.Input((None,), dtype="int32", name="token_ids")
        mask = keras.Input((None,), dtype="int32", name="padding_mask")
        vectors = keras.layers.Embedding(
            self.encoder.vocabulary_size, self.encoder.hidden_dim, name="words"
        )(ids)
        x = keras.layers.GlobalAveragePooling1D(name="mean")(vectors, mask=mask)
        logits = keras.layers.Dense(
            num_outputs, dtype="float32", name="logits"
        )(x)
        return keras.Model(
            {"token_ids": ids, "padding_mask": mask}, logits, name="bag"
        )
