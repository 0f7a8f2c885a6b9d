"""A BERT directory in Hugging Face's format: what it is, and its sizes."""

from tfmodels.bert import hf_files
from tfmodels.bert import hf_tokenizers
from tfmodels.bert import hf_weight_files
from tfmodels.bert import hf_weights

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
# Classes of models whose weights have the names of BERT's, without a prefix.
_BERT_MODELS = ("Bert", "DistilBert")


def read_config(path):
    """Reads config.json.

    A directory can lack `model_type`, as those of 2018 do. The names of its
    weights then decide.

    Args:
        path: `pathlib.Path` of a directory.

    Returns:
        Dict, with `model_type` if it is a model of Hugging Face.

    Raises:
        ValueError: config.json or the weights cannot be read.
    """
    facts = hf_files.read_json(path / "config.json")
    classes = facts.get("architectures") or ()
    if (
        facts.get("model_type")
        or "class_name" in facts
        or "vocab_size" not in facts
        or any(not str(name).startswith(_BERT_MODELS) for name in classes)
    ):
        return facts
    weights = hf_weights.Weights(path)
    # RoBERTa, ELECTRA and others have the same names after their own prefix.
    if weights.family and weights.prefix in ("", f"{weights.family}."):
        facts["model_type"] = weights.family
    return facts


def files(path):
    """Returns the files that are read: those of the tokenizer, and weights.

    Args:
        path: `pathlib.Path` of a directory.

    Returns:
        List of `pathlib.Path`; some may not exist.

    Raises:
        ValueError: It has no weights, or broken ones.
    """
    names = ("config.json", *hf_tokenizers.FILES)
    weights = hf_weight_files.find_with_index(path)
    return [*(path / name for name in names), *weights]


def problems(path, facts):
    """Returns the properties of an encoder that this package cannot load.

    Without this check, the encoder would load as a different one.

    Args:
        path: `pathlib.Path` of the directory.
        facts: Dict from `read_config`.

    Returns:
        List of str, in words; empty if the encoder can be loaded.
    """
    found = []
    for check in (_tokenizer_problems, _encoder_problems, _weights_problems):
        try:
            found += check(path, facts)
        except (OSError, ValueError) as error:
            found.append(str(error).removesuffix("."))
        except (AttributeError, LookupError, TypeError) as error:
            # Files of strangers can have lists in place of dicts.
            found.append(
                f"its files cannot be read: {type(error).__name__}: {error}"
            )
    return found


def _tokenizer_problems(path, facts):
    return hf_tokenizers.HfTokenizer(path, facts).problems()


def _encoder_problems(path, facts):
    if facts.get("position_embedding_type", "absolute") != "absolute":
        yield "its positions are not absolute"
    if _activation_of(facts) not in _ACTIVATIONS:
        yield f"its activation is {_activation_of(facts)!r}"
    # The layers of this package have 1e-12 only.
    epsilon = facts.get("layer_norm_eps", 1e-12)
    if epsilon != 1e-12:
        yield f"its layer_norm_eps is {epsilon}, not 1e-12"


def _weights_problems(path, facts):
    weights = hf_weights.Weights(path)
    if weights.family != facts["model_type"]:
        kind = weights.family or "neither BERT nor DistilBERT"
        yield (
            f"config.json says {facts['model_type']}, but the names of its "
            f"weights say {kind}"
        )
        return
    yield from weights.problems(sizes(facts))


def sizes(facts):
    """Returns the family and the sizes, by their names in `EncoderConfig`.

    Args:
        facts: Dict of a config.json.

    Returns:
        Dict from a field of `EncoderConfig` to str or int.

    Raises:
        ValueError: A size is missing, or is not possible.
    """
    family = facts["model_type"]
    found = {name: facts.get(key) for name, key in _SIZES[family].items()}
    wrong = [
        _SIZES[family][name]
        for name, size in found.items()
        if type(size) is not int or size < 1
    ]
    if wrong:
        raise ValueError(
            "config.json must have positive whole numbers as "
            f"{', '.join(wrong)}."
        )
    if found["hidden_dim"] % found["num_heads"]:
        raise ValueError(
            "config.json must have a multiple of the number of heads as the "
            f"size of a vector. Received: {found['num_heads']} and "
            f"{found['hidden_dim']}."
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
