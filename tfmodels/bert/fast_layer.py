"""KerasHub's transformer layer, computed with fewer and larger ops."""

import math

import keras
import keras_nlp
import tensorflow as tf

from tfmodels.bert import fused_ops
from tfmodels.bert.config import EPSILON


@keras.saving.register_keras_serializable("tfmodels")
def gelu_approximate(x):
    """Returns Google's GELU, `0.5 x (1 + tanh(...))`, of a tensor.

    Reference: Hendrycks & Gimpel 2016, "Gaussian Error Linear Units (GELUs)",
    https://arxiv.org/abs/1606.08415.

    Args:
        x: float tensor of any shape.

    Returns:
        Tensor with the dtype and the shape of `x`.
    """
    return keras.activations.gelu(x, approximate=True)


@keras.saving.register_keras_serializable("tfmodels")
class FastDropout(keras.layers.Dropout):
    """A `keras.layers.Dropout` with the same result, faster with XLA.

    Keras lets TensorFlow select the algorithm of random numbers. It selects
    Philox, but XLA then derives the key again for each number. On a CPU, this
    takes 37 times as long as to name Philox here.

    >>> import numpy as np
    >>> x = np.ones([2, 3], np.float32)
    >>> ours = FastDropout(0.5, seed=1)
    >>> theirs = keras.layers.Dropout(0.5, seed=1)
    >>> bool(np.all(ours(x, training=True) == theirs(x, training=True)))
    True
    """

    def call(self, inputs, training=False):
        """Returns the inputs with some elements set to 0, others scaled up.

        Args:
            inputs: float array of any shape.
            training: bool. Whether dropout is on.
        """
        if not training or not self.rate:
            return inputs
        # As Keras does it. On several replicas, seeds can be large.
        seed = tf.math.floormod(self.seed_generator.next(), tf.int32.max - 1)
        return tf.nn.experimental.stateless_dropout(
            inputs,
            self.rate,
            seed=tf.cast(seed, tf.int32),
            noise_shape=self.noise_shape,
            rng_alg="philox",
        )


