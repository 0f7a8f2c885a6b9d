"""The steps of a transformer layer between its matrix products, fused.

On a CPU these steps cost as much as the products, because each small op reads
and writes whole arrays. Here each step is one function with its own gradient.
It keeps little for the backward pass, and computes in float32 for arrays of
every type. In `COMPILED`, XLA compiles each function into one or two loops for
each shape. In `PLAIN`, the ops of a function run one by one.

The functions contain no matrix products: on a CPU, those of XLA are slower than
those of TensorFlow. They draw no random numbers: with XLA, this takes ten times
as long as the step.
"""

import math

import tensorflow as tf

from tfmodels.bert.config import EPSILON

# Added to the attention scores of padding, so that their softmax is 0.
_MASKED = -1e9


def random_bits(shape, seed):
    """Draws random bytes, uniform over all 256 values.

    Args:
        shape: int32[rank].
        seed: int32[2]. Equal seeds give equal bytes.

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


def activate(x, activation):
    """Returns the activation of x.

    Args:
        x: float array of any shape.
        activation: str. `gelu`, `gelu_approximate` or `relu`.
    """
    if activation == "relu":
        return tf.nn.relu(x)
    return tf.nn.gelu(x, approximate=activation == "gelu_approximate")


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
    >>> scores, bits = tf.zeros([1, 2]), tf.constant([[0, 255]], tf.uint8)
    >>> weights = ops.masked_softmax_dropout(scores, 0.0, bits=bits, rate=0.5)
    >>> weights.numpy().tolist()
    [[0.0, 1.0]]
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

        self._activate = maybe_compiled(_activate)
        self._activate_gradient = maybe_compiled(_activate_gradient)
        self._add_normalize = maybe_compiled(_add_normalize)
        self._add_normalize_gradient = maybe_compiled(_add_normalize_gradient)
        self._softmax = maybe_compiled(_softmax)
        self._softmax_gradient = maybe_compiled(_softmax_gradient)

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

    def masked_softmax_dropout(self, scores, masked, *, bits=None, rate=0.0):
        """Returns `Dropout(softmax(scores + masked))` over the last axis.

        Args:
            scores: float[batch, num_heads, queries, keys].
            masked: float32[batch, 1, 1, keys] from `padding_scores`. It gets
                no gradient.
            bits: uint8[batch, num_heads, queries, keys]; `None` drops nothing.
            rate: float. Share of the weights that dropout drops.

        Returns:
            An array of the shape and type of `scores`.
        """

        @tf.custom_gradient
        def call(scores):
            weights, y = self._softmax(scores, masked, bits, rate)

            def gradient(dy):
                return self._softmax_gradient(weights, dy, bits, rate)

            return y, gradient

        return call(scores)


def _sum_of_rows(x, like):
    """Returns the sum over the rows, in the type of `like`.

    A matrix product computes it: it uses all cores and adds in float32.
    """
    if x.dtype == tf.float16:
        x = tf.cast(x, tf.float32)  # float16 overflows above 65,504.
    ones = tf.ones([1, tf.shape(x)[0]], x.dtype)
    return tf.cast(tf.matmul(ones, x)[0], like.dtype)


def _drop(x, bits, rate):
    """Returns x with some elements set to 0 and the others scaled up."""
    if bits is None:
        return x
    threshold = min(max(round(rate * 256), 1), 255)
    # TensorFlow compares int32 in the memory of the CPU, also on a GPU.
    kept = bits >= tf.constant(threshold, tf.uint8)
    return tf.where(kept, x * (256 / (256 - threshold)), tf.zeros_like(x))


def _activate(x, bias, activation):
    y = activate(_float32(x) + _float32(bias), activation)
    return tf.cast(y, x.dtype)


def _activate_gradient(x, bias, dy, activation):
    y, dy = _float32(x) + _float32(bias), _float32(dy)
    if activation == "relu":
        slope = tf.cast(y > 0, tf.float32)
    elif activation == "gelu":
        # y Phi(y), where Phi is the normal distribution.
        phi = 0.5 * (1.0 + tf.math.erf(y * math.sqrt(0.5)))
        density = tf.exp(-0.5 * y * y) * (1 / math.sqrt(2 * math.pi))
        slope = phi + y * density
    else:
        # 0.5 y (1 + tanh(c (y + 0.044715 y^3))), c = sqrt(2 / pi).
        c = math.sqrt(2 / math.pi)
        tanh = tf.tanh(c * (y + 0.044715 * y * y * y))
        inner = c * (1.0 + 3 * 0.044715 * y * y)
        slope = 0.5 * (1.0 + tanh) + 0.5 * y * (1.0 - tanh * tanh) * inner
    return tf.cast(dy * slope, x.dtype)


def _add_normalize(x, bias, residual, gamma, beta, bits, rate):
    """Returns the result, and two arrays that the gradient needs."""
    x, dtype = _float32(x), x.dtype
    x = _float32(residual) + _drop(x + _float32(bias), bits, rate)
    x -= tf.reduce_mean(x, axis=-1, keepdims=True)
    variance = tf.reduce_mean(x * x, axis=-1, keepdims=True)
    inverse = tf.math.rsqrt(variance + EPSILON)
    normalized = x * inverse
    y = normalized * _float32(gamma) + _float32(beta)
    return tf.cast(y, dtype), tf.cast(normalized, dtype), inverse


def _add_normalize_gradient(normalized, inverse, gamma, dy, bits, rate):
    """Returns the gradients of x, the residual, and gamma for each row."""
    normalized, dtype = _float32(normalized), normalized.dtype
    dy = _float32(dy)
    dn = dy * _float32(gamma)
    mean = tf.reduce_mean(dn, axis=-1, keepdims=True)
    along = tf.reduce_mean(dn * normalized, axis=-1, keepdims=True)
    dx = inverse * (dn - mean - normalized * along)
    return (
        tf.cast(_drop(dx, bits, rate), dtype),
        tf.cast(dx, dtype),
        tf.cast(dy * normalized, dtype),
    )


def _softmax(scores, masked, bits, rate):
    """Returns the weights before and after dropout."""
    weights = tf.nn.softmax(_float32(scores) + masked)
    return (
        tf.cast(weights, scores.dtype),
        tf.cast(_drop(weights, bits, rate), scores.dtype),
    )


def _softmax_gradient(weights, dy, bits, rate):
    weights, dtype = _float32(weights), weights.dtype
    dy = _drop(_float32(dy), bits, rate)
    along = tf.reduce_sum(dy * weights, axis=-1, keepdims=True)
    return tf.cast(weights * (dy - along), dtype)


def _float32(x):
    return tf.cast(x, tf.float32)


PLAIN = FusedOps(compiled=False)
COMPILED = FusedOps(compiled=True)
