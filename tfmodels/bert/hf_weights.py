"""Weights of BERT and DistilBERT in Hugging Face's files, by our names."""

import math
import re

from tfmodels.bert import hf_weight_files

# The end of a name that each encoder has once.
_ANCHOR = "embeddings.position_embeddings.weight"
# A layer has this weight in one family, and in no other.
_FIRST = {
    "bert": "encoder.layer.0.attention.self.query.weight",
    "distilbert": "transformer.layer.0.attention.q_lin.weight",
}
# What their names have before the number of a layer.
_STACKS = {"bert": "encoder", "distilbert": "transformer"}
# From the parts of our names to theirs.
_EMBEDDINGS = {
    "token_embedding": "embeddings.word_embeddings",
    "position_embedding": "embeddings.position_embeddings",
    "segment_embedding": "embeddings.token_type_embeddings",
    "embeddings_layer_norm": "embeddings.LayerNorm",
    "pooled_dense": "pooler.dense",
}
_LAYERS = {
    "bert": {
        "self_attention_layer/query": "attention.self.query",
        "self_attention_layer/key": "attention.self.key",
        "self_attention_layer/value": "attention.self.value",
        "self_attention_layer/attention_output": "attention.output.dense",
        "self_attention_layer_norm": "attention.output.LayerNorm",
        "feedforward_intermediate_dense": "intermediate.dense",
        "feedforward_output_dense": "output.dense",
        "feedforward_layer_norm": "output.LayerNorm",
    },
    "distilbert": {
        "self_attention_layer/query": "attention.q_lin",
        "self_attention_layer/key": "attention.k_lin",
        "self_attention_layer/value": "attention.v_lin",
        "self_attention_layer/attention_output": "attention.out_lin",
        "self_attention_layer_norm": "sa_layer_norm",
        "feedforward_intermediate_dense": "ffn.lin1",
        "feedforward_output_dense": "ffn.lin2",
        "feedforward_layer_norm": "output_layer_norm",
    },
}
_LEAVES = {
    "embeddings": "weight",
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "bias": "bias",
}
# The head of a masked language model has the token vectors, too. Some files
# contain them only there.
_TIED = {
    "bert": "cls.predictions.decoder.weight",
    "distilbert": "vocab_projector.weight",
}
# The numbers 0, 1, ... and zeros. Old versions of transformers save them.
_BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")
_FLOATS = ("float16", "bfloat16", "float32", "float64")