@keras.saving.register_keras_serializable("tfmodels")
class FastTransformerEncoder(keras_nlp.layers.TransformerEncoder):
    """A faster `keras_nlp.layers.TransformerEncoder` with the same result.

    The results are equal in rows that contain a token. In other rows, results
    and gradients have no meaning.

    A process that loads a `.keras` file with such a layer must import this
    module first, which registers the class with Keras.

    The variables, their names and their shapes are those of KerasHub, and so
    are the seeds of dropout. The computation differs: one matrix product
    computes queries, keys and values, and `fused_ops` computes the steps
    between the products.

    >>> import numpy as np
    >>> layer = FastTransformerEncoder(
    ...     activation="gelu", intermediate_dim=16, num_heads=2
    ... )
    >>> x = np.ones([1, 4, 8], np.float32)
    >>> mask = np.array([[1, 1, 1, 0]], np.int32)
    >>> layer(x, padding_mask=mask).shape
    TensorShape([1, 4, 8])
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
            activation: str. `gelu`, `gelu_approximate` or `relu`.
            only_first: bool. Whether the layer computes only the first
                position of each text, for example `[CLS]` in the last layer.
            recompute_activations: bool. Whether training keeps only the
                inputs, and computes the rest again for the gradients.
            **kwargs: Arguments of KerasHub's layer, without
                `normalize_first`.
        """
        # This class casts the kernels itself and does not cast the biases.
        super().__init__(autocast=False, layer_norm_epsilon=EPSILON, **kwargs)
        self._activation_name = activation
        self._only_first = only_first
        self._recompute_activations = recompute_activations

    def get_config(self):
        """Returns the arguments of the constructor."""
        config = super().get_config()
        for name in ("layer_norm_epsilon", "normalize_first"):
            del config[name]  # Constant in this class.
        return config | {
            "activation": self._activation_name,
            "only_first": self._only_first,
            "recompute_activations": self._recompute_activations,
        }

    def compute_output_shape(self, inputs_shape):
        """Returns `(batch, sequence_length or 1, hidden_dim)`.

        Args:
            inputs_shape: Tuple `(batch, sequence_length, hidden_dim)`.
        """
        batch, length, hidden_dim = inputs_shape
        return batch, 1 if self._only_first else length, hidden_dim

    def call(self, inputs, padding_mask, training=False):
        """Returns the outputs of the layer.

        Args:
            inputs: float[batch, sequence_length, hidden_dim].
            padding_mask: int32[batch, sequence_length]. 1 for tokens, 0 for
                padding.
            training: bool. Whether dropout is on.

        Returns:
            `[batch, sequence_length or 1, hidden_dim]` in the compute dtype.
        """
        x = tf.cast(inputs, self.compute_dtype)
        # Drawn here and not in `compute`, which can run twice: each draw
        # advances the generator.
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
        """Returns the dropout layers of attention and of both residuals."""
        return (
            self._self_attention_layer._dropout_layer,
            self._self_attention_dropout,
            self._feedforward_dropout,
        )

    def _compute(self, x, padding_mask, fused, seeds):
        """Returns the outputs of `call`.

        Args:
            x: `[batch, sequence_length, hidden_dim]` in the compute dtype.
            padding_mask: `int32[batch, sequence_length]`.
            fused: `FusedOps`.
            seeds: `int32[2]` for each layer of `_drops`; `None` drops nothing.
        """
        # All sizes are explicit, because the batch can have no rows.
        batch, length = tf.unstack(tf.shape(padding_mask))
        dim = x.shape[-1]
        # [batch * sequence_length, hidden_dim]
        rows = tf.reshape(x, (-1, dim))
        queries = x[:, 0] if self._only_first else rows
        attended = self._attend(fused, rows, queries, padding_mask, seeds[0])
        layer = self._self_attention_layer
        x = self._add_normalize(
            fused,
            tf.matmul(attended, _matrix(layer._output_dense.kernel, x.dtype)),
            layer._output_dense.bias,
            queries,
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
        # Inference has many shapes, so compiling costs more than it saves. On
        # accelerators, compiling was not measured.
        types = {d.device_type for d in tf.config.list_logical_devices()}
        is_compiled = training and types == {"CPU"}
        return fused_ops.COMPILED if is_compiled else fused_ops.PLAIN

    def _keeps_weights(self, fused):
        # To compute the weights again adds 2 to 5 % to a step of 16 x 128 on a
        # CPU, and 14 % to one of 8 x 512. On a GPU, arithmetic costs less and
        # memory more. `recompute_activations` computes all again anyway.
        return fused is fused_ops.COMPILED or self._recompute_activations

    def _attend(self, fused, rows, queries, padding_mask, seed):
        """Returns the attention result `[len(queries), hidden_dim]`."""
        shape = tf.unstack(tf.shape(padding_mask))
        if self._only_first:
            (query,) = self._project(fused, queries, (shape[0], 1), "query")
            key, value = self._project(fused, rows, shape, "key", "value")
        else:
            query, key, value = self._project(
                fused, rows, shape, "query", "key", "value"
            )
        # [batch, num_heads, queries, head_dim]
        x = fused.attention(
            query,
            key,
            value,
            fused_ops.padding_scores(padding_mask),
            seed=seed,
            rate=self.dropout,
            keep_weights=self._keeps_weights(fused),
        )
        return tf.reshape(tf.transpose(x, (0, 2, 1, 3)), tf.shape(queries))

    def _project(self, fused, rows, shape, *names):
        """Returns `[batch, num_heads, length, head_dim]` for each name.

        Args:
            fused: `FusedOps`.
            rows: `[batch * length, hidden_dim]`.
            shape: Batch and length.
            *names: Some of `query`, `key` and `value`.
        """
        dim = rows.shape[-1]
        kernels, biases = [], []
        for name in names:
            dense = getattr(self._self_attention_layer, f"_{name}_dense")
            kernel = tf.reshape(dense.kernel.value, (dim, dim))
            bias = tf.reshape(dense.bias.value, (dim,))
            if name == "query":
                # Scales the attention scores; here it costs least.
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
    """Returns the kernel as `[inputs, units]`, input dimensions merged."""
    return tf.cast(tf.reshape(kernel.value, (-1, kernel.shape[-1])), dtype)


def _seed(dropout):
    """Returns the next seed of a dropout layer; `None` if it is off."""
    if not dropout or not dropout.rate:
        return None
    return tf.cast(dropout.seed_generator.next(), tf.int32)


def _bits(seed, like):
    """Returns random bits; `None` without a seed."""
    if seed is None:
        return None
    return fused_ops.random_bits(tf.shape(like), seed)
