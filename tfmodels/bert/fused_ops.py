"""The steps of a transformer layer between its matrix products, fused.

On a CPU these steps cost as much as the products, because each small op reads
and writes whole arrays. Here each step is one function with its own gradient.
It keeps little for the backward pass, and computes in float32 for arrays of
every type. In `COMPILED`, XLA compiles each function into one or two loops for
each shape. In `PLAIN`, the ops of a function run one by one.

The functions contain no matrix products: on a CPU, those of XLA are slower than
those of TensorFlow. They draw no random bits: on a CPU, XLA takes four times as
long for it.
"""

import math

import tensorflow as tf

from tfmodels.bert import fused_formulas as formulas

# Added to the attention scores of padding, so that their softmax is 0.
_MASKED = -1e9


def random_bits(shape, seed):
    """Draws random bytes, uniform over all 256 values.

    Args:
        shape: int32[rank].
        seed: int32[2] or int64[2]. Equal seeds give equal bytes.

    Returns:
        `uint8[*shape]`.
    """
    size = tf.reduce_prod(shape)
    # A 32-bit word has four bytes. A float for each element takes four times
    # as long.
    words = tf.random.stateless_uniform(
        [(size + 3) // 4], seed, None, None, tf.uint32, alg="philox"
    )
    bits = tf.reshape(tf.bitcast(words, tf.uint8), [-1])
    return tf.reshape(bits[:size], shape)


def padding_scores(mask):
    """Returns terms to add to attention scores: 0 for tokens, -1e9 for padding.

    Args:
        mask: int32[batch, sequence_length]. 1 for tokens, 0 for padding.

    Returns:
        `float32[batch, 1, 1, sequence_length]`.
    """
    counted = tf.cast(mask, tf.float32)
    return (1.0 - counted)[:, tf.newaxis, tf.newaxis, :] * _MASKED


def split_heads(rows, shape, count, num_heads):
    """Splits a matrix product into `count` arrays with an axis of heads.

    Args:
        rows: float[batch * length, count * num_heads * head_dim].
        shape: Pair of batch size and length. Both are explicit, because there
            can be no rows.
        count: int. Number of arrays that `rows` contains side by side.
        num_heads: int. Number of attention heads.

    Returns:
        List of `count` arrays `[batch, num_heads, length, head_dim]`.
    """
    head_dim = rows.shape[-1] // (count * num_heads)
    x = tf.reshape(rows, (*shape, count, num_heads, head_dim))
    return tf.unstack(tf.transpose(x, (2, 0, 3, 1, 4)), num=count)


class FusedOps:
    """Fused functions with gradients, compiled by XLA or not.

    `bits` are `random_bits` of the shape of the dropped array; `None` drops
    nothing. The dropout rate is rounded to a multiple of 1/256, from 1/256 to
    255/256. The remaining values are scaled by the exact inverse of the
    remaining share.

    >>> import tensorflow as tf
    >>> ops = FusedOps(compiled=False)
    >>> x, bias = tf.constant([[1.0, -4.0]]), tf.constant([1.0, 2.0])
    >>> ops.add_bias_activate(x, bias, "relu").numpy().tolist()
    [[2.0, 0.0]]
    >>> query = key = tf.zeros([1, 1, 2, 3])
    >>> value = tf.constant([[[[1.0], [3.0]]]])
    >>> ops.attention(query, key, value, 0.0).numpy().tolist()
    [[[[2.0], [2.0]]]]
    """

    def __init__(self, *, compiled):
        """Makes the functions.

        Args:
            compiled: bool. Whether XLA compiles them.
        """

        def maybe_compiled(function):
            if not compiled:
                return function
            return tf.function(function, jit_compile=True, autograph=False)

        self._activate = maybe_compiled(formulas.add_activate)
        self._activate_gradient = maybe_compiled(formulas.add_activate_gradient)
        self._add_normalize = maybe_compiled(formulas.add_normalize)
        self._add_normalize_gradient = maybe_compiled(
            formulas.add_normalize_gradient
        )
        self._softmax = maybe_compiled(formulas.softmax)
        self._softmax_gradient = maybe_compiled(formulas.softmax_gradient)

    def add_bias(self, x, bias):
        """Returns `x + bias`.

        Args:
            x: float[rows, units].
            bias: float[units].

        Returns:
            `[rows, units]` in the type of `x`.
        """

        @tf.custom_gradient
        def call(x, bias):
            def gradient(dy):
                return dy, _sum_of_rows(dy, bias)

            return tf.nn.bias_add(x, tf.cast(bias, x.dtype)), gradient

        return call(x, bias)

    def add_bias_activate(self, x, bias, activation):
        """Returns `activation(x + bias)`.

        Args:
            x: float[rows, units]. A matrix product.
            bias: float[units].
            activation: str. `gelu`, `gelu_approximate` or `relu`.

        Returns:
            `[rows, units]` in the type of `x`.
        """

        @tf.custom_gradient
        def call(x, bias):
            def gradient(dy):
                dx = self._activate_gradient(x, bias, dy, activation)
                return dx, _sum_of_rows(dx, bias)

            return self._activate(x, bias, activation), gradient

        return call(x, bias)

    def dropout_add_normalize(
        self, x, bias, residual, gamma, beta, *, bits=None, rate=0.0
    ):
        """Returns `LayerNormalization(residual + Dropout(x + bias))`.

        Args:
            x: float[rows, units]. A matrix product.
            bias: float[units].
            residual: float[rows, units].
            gamma: float[units]. Scale of the normalization.
            beta: float[units]. Offset of the normalization.
            bits: uint8[rows, units]; `None` drops nothing.
            rate: float. Share of the units that dropout drops.

        Returns:
            `[rows, units]` in the type of `x`.
        """

        @tf.custom_gradient
        def call(x, bias, residual, gamma, beta):
            y, normalized, inverse = self._add_normalize(
                x, bias, residual, gamma, beta, bits, rate
            )

            def gradient(dy):
                dx, dresidual, dgamma = self._add_normalize_gradient(
                    normalized, inverse, gamma, dy, bits, rate
                )
                return (
                    dx,
                    _sum_of_rows(dx, bias),
                    dresidual,
                    _sum_of_rows(dgamma, gamma),
                    _sum_of_rows(dy, beta),
                )

            return y, gradient

        return call(x, bias, residual, gamma, beta)

    def attention(
        self,
        query,
        key,
        value,
        masked,
        *,
        seed=None,
        rate=0.0,
        keep_weights=True,
    ):
        """Returns `Dropout(softmax(query key^T + masked)) value`.

        Args:
            query: float[batch, num_heads, queries, head_dim].
            key: float[batch, num_heads, keys, head_dim].
            value: float[batch, num_heads, keys, head_dim].
            masked: float32[batch, 1, 1, keys] from `padding_scores`. It gets
                no gradient.
            seed: int32[2]. Seed of dropout; `None` drops nothing.
            rate: float. Share of the weights that dropout drops.
            keep_weights: bool. Whether the backward pass gets the weights of
                the forward pass, which have a number for each pair of a query
                and a key. If not, it computes them again, with equal bits.

        Returns:
            `[batch, num_heads, queries, head_dim]` in the type of `query`.
        """

        def weigh(query, seed):
            scores = tf.matmul(query, key, transpose_b=True)
            bits = None if seed is None else random_bits(tf.shape(scores), seed)
            return *self._softmax(scores, masked, bits, rate), bits

        @tf.custom_gradient
        def call(query, key, value):
            kept = weigh(query, seed)

            def gradient(dy):
                weights, dropped, bits = (
                    kept if keep_weights else weigh(*_after(dy, query, seed))
                )
                dweights = tf.matmul(dy, value, transpose_b=True)
                dscores = self._softmax_gradient(weights, dweights, bits, rate)
                return (
                    tf.matmul(dscores, key),
                    tf.matmul(dscores, query, transpose_a=True),
                    tf.matmul(dropped, dy, transpose_a=True),
                )

            return tf.matmul(kept[1], value), gradient

        return call(query, key, value)


def _after(dy, query, seed):
    """Returns `query` and `seed` as tensors that depend on `dy`.

    TensorFlow and XLA compute equal ops once. Without the dependency, they
    keep the weights of the forward pass. `tf.recompute_grad` does the same.
    """
    if tf.executing_eagerly():
        return query, seed
    # `dy` can be empty or NaN, and must not be multiplied by 0.
    is_any = tf.cast(tf.reduce_max(tf.reshape(dy, [-1])[:1]), tf.bool)
    zero = tf.where(is_any == is_any, 0.0, math.nan)
    query += tf.cast(zero, query.dtype)
    if seed is not None:
        # TensorFlow adds int32 in the memory of the CPU, also on a GPU.
        seed = tf.cast(seed, tf.int64) + tf.cast(zero, tf.int64)
    return query, seed


def _sum_of_rows(x, like):
    """Returns the sum over the rows, in the type of `like`.

    A matrix product computes it: it uses all cores and adds in float32.
    """
    if x.dtype == tf.float16:
        x = tf.cast(x, tf.float32)  # float16 overflows above 65,504.
    ones = tf.ones([1, tf.shape(x)[0]], x.dtype)
    return tf.cast(tf.matmul(ones, x)[0], like.dtype)


PLAIN = FusedOps(compiled=False)
COMPILED = FusedOps(compiled=True)
