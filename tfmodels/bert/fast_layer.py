"""KerasHub's transformer layer, computed in fewer and larger pieces."""

import math

import keras
import keras_nlp
import tensorflow as tf

from tfmodels.bert import fused_ops
from tfmodels.bert.config import EPSILON


@keras.saving.register_keras_serializable("tfmodels")
class FastTransformerEncoder(keras_nlp.layers.TransformerEncoder):
    """Computes what `keras_nlp.layers.TransformerEncoder` does.

    In rows that have a token: of others neither result nor gradient counts.

    Variables, their names and their layout are KerasHub's own, and so are the
    seeds of dropout; only the way from inputs to outputs is another one:
    queries, keys and values are one product, and what lies between the
    products are the pieces of `fused_ops`.
    """

    def __init__(
        self,
        *,
        activation,
        only_first=False,
        recompute_activations=False,
        **kwargs,
    ):
        """Makes the layer.

        Args:
            activation: `gelu`, `gelu_approximate` or `relu`.
            only_first: Whether only the first position of each text is
                wanted, as of the last layer below `[CLS]`: the rest of the
                work is not done.
            recompute_activations: Whether training keeps the inputs alone,
                and computes the rest again for the gradients.
            **kwargs: As KerasHub's, without `normalize_first`.
        """
        # Kernels are cast here, and biases are used as they are.
        super().__init__(autocast=False, layer_norm_epsilon=EPSILON, **kwargs)
        self._activation_name = activation
        self._only_first = only_first
        self._recompute_activations = recompute_activations

    def get_config(self):
        """Returns the arguments of the constructor."""
        config = super().get_config()
        for name in ("layer_norm_epsilon", "normalize_first"):
            del config[name]  # Always the same here.
        return config | {
            "activation": self._activation_name,
            "only_first": self._only_first,
            "recompute_activations": self._recompute_activations,
        }

    def compute_output_shape(self, inputs_shape):
        """Returns `(batch, sequence_length or 1, hidden_dim)`."""
        batch, length, hidden_dim = inputs_shape
        return batch, 1 if self._only_first else length, hidden_dim

    def call(self, inputs, padding_mask, training=False):
        """Returns `[batch, sequence_length, hidden_dim]`.

        Args:
            inputs: `[batch, sequence_length, hidden_dim]`.
            padding_mask: `int32[batch, sequence_length]`, 1 for tokens.
            training: Whether to drop out.
        """
        x = tf.cast(inputs, self.compute_dtype)
        # Drawn here, as generators move on each time that they are asked.
        seeds = [
            _seed(dropout) if training else None for dropout in self._drops
        ]

        def compute(x):
            return self._compute(x, padding_mask, self._fused(training), seeds)

        if training and self._recompute_activations:
            compute = tf.recompute_grad(compute)
        return compute(x)

    @property
    def _drops(self):
        """Returns Keras's layers that drop attention, and what is added."""
        return (
            self._self_attention_layer._dropout_layer,
            self._self_attention_dropout,
            self._feedforward_dropout,
        )

    def _compute(self, x, padding_mask, fused, seeds):
        """Returns what `call` does, of `x` in the type of the products.

        Args:
            x: `[batch, sequence_length, hidden_dim]`.
            padding_mask: `int32[batch, sequence_length]`.
            fused: `FusedOps`.
            seeds: `int32[2]` for each of `_drops`; `None` drops nothing.
        """
        # Sizes all given, as there may be no rows.
        batch, length = tf.unstack(tf.shape(padding_mask))
        dim = x.shape[-1]
        # [batch * sequence_length, hidden_dim]
        rows = tf.reshape(x, (-1, dim))
        asking = x[:, 0] if self._only_first else rows
        attended = self._attend(fused, rows, asking, padding_mask, seeds[0])
        layer = self._self_attention_layer
        x = self._add_normalize(
            fused,
            tf.matmul(attended, _matrix(layer._output_dense.kernel, x.dtype)),
            layer._output_dense.bias,
            asking,
            self._self_attention_layer_norm,
            seeds[1],
        )
        dense = self._feedforward_intermediate_dense
        y = tf.matmul(x, _matrix(dense.kernel, x.dtype))
        y = fused.add_bias_activate(y, dense.bias.value, self._activation_name)
        dense = self._feedforward_output_dense
        x = self._add_normalize(
            fused,
            tf.matmul(y, _matrix(dense.kernel, x.dtype)),
            dense.bias,
            x,
            self._feedforward_layer_norm,
            seeds[2],
        )
        return tf.reshape(x, (batch, 1 if self._only_first else length, dim))

    def _fused(self, training):
        # For answers, which come in many shapes, compiling does not pay; on
        # accelerators it was not measured.
        types = {d.device_type for d in tf.config.list_logical_devices()}
        is_compiled = training and types == {"CPU"}
        return fused_ops.COMPILED if is_compiled else fused_ops.PLAIN

    def _attend(self, fused, rows, asking, padding_mask, seed):
        """Returns `[len(asking), hidden_dim]`, what each finds in its text."""
        shape = tf.unstack(tf.shape(padding_mask))
        if self._only_first:
            (query,) = self._project(fused, asking, (shape[0], 1), "query")
            key, value = self._project(fused, rows, shape, "key", "value")
        else:
            query, key, value = self._project(
                fused, rows, shape, "query", "key", "value"
            )
        scores = tf.matmul(query, key, transpose_b=True)
        weights = fused.masked_softmax_dropout(
            scores,
            fused_ops.padding_scores(padding_mask),
            bits=_bits(seed, scores),
            rate=self.dropout,
        )
        # [batch, num_heads, queries, head_dim]
        x = tf.matmul(weights, value)
        return tf.reshape(tf.transpose(x, (0, 2, 1, 3)), tf.shape(asking))

    def _project(self, fused, rows, shape, *names):
        """Returns `[batch, num_heads, length, head_dim]` for each name.

        Args:
            fused: `FusedOps`.
            rows: `[batch * length, hidden_dim]`.
            shape: Batch and length.
            *names: Of `query`, `key` and `value`.
        """
        dim = rows.shape[-1]
        kernels, biases = [], []
        for name in names:
            dense = getattr(self._self_attention_layer, f"_{name}_dense")
            kernel = tf.reshape(dense.kernel.value, (dim, dim))
            bias = tf.reshape(dense.bias.value, (dim,))
            if name == "query":
                # Of the scores, here where it is cheap.
                scale = 1 / math.sqrt(dim // self.num_heads)
                kernel, bias = kernel * scale, bias * scale
            kernels.append(kernel)
            biases.append(bias)
        kernel = tf.cast(tf.concat(kernels, axis=1), rows.dtype)
        x = fused.add_bias(tf.matmul(rows, kernel), tf.concat(biases, axis=0))
        return fused_ops.split_heads(x, shape, len(names), self.num_heads)

    def _add_normalize(self, fused, x, bias, residual, norm, seed):
        return fused.dropout_add_normalize(
            x,
            bias.value,
            residual,
            norm.gamma.value,
            norm.beta.value,
            bits=_bits(seed, x),
            rate=self.dropout,
        )


def _matrix(kernel, dtype):
    """Returns `[inputs, units]`; several dimensions of inputs are one."""
    return tf.cast(tf.reshape(kernel.value, (-1, kernel.shape[-1])), dtype)


def _seed(dropout):
    """Returns the next of a Keras dropout layer; `None` if it is off."""
    if not dropout or not dropout.rate:
        return None
    return tf.cast(dropout.seed_generator.next(), tf.int32)


def _bits(seed, like):
    """Returns random bits; `None` without a seed."""
    if seed is None:
        return None
    return fused_ops.random_bits(tf.shape(like), seed)
