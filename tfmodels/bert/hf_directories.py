"""Sizes, tokenizer and weights of a BERT directory in Hugging Face's format."""

import contextlib
import json
import pathlib
import shutil
import tempfile

from tfmodels.bert import wordpiece

# For each `model_type` of config.json: from the name of a size in
# `EncoderConfig` to its name in config.json.
_SIZES = {
    "bert": {
        "vocabulary_size": "vocab_size",
        "num_layers": "num_hidden_layers",
        "num_heads": "num_attention_heads",
        "hidden_dim": "hidden_size",
        "intermediate_dim": "intermediate_size",
        "max_sequence_length": "max_position_embeddings",
    },
    "distilbert": {
        "vocabulary_size": "vocab_size",
        "num_layers": "n_layers",
        "num_heads": "n_heads",
        "hidden_dim": "dim",
        "intermediate_dim": "hidden_dim",
        "max_sequence_length": "max_position_embeddings",
    },
}
FAMILIES = tuple(_SIZES)
_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_approximate",
    "gelu_pytorch_tanh": "gelu_approximate",
    "relu": "relu",
}
# A vocabulary and four settings describe a tokenizer of these classes fully.
_TOKENIZERS = (
    "BertTokenizer",
    "BertTokenizerFast",
    "DistilBertTokenizer",
    "DistilBertTokenizerFast",
    "PreTrainedTokenizerFast",
)


def problems(path, facts):
    """Returns the properties of an encoder that this package cannot load.

    Without this check, the encoder would load as a different one.

    Args:
        path: `pathlib.Path` of the directory.
        facts: Dict of its config.json.

    Returns:
        List of str, in words; empty if the encoder can be loaded.
    """
    tokenizer, fast = _tokenizer_facts(path)
    lowercase, strips = tokenizer["lowercase"], tokenizer["strip_accents"]
    found = []
    if not (path / "vocab.txt").is_file() and not _vocabulary_of(fast):
        found.append("it has no vocab.txt and no WordPieces in tokenizer.json")
    if tokenizer["class"] not in _TOKENIZERS:
        found.append(f"its tokenizer is a {tokenizer['class']}, not BERT's")
    if strips is not None and strips != lowercase:
        found.append(
            "its tokenizer drops accents without case or case without accents"
        )
    if not tokenizer["handle_chinese_chars"]:
        found.append("its tokenizer does not separate Chinese characters")
    if facts.get("position_embedding_type", "absolute") != "absolute":
        found.append("its positions are not absolute")
    if _activation_of(facts) not in _ACTIVATIONS:
        found.append(f"its activation is {_activation_of(facts)!r}")
    # KerasHub uses 1e-12 and ignores the value of the file.
    epsilon = facts.get("layer_norm_eps", 1e-12)
    if epsilon != 1e-12:
        found.append(f"its layer_norm_eps is {epsilon}, not 1e-12")
    return found


def sizes(facts):
    """Returns the family and the sizes, by their names in `EncoderConfig`.

    Args:
        facts: Dict of a config.json.

    Returns:
        Dict from a field of `EncoderConfig` to str or int.

    Raises:
        ValueError: A size is missing or is not a whole number.
    """
    family = facts["model_type"]
    found = {name: facts.get(key) for name, key in _SIZES[family].items()}
    wrong = [
        _SIZES[family][name]
        for name, size in found.items()
        if type(size) is not int
    ]
    if wrong:
        raise ValueError(
            f"config.json must have whole numbers as {', '.join(wrong)}."
        )
    return {"family": family.replace("distilbert", "distil_bert")} | found


def activation(facts):
    """Returns the activation, by its name in `EncoderConfig`.

    Args:
        facts: Dict of a config.json.
    """
    return _ACTIVATIONS[_activation_of(facts)]


def _activation_of(facts):
    return str(facts.get("hidden_act", facts.get("activation", "gelu")))


def read_tokenizer(path):
    """Returns the vocabulary and whether the tokenizer drops case.

    The vocabulary is in vocab.txt, or in tokenizer.json, which newer versions
    of the library `transformers` write.

    Args:
        path: `pathlib.Path` of the directory.

    Returns:
        List of str in the order of their ids, and a bool.

    Raises:
        ValueError: A file cannot be read.
    """
    tokenizer, fast = _tokenizer_facts(path)
    if (path / "vocab.txt").is_file():
        vocabulary = wordpiece.read_vocabulary(path / "vocab.txt")
    else:
        ids = _vocabulary_of(fast)
        vocabulary = sorted(ids, key=ids.get)
    return vocabulary, bool(tokenizer["lowercase"])


def _tokenizer_facts(path):
    """Returns the settings of a tokenizer and the dict of tokenizer.json."""
    config, fast = (
        read_json(path / name) if (path / name).is_file() else {}
        for name in ("tokenizer_config.json", "tokenizer.json")
    )
    normalizer = fast.get("normalizer") or {}
    if normalizer.get("type", "BertNormalizer") != "BertNormalizer":
        kind = f"tokenizer with a {normalizer['type']} normalizer"
    else:
        kind = config.get("tokenizer_class") or _TOKENIZERS[0]
    facts = {
        "class": kind,
        "lowercase": config.get(
            "do_lower_case", normalizer.get("lowercase", True)
        ),
        "strip_accents": config.get(
            "strip_accents", normalizer.get("strip_accents")
        ),
        "handle_chinese_chars": config.get(
            "tokenize_chinese_chars",
            normalizer.get("handle_chinese_chars", True),
        ),
    }
    return facts, fast


def _vocabulary_of(fast):
    """Returns ids by token; an empty dict if it is not a WordPiece file."""
    model = fast.get("model") or {}
    ids = model.get("vocab")
    is_wordpiece = model.get("continuing_subword_prefix") == "##"
    return ids if is_wordpiece and isinstance(ids, dict) else {}


@contextlib.contextmanager
def loadable(path):
    """Yields a copy that KerasHub can load, or `None` if it needs no copy.

    KerasHub finds the weights of a DistilBERT only if their names start with
    `distilbert.`, as in a model with a head. Sentence encoders are saved
    without this prefix. The copy adds it and exists inside the `with` block.

    Args:
        path: `pathlib.Path` of a preset of any kind.

    Yields:
        `pathlib.Path` of a temporary directory, or `None`.
    """
    from safetensors import SafetensorError
    from safetensors import numpy as safetensors

    prefix, file, tensors = "distilbert.", path / "model.safetensors", {}
    if file.is_file():
        if read_json(path / "config.json").get("model_type") == "distilbert":
            with contextlib.suppress(SafetensorError):  # KerasHub reports it.
                tensors = safetensors.load_file(file)
    if not tensors or any(name.startswith(prefix) for name in tensors):
        yield None
        return
    with tempfile.TemporaryDirectory() as directory:
        copy = pathlib.Path(directory)
        shutil.copy(path / "config.json", copy)
        named = {prefix + name: tensor for name, tensor in tensors.items()}
        safetensors.save_file(named, copy / file.name)
        yield copy


def read_json(file):
    """Returns the dict of a JSON file.

    Args:
        file: `pathlib.Path`.

    Raises:
        ValueError: The file cannot be read or is not a JSON object.
    """
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(
            "`--config.model.encoder.preset` must be a directory with a "
            f"readable {file.name}. Received: {str(file.parent)!r}: {error}."
        ) from None
    if not isinstance(facts, dict):
        raise ValueError(f"{file}: must be a JSON object.")
    return facts
