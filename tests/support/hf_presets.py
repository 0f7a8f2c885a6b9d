"""Small BERT and DistilBERT directories in Hugging Face's format."""

import dataclasses
import json

import numpy as np
from safetensors import numpy as safetensors

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] the quick ##er Fox 中 é".split()
SIZES = {
    "vocabulary_size": len(VOCABULARY),
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 12,
    "max_sequence_length": 16,
}
HF_BERT = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "vocab_size": len(VOCABULARY),
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_size": 8,
    "intermediate_size": 12,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}
HF_DISTILBERT = {
    "model_type": "distilbert",
    "activation": "gelu",
    "vocab_size": len(VOCABULARY),
    "n_layers": 2,
    "n_heads": 2,
    "dim": 8,
    "hidden_dim": 12,
    "dropout": 0.1,
    "max_position_embeddings": 16,
}
# Our names of a transformer layer's parts, and theirs.
HF_BERT_PARTS = {
    "self_attention_layer/query": "attention.self.query",
    "self_attention_layer/key": "attention.self.key",
    "self_attention_layer/value": "attention.self.value",
    "self_attention_layer/attention_output": "attention.output.dense",
    "self_attention_layer_norm": "attention.output.LayerNorm",
    "feedforward_intermediate_dense": "intermediate.dense",
    "feedforward_output_dense": "output.dense",
    "feedforward_layer_norm": "output.LayerNorm",
}
HF_DISTILBERT_PARTS = {
    "self_attention_layer/query": "attention.q_lin",
    "self_attention_layer/key": "attention.k_lin",
    "self_attention_layer/value": "attention.v_lin",
    "self_attention_layer/attention_output": "attention.out_lin",
    "self_attention_layer_norm": "sa_layer_norm",
    "feedforward_intermediate_dense": "ffn.lin1",
    "feedforward_output_dense": "ffn.lin2",
    "feedforward_layer_norm": "output_layer_norm",
}


# By their settings without the preset.
_NETWORKS = {}


def load(config):
    """Returns the weights by path of a classifier that starts from a preset.

    Presets of the same sizes share a network. Each weight is NaN before.

    Args:
        config: `BertClassifierConfig`.
    """
    encoder = dataclasses.replace(config.encoder, preset="")
    key = repr(dataclasses.replace(config, encoder=encoder))
    if key not in _NETWORKS:
        _NETWORKS[key] = config.build(3)
    network = _NETWORKS[key]
    for variable in network.weights:
        variable.assign(np.full(variable.shape, np.nan))
    config.load_pretrained(network)
    return {v.path: v.numpy() for v in network.weights}


def hf_weights(facts):
    """Returns random weights by Hugging Face's names, and by ours."""
    # Its values are the same in all versions of NumPy.
    rng = np.random.RandomState(0)
    is_bert = facts["model_type"] == "bert"
    start = "" if is_bert else "distilbert."
    theirs, ours = {}, {}

    def add(name, hf_name, shape):
        ours[name] = rng.normal(size=shape).astype(np.float32)
        theirs[start + hf_name] = ours[name]

    def add_norm(name, hf_name):
        add(f"{name}/gamma", f"{hf_name}.weight", 8)
        add(f"{name}/beta", f"{hf_name}.bias", 8)

    def add_dense(name, hf_name, fan_in, fan_out):
        add(f"{name}/bias", f"{hf_name}.bias", fan_out)
        add(f"{name}/kernel", f"{hf_name}.weight", (fan_out, fan_in))
        ours[f"{name}/kernel"] = ours[f"{name}/kernel"].T

    for kind, hf_kind, rows in (
        ("token", "word", facts["vocab_size"]),
        ("position", "position", 16),
        ("segment", "token_type", 2),
    )[: 3 if is_bert else 2]:
        add(
            f"{kind}_embedding/embeddings",
            f"embeddings.{hf_kind}_embeddings.weight",
            (rows, 8),
        )
    add_norm("embeddings_layer_norm", "embeddings.LayerNorm")
    parts = HF_BERT_PARTS if is_bert else HF_DISTILBERT_PARTS
    layers = "encoder.layer" if is_bert else "transformer.layer"
    widths = {
        "feedforward_intermediate_dense": (8, 12),
        "feedforward_output_dense": (12, 8),
    }
    for index in range(2):
        for part, hf_part in parts.items():
            name = f"transformer_layer_{index}/{part}"
            hf_name = f"{layers}.{index}.{hf_part}"
            if part.endswith("norm"):
                add_norm(name, hf_name)
            else:
                add_dense(name, hf_name, *widths.get(part, (8, 8)))
    if is_bert:
        add_dense("pooled_dense", "pooler.dense", 8, 8)
    return theirs, ours


def write_hf(
    path, facts, tokenizer_facts=None, vocabulary=VOCABULARY, **changes
):
    """Writes a directory in Hugging Face's format.

    Args:
        path: `pathlib.Path` of the directory, which does not exist.
        facts: `HF_BERT` or `HF_DISTILBERT`.
        tokenizer_facts: Dict. Changes to tokenizer_config.json.
        vocabulary: List of str. Lines of vocab.txt.
        **changes: Changes to config.json.

    Returns:
        `path`.
    """
    path.mkdir(parents=True)
    facts = facts | {"vocab_size": len(vocabulary)}
    (path / "config.json").write_text(json.dumps(facts | changes))
    tokenizer_facts = {"do_lower_case": True} | (tokenizer_facts or {})
    (path / "tokenizer_config.json").write_text(json.dumps(tokenizer_facts))
    (path / "vocab.txt").write_text("".join(f"{t}\n" for t in vocabulary))
    write_weights(path, hf_weights(facts)[0])
    return path


def write_weights(path, tensors):
    """Writes model.safetensors, with arrays by Hugging Face's names."""
    safetensors.save_file(
        {k: np.ascontiguousarray(v) for k, v in tensors.items()},
        path / "model.safetensors",
    )
