"""The settings of a BERT or DistilBERT encoder."""

import dataclasses
import typing

from tfmodels.settings import setting

# The epsilon of BERT's layer normalization.
EPSILON = 1e-12
# A preset brings its own sizes: these settings have an effect only without.
_WITHOUT_PRESET = ("preset", ("",))


@dataclasses.dataclass(slots=True)
class EncoderConfig:
    """A pretrained encoder, or the sizes of an encoder with random weights.

    >>> config = EncoderConfig(num_layers=4, hidden_dim=256, num_heads=4)
    >>> config.family, config.num_layers, config.intermediate_dim
    ('bert', 4, 512)

    Attributes:
        num_segments: int. Number of texts of an example. Of two, each has a
            vector that is added to those of its tokens, its segment.
    """

    num_segments: typing.ClassVar[int] = 1

    preset: str = setting(
        "",
        "Pretrained encoder: a directory in the format of Hugging Face or "
        "KerasHub, `package://PKG/DIR` inside an installed Python package; or "
        "`hf://ORG/NAME` or the name of a KerasHub preset, which are "
        "downloaded once. Empty starts from random weights.",
        is_path=True,
        schemes=("package", "hf", "kaggle", "modelscope"),
    )
    family: str = setting(
        "bert",
        "Architecture of the encoder.",
        choices=("bert", "distil_bert"),
        only_with=_WITHOUT_PRESET,
    )
    vocabulary: str = setting(
        "",
        "File of WordPieces, one on each line. Empty learns a vocabulary from "
        "the training texts.",
        only_with=_WITHOUT_PRESET,
        is_path=True,
    )
    vocabulary_size: int = setting(
        8000,
        "Number of WordPieces to learn.",
        at_least=100,
        only_with=_WITHOUT_PRESET,
    )
    lowercase: bool = setting(
        True,
        "Whether the tokenizer drops case and accents.",
        only_with=_WITHOUT_PRESET,
    )
    num_layers: int = setting(
        2,
        "Number of transformer layers.",
        at_least=1,
        only_with=_WITHOUT_PRESET,
    )
    num_heads: int = setting(
        2,
        "Number of attention heads, a divisor of `hidden_dim`.",
        at_least=1,
        only_with=_WITHOUT_PRESET,
    )
    hidden_dim: int = setting(
        128,
        "Size of the vector of a token.",
        at_least=1,
        only_with=_WITHOUT_PRESET,
    )
    intermediate_dim: int = setting(
        512,
        "Units of the hidden layer inside a transformer layer.",
        at_least=1,
        only_with=_WITHOUT_PRESET,
    )
    max_sequence_length: int = setting(
        512,
        "Number of positions with a learned vector.",
        at_least=3,
        only_with=_WITHOUT_PRESET,
    )
    activation: str = setting(
        "gelu",
        "Activation inside a transformer layer.",
        choices=("gelu", "gelu_approximate", "relu"),
        only_with=_WITHOUT_PRESET,
    )
    dropout: float = setting(
        0.1, "Share of units that training drops.", at_least=0, below=1
    )
    implementation: str = setting(
        "fast",
        "Which code computes the layers, from the same weights: `fast` has "
        "fewer and larger ops, and dropout in steps of 1/256; `keras_nlp` is "
        "the layer of KerasHub.",
        choices=("fast", "keras_nlp"),
    )
    recompute_activations: bool = setting(
        False,
        "Whether a layer keeps only its inputs for the backward pass and "
        "computes the rest again. This takes less memory and more time, and "
        "gives the same weights (bit-identical on CPUs without "
        "`--config.trainer.jit_compile`).",
        only_with=("implementation", ("fast",)),
        may_change=True,
    )
    frozen_layers: int = setting(
        0,
        "Number of lowest transformer layers that training does not change. "
        "Above 0, the embeddings do not change either; -1 freezes the whole "
        "encoder.",
        at_least=-1,
    )

    @property
    def has_segment_ids(self):
        """Whether the network takes the segment of each token."""
        # DistilBERT has no vectors of segments.
        return self.num_segments > 1 and self.family == "bert"


@dataclasses.dataclass(slots=True)
class PairEncoderConfig(EncoderConfig):
    """The same encoder for two texts in one row. Inputs of pairs make it.

    >>> PairEncoderConfig().has_segment_ids, EncoderConfig().has_segment_ids
    (True, False)
    """

    num_segments: typing.ClassVar[int] = 2
