"""Presets of KerasHub, from a directory or by a name that it downloads."""

import dataclasses

from tfmodels import package_paths
from tfmodels.bert import preset_checks
from tfmodels.bert.preset_checks import FLAG

# From the class in config.json to the family in `EncoderConfig`.
FAMILIES = {"BertBackbone": "bert", "DistilBertBackbone": "distil_bert"}
# The weights of a preset: one file or several.
WEIGHTS = "model*.weights.h5"
# What KerasHub reads of a preset.
_FILES = (
    "config.json",
    "tokenizer.json",
    "assets/tokenizer/vocabulary.txt",
    "model.weights.json",
    WEIGHTS,
)
# KerasHub's BERT has the approximate GELU of Google's code. Its DistilBERT and
# the models of Hugging Face have the exact GELU. The wrong GELU changes the
# hidden states of MiniLM by 0.003.
_KERAS_ACTIVATIONS = {"bert": "gelu_approximate", "distil_bert": "gelu"}
_SIZES = (
    "vocabulary_size",
    "num_layers",
    "num_heads",
    "hidden_dim",
    "intermediate_dim",
    "max_sequence_length",
)


def read(config, place):
    """Reads the sizes and the vocabulary of a preset.

    Args:
        config: `EncoderConfig`.
        place: str. A directory or a name.

    Returns:
        `EncoderConfig` with the sizes of the preset, and its vocabulary as a
        list of str.

    Raises:
        ValueError: The preset does not exist or cannot be used.
    """
    import keras_nlp

    _check_name(place)
    backbone = _from_preset(
        keras_nlp.models.Backbone, place, load_weights=False
    )
    tokenizer = _from_preset(keras_nlp.models.Tokenizer, place)
    vocabulary = tokenizer.get_vocabulary()
    family = FAMILIES[type(backbone).__name__]
    resolved = dataclasses.replace(
        config,
        family=family,
        lowercase=bool(tokenizer.lowercase),
        activation=_KERAS_ACTIVATIONS[family],
        **{name: getattr(backbone, name) for name in _SIZES},
    )
    try:
        preset_checks.check_vocabulary(vocabulary, resolved)
    except ValueError as error:
        raise ValueError(f"{FLAG}={place} cannot be used: {error}") from None
    return resolved, vocabulary


def files(path):
    """Returns the files that KerasHub reads.

    Args:
        path: `pathlib.Path` of a directory.

    Returns:
        List of `pathlib.Path`.
    """
    return [file for pattern in _FILES for file in path.glob(pattern)]


def make_reader(place):
    """Returns a function from name and shape of a variable to its value.

    It raises a `ValueError` if the preset has no variable of this shape.

    Args:
        place: str. A directory or a name.

    Raises:
        ValueError: The preset cannot be loaded.
    """
    import keras_nlp

    backbone = _from_preset(keras_nlp.models.Backbone, place)
    # KerasHub's DistilBERT has both embeddings in one layer.
    values = {
        v.path.removeprefix("token_and_position_embedding/"): v
        for v in backbone.weights
    }

    def read_value(name, shape):
        found = values.get(name)
        if found is None or found.shape != shape:
            raise ValueError("missing" if found is None else found.shape)
        return found

    return read_value


def _check_name(place):
    """Refuses KerasHub presets of other families before a download."""
    import keras_nlp

    models = keras_nlp.models
    names = {**models.BertBackbone.presets, **models.DistilBertBackbone.presets}
    if place in models.Backbone.presets and place not in names:
        raise ValueError(
            f"{FLAG} must be a BERT or DistilBERT encoder. Received: "
            f"{place!r}. {preset_checks.WHY_ONLY_BERT}."
        )
    if (
        "/" not in place
        and place not in names
        and not package_paths.find(place).is_dir()
    ):
        raise ValueError(
            f"{FLAG} must be a directory that exists, hf://ORG/NAME, or the "
            f"name of a KerasHub preset. Received: {place!r}. "
            f"Choices: {', '.join(sorted(names))}."
        )


def _from_preset(kind, place, **kwargs):
    """Returns an object that KerasHub loads from a preset.

    Args:
        kind: Class of KerasHub.
        place: Directory or name in the flag of the user.
    """
    try:
        return kind.from_preset(str(place), **kwargs)
    except Exception as error:
        # KerasHub, the network and the files raise errors of many types.
        reason = preset_checks.reason(error)
        if package_paths.find(place).is_dir():
            raise ValueError(
                f"{FLAG}={place} cannot be loaded: {reason}"
            ) from error
        raise preset_checks.not_downloaded(place, error) from error