class Weights:
    """The weights in a directory; their values are read when asked for.

    Attributes:
        family: str. `bert` or `distilbert`, which the names of the weights
            decide; `None` if they are those of neither.
    """

    def __init__(self, path):
        """Reads the names and shapes of the weights.

        Args:
            path: `pathlib.Path` of a directory.

        Raises:
            ValueError: The files are missing or damaged, or contain no
                encoder or several.
        """
        tensors = {}
        for file in hf_weight_files.find(path):
            tensors |= hf_weight_files.open_file(file)
        # Checkpoints of 2018 have the names of TensorFlow.
        self._tensors = {
            name.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
                "LayerNorm.beta", "LayerNorm.bias"
            ): tensor
            for name, tensor in tensors.items()
        }
        self.prefix = self._find_prefix()
        self.family = next(
            (
                family
                for family, name in _FIRST.items()
                if self.prefix + name in self._tensors
            ),
            None,
        )

    def _find_prefix(self):
        """Returns what is before the names of the encoder, such as `bert.`."""
        found = [
            name.removesuffix(_ANCHOR)
            for name in self._tensors
            if name.endswith(_ANCHOR)
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(
                f"its weights contain {len(found)} encoders: "
                f"{', '.join(map(repr, sorted(found)))}"
            )
        names = ", ".join(sorted(self._tensors)[:3]) or "no tensor"
        raise ValueError(
            f"its weights contain no {_ANCHOR} of an encoder, but {names}"
        )

    @property
    def has_pooler(self):
        """bool. Whether there is a dense layer after `[CLS]`."""
        return f"{self.prefix}pooler.dense.weight" in self._tensors

    def problems(self, sizes):
        """Returns what this package would leave out or could not load.

        Args:
            sizes: Dict of the sizes by the names of `EncoderConfig`.

        Returns:
            List of str, in words.
        """
        found = []
        for name, size in (
            ("token", "vocabulary_size"),
            ("position", "max_sequence_length"),
        ):
            name_in_file = self._their_name(f"{name}_embedding/embeddings")
            tensor = self._tensors.get(name_in_file)
            if tensor and tensor.shape[0] != sizes[size]:
                found.append(
                    f"config.json says {sizes[size]} {name}s, but its weights "
                    f"have vectors for {tensor.shape[0]}"
                )
        if self._num_layers() < sizes["num_layers"]:
            found.append(
                f"config.json says {sizes['num_layers']} layers, but its "
                f"weights have {self._num_layers()}"
            )
        if others := self._others():
            more = f" and {len(others) - 1} more" if others[1:] else ""
            found.append(
                "its weights contain tensors that an encoder of this family "
                f"does not have: {others[0]}{more}"
            )
        return found

    def message(self, num_layers):
        """Returns what a user should know of the weights; `None` for nothing.

        Args:
            num_layers: int. Number of layers of the encoder.
        """
        if self._num_layers() <= num_layers:
            return None
        return (
            f"its weights have {self._num_layers()} layers. The lowest "
            f"{num_layers} are used, as config.json says."
        )

    def _num_layers(self):
        """Returns the number of layers in the files."""
        names = (self._layer_of(name) for name in self._tensors)
        return max(int(found[1]) + 1 for found in names if found)

    def _layer_of(self, name):
        """Returns a match of number and part for a name inside of a layer."""
        start = re.escape(self.prefix + _STACKS[self.family])
        return re.fullmatch(rf"{start}\.layer\.(\d+)\.(.+)", name)

    def _others(self):
        """Returns the names inside of the encoder that it does not have."""
        leaves = ("weight", "bias")
        parts = {
            f"{part}.{leaf}"
            for part in _LAYERS[self.family].values()
            for leaf in leaves
        }
        embeddings = {
            f"{self.prefix}{part}.{leaf}"
            for part in _EMBEDDINGS.values()
            for leaf in leaves
        }
        known = embeddings | {self.prefix + name for name in _BUFFERS}
        inside = tuple(
            self.prefix + name for name in ("embeddings", _STACKS[self.family])
        )
        found = []
        for name in sorted(self._tensors):
            if not name.startswith(inside) or name in known:
                continue
            layer = self._layer_of(name)
            if not (layer and layer[2] in parts):
                found.append(name)
        return found

    def read(self, name, shape):
        """Returns the value of a variable.

        Args:
            name: str. Path of the variable in the network.
            shape: Tuple of int. Shape of the variable.

        Returns:
            `float32` array of this shape.

        Raises:
            ValueError: It is not in the file, or has another shape, no
                floating-point numbers, or some that are not finite.
        """
        import numpy as np

        tensor = self._tensors.get(self._their_name(name))
        if tensor is None:
            raise ValueError("missing")
        is_kernel = name.endswith("kernel")
        expected = _flat(name, shape)[::-1] if is_kernel else _flat(name, shape)
        found = tuple(tensor.shape)
        # A text is segment 0. Other models have 1 or 16 kinds of segments.
        if name.startswith("segment_") and len(found) == 2 and found[0]:
            expected = (found[0], *expected[1:])
        if found != expected:
            raise ValueError(f"{found[::-1] if is_kernel else found}")
        value = tensor.read()
        if value.dtype.name not in _FLOATS:
            raise ValueError(f"of the type {value.dtype.name}")
        value = value.astype("float32")
        if not np.isfinite(value).all():
            raise ValueError("not finite (NaN or infinity)")
        # Takes the first rows, or repeats the only one.
        return np.resize(value.T if is_kernel else value, shape)

    def _their_name(self, name):
        """Returns the name in the file of a variable of the network."""
        part, _, leaf = name.rpartition("/")
        leaf = _LEAVES.get(leaf, leaf)
        if match := re.fullmatch(r"transformer_layer_(\d+)/(.+)", part):
            part = _LAYERS[self.family].get(match[2], match[2])
            layer = f"{_STACKS[self.family]}.layer.{match[1]}"
            return f"{self.prefix}{layer}.{part}.{leaf}"
        found = f"{self.prefix}{_EMBEDDINGS.get(part, part)}.{leaf}"
        if part == "token_embedding" and found not in self._tensors:
            return _TIED[self.family]
        return found


def _flat(name, shape):
    """Returns the shape of a variable whose heads are not separate."""
    if len(shape) == 3:  # Kernels of attention.
        return (
            (math.prod(shape[:2]), shape[2])
            if "attention_output" in name
            else (shape[0], math.prod(shape[1:]))
        )
    if len(shape) == 2 and name.endswith("bias"):
        return (math.prod(shape),)
    return tuple(shape)
