"""Functional Keras networks: plain inputs in, logits out."""

import contextlib
import pathlib

from tfmodels.bert import presets
from tfmodels.bert.config import EncoderConfig as EncoderConfig
from tfmodels.bert_classifier import BertClassifierConfig
from tfmodels.bert_classifier import make_bert_classifier
from tfmodels.mnist_mlp import MnistMlpConfig
from tfmodels.mnist_mlp import make_mnist_mlp

# The name stands in `config.json`; the class holds the model's settings.
MODEL_CONFIGS = {
    "mnist_mlp": MnistMlpConfig,
    "bert_classifier": BertClassifierConfig,
}
_BUILDERS = {
    MnistMlpConfig: make_mnist_mlp,
    BertClassifierConfig: make_bert_classifier,
}


def make_model(config, num_classes):
    """Builds the network that belongs to a model config, see its builder."""
    return _BUILDERS[type(config)](config, num_classes)


def check_files(config):
    """Checks that the files named in a model config exist, without Keras.

    Args:
        config: Config of the model.

    Raises:
        ValueError: A file, directory or package does not exist, or a preset
            contains an encoder of another family.
    """
    encoder = getattr(config, "encoder", None)
    if encoder is None:
        return
    if encoder.preset:
        presets.check(encoder.preset)
    elif encoder.vocabulary and not pathlib.Path(encoder.vocabulary).is_file():
        raise ValueError(
            "`--config.model.encoder.vocabulary` must be a file of WordPieces. "
            f"Received: {encoder.vocabulary!r}."
        )


def load_pretrained(network, config):
    """Loads the pretrained weights that a model config names, if any.

    Args:
        network: From `make_model`.
        config: Config of the model.

    Raises:
        ValueError: They cannot be had, or do not fit.
    """
    encoder = getattr(config, "encoder", None)
    if encoder is not None and encoder.preset:
        presets.load_weights(network, encoder)


@contextlib.contextmanager
def dtype_policy(name):
    """Builds what is built inside under a Keras dtype policy.

    Args:
        name: `float32`, `mixed_bfloat16` or `mixed_float16`.
    """
    import keras  # Here, as a config file must not wait for it.

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
