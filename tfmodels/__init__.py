"""Functional Keras networks from plain inputs to logits."""

import contextlib
import dataclasses
import pathlib

from tfmodels.bert import presets
from tfmodels.bert import wordpiece
from tfmodels.bert.config import EncoderConfig as EncoderConfig
from tfmodels.bert_classifier import BertClassifierConfig
from tfmodels.bert_classifier import make_bert_classifier
from tfmodels.mnist_mlp import MnistMlpConfig
from tfmodels.mnist_mlp import make_mnist_mlp

# From the name of a model in `config.json` to the class of its settings.
MODEL_CONFIGS = {
    "mnist_mlp": MnistMlpConfig,
    "bert_classifier": BertClassifierConfig,
}
_BUILDERS = {
    MnistMlpConfig: make_mnist_mlp,
    BertClassifierConfig: make_bert_classifier,
}


def make_model(config, num_classes):
    """Builds the network of a model config with random weights.

    Args:
        config: Instance of a class in `MODEL_CONFIGS`, for example
            `MnistMlpConfig`.
        num_classes: int. Number of logits.

    Returns:
        `keras.Model`, see `make_mnist_mlp` and `make_bert_classifier`.
    """
    return _BUILDERS[type(config)](config, num_classes)


def check_files(config):
    """Checks that the files in a model config exist. Does not import Keras.

    Args:
        config: Instance of a class in `MODEL_CONFIGS`.

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


def settle(config):
    """Returns a model config with the sizes that its files decide.

    Args:
        config: Instance of a class in `MODEL_CONFIGS`; read, not changed.

    Returns:
        The config, for a preset with its sizes, and the vocabulary as a list of
        str; `None` if no file of the model contains one.

    Raises:
        ValueError: A file cannot be read, or a setting does not fit its sizes.
    """
    encoder = getattr(config, "encoder", None)
    if encoder is None:
        return config, None
    vocabulary = None
    if encoder.preset:
        encoder, vocabulary = presets.read(encoder)
    elif encoder.vocabulary:
        try:
            vocabulary = wordpiece.read_vocabulary(encoder.vocabulary)
        except ValueError as error:
            raise ValueError(
                f"`--config.model.encoder.vocabulary` cannot be used: {error}"
            ) from error
    if encoder.frozen_layers > encoder.num_layers:
        raise ValueError(
            "`--config.model.encoder.frozen_layers` must be at most "
            f"{encoder.num_layers}, the layers that the encoder has. "
            f"Received: {encoder.frozen_layers}."
        )
    return dataclasses.replace(config, encoder=encoder), vocabulary


def load_pretrained(network, config):
    """Loads the pretrained weights that a model config names, if any.

    Args:
        network: `keras.Model` from `make_model`.
        config: Instance of a class in `MODEL_CONFIGS`.

    Raises:
        ValueError: The weights cannot be loaded or downloaded, or do not fit
            the network.
    """
    encoder = getattr(config, "encoder", None)
    if encoder is not None and encoder.preset:
        presets.load_weights(network, encoder)


@contextlib.contextmanager
def dtype_policy(name):
    """Sets the Keras dtype policy inside a `with` block.

    Args:
        name: str. `float32`, `mixed_bfloat16` or `mixed_float16`.
    """
    import keras  # Here: a config file must not wait for this import.

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
