"""The settings of a BERT or DistilBERT encoder."""

import dataclasses

from tfmodels.settings import setting

# Of BERT's layer normalization.
EPSILON = 1e-12
_SIZES = ("preset", ("",))  # They matter where no preset has them.


@dataclasses.dataclass(slots=True)
class EncoderConfig:
    """Pretrained weights, or the sizes of an encoder to train from scratch."""

    preset: str = setting(
        "",
        "Pretrained encoder: a directory in the format of Hugging Face or "
        "KerasHub, `package://PKG/DIR` inside an installed Python package, or "
        "the name of a KerasHub preset, which is downloaded once. Empty "
        "starts from random weights.",
    )
    family: str = setting(
        "bert",
        "Architecture.",
        choices=("bert", "distil_bert"),
        only_with=_SIZES,
    )
    vocabulary: str = setting(
        "",
        "File of WordPieces, one a line; empty learns them from the training "
        "texts.",
        only_with=_SIZES,
    )
    vocabulary_size: int = setting(
        8000, "WordPieces to learn.", at_least=100, only_with=_SIZES
    )
    lowercase: bool = setting(
        True, "Whether case and accents are dropped.", only_with=_SIZES
    )
    num_layers: int = setting(
        2, "Transformer layers.", at_least=1, only_with=_SIZES
    )
    num_heads: int = setting(
        2,
        "Attention heads, a divisor of `hidden_dim`.",
        at_least=1,
        only_with=_SIZES,
    )
    hidden_dim: int = setting(
        128, "Size of a token's vector.", at_least=1, only_with=_SIZES
    )
    intermediate_dim: int = setting(
        512,
        "Units of the hidden layer inside a transformer layer.",
        at_least=1,
        only_with=_SIZES,
    )
    max_sequence_length: int = setting(
        512, "Positions that are learned.", at_least=3, only_with=_SIZES
    )
    activation: str = setting(
        "gelu",
        "Activation inside a transformer layer.",
        choices=("gelu", "gelu_approximate", "relu"),
        only_with=_SIZES,
    )
    dropout: float = setting(
        0.1, "Share of units dropped in training.", at_least=0, below=1
    )
    implementation: str = setting(
        "fast",
        "How the layers are computed, with the same weights: `fast` with "
        "fewer and larger ops, dropout in steps of 1/256, or by "
        "`keras_nlp`'s own.",
        choices=("fast", "keras_nlp"),
    )
    recompute_activations: bool = setting(
        False,
        "Whether a layer keeps only its inputs for the backward pass and "
        "computes the rest again there: less memory, slower, the same weights "
        "(to the last bit on CPUs without `--config.trainer.jit_compile`).",
        only_with=("implementation", ("fast",)),
        may_change=True,
    )
    frozen_layers: int = setting(
        0,
        "Lowest transformer layers whose weights stay as they are, and those "
        "of the embeddings with them; -1 keeps the whole encoder.",
        at_least=-1,
    )
