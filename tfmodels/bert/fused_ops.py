"""What a transformer layer does between its matrix products, in few passes.

On a CPU these parts cost as much as the products, as each small op reads and
writes all of its arrays. Here each part is one function with a gradient of its
own, which keeps little and computes in float32 whatever the type of its
arrays. XLA compiles each into one or two loops (`COMPILED`), for the shapes
that it meets; or their ops run one by one (`PLAIN`).

The matrix products stay outside: XLA's are slower than TensorFlow's on a CPU.
So do random numbers: drawn by XLA they take ten times as long as the step.
"""

import math

import tensorflow as tf

from tfmodels.bert.config import EPSILON

# Added to the scores of padding, whose softmax is then 0.
_MASKED = -1e9


def random_bits(shape, seed):
    """Draws `uint8[shape]`, each of 256 values as likely.

    Args:
        shape: int32[rank].
        seed: `int32[2]`; equal seeds give equal bits.
    """
    size = tf.reduce_prod(shape)
    # A 32-bit word has four; a float for each element takes four times as long.
    words = tf.random.stateless_uniform(
        [(size + 3) // 4], seed, None, None, tf.uint32, alg="philox"
    )
    bits = tf.reshape(tf.bitcast(words, tf.uint8), [-1])
    return tf.reshape(bits[:size], shape)


def padding_scores(mask):
    """Returns `float32[batch, 1, 1, sequence_length]`, to add to scores.

    Args:
        mask: `int32[batch, sequence_length]`, 1 for tokens.
    """
    counted = tf.cast(mask, tf.float32)
    return (1.0 - counted)[:, tf.newaxis, tf.newaxis, :] * _MASKED


def split_heads(rows, shape, count, num_heads):
    """Returns `[batch, num_heads, length, head_dim]`, `count` of them.

    Args:
        rows: `[batch * length, count * num_heads * head_dim]`.
        shape: Batch and length; both, as there may be no rows.
        count: int, how many stand beside each other.
        num_heads: int.
    """
    head_dim = rows.shape[-1] // (count * num_heads)
    x = tf.reshape(rows, (*shape, count, num_heads, head_dim))
    return tf.unstack(tf.transpose(x, (2, 0, 3, 1, 4)), num=count)


def activate(x, activation):
    """Returns `gelu`, `gelu_approximate` or `relu` of x."""
    if activation == "relu":
        return tf.nn.relu(x)
    return tf.nn.gelu(x, approximate=activation == "gelu_approximate")


class FusedOps:
    """The pieces, compiled or not.

    `bits` are `random_bits` in the shape of what is dropped out, `None` drops
    nothing. The rate is a multiple of 1/256 then, the nearest to the one that
    is asked for but not 0 or 1; what is left is scaled by its exact inverse.
    """

    def __init__(self, *, compiled):
        def piece(function):
            if not compiled:
                return function
            return tf.function(function, jit_compile=True, autograph=False)

        self._activate = piece(_activate)
        self._activate_gradient = piece(_activate_gradient)
        self._add_normalize = piece(_add_normalize)
        self._add_normalize_gradient = piece(_add_normalize_gradient)
        self._softmax = piece(_softmax)
        self._softmax_gradient = piece(_softmax_gradient)

    def add_bias(self, x, bias):
        """Returns `x + bias`, `[rows, units]`."""

        @tf.custom_gradient
        def call(x, bias):
            def gradient(dy):
                return dy, _sum_of_rows(dy, bias)

            return tf.nn.bias_add(x, tf.cast(bias, x.dtype)), gradient

        return call(x, bias)

    def add_bias_activate(self, x, bias, activation):
        """Returns `activation(x + bias)`, `[rows, units]`.

        Args:
            x: A product of matrices.
            bias: `[units]`.
            activation: `gelu`, `gelu_approximate` or `relu`.
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
            x: `[rows, units]`, a product of matrices.
            bias: `[units]`.
            residual: `[rows, units]`.
            gamma: `[units]`.
            beta: `[units]`.
            bits: `uint8[rows, units]`.
            rate: Share of units that is dropped.
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
            scores: `[batch, num_heads, queries, keys]`.
            masked: From `padding_scores`; it gets no gradient.
            bits: `uint8` of the shape of `scores`.
            rate: Share of the weights that is dropped.
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

    As a product of matrices, which uses all cores and adds up in float32.
    """
    if x.dtype == tf.float16:
        x = tf.cast(x, tf.float32)  # It ends at 65,504.
    ones = tf.ones([1, tf.shape(x)[0]], x.dtype)
    return tf.cast(tf.matmul(ones, x)[0], like.dtype)


def _drop(x, bits, rate):
    """Returns float32 with 0 where it is dropped, and larger elsewhere."""
    if bits is None:
        return x
    threshold = min(max(round(rate * 256), 1), 255)
    kept = tf.cast(bits, tf.int32) >= threshold
    return tf.where(kept, x * (256 / (256 - threshold)), tf.zeros_like(x))


def _activate(x, bias, activation):
    y = activate(_float32(x) + _float32(bias), activation)
    return tf.cast(y, x.dtype)


def _activate_gradient(x, bias, dy, activation):
    y, dy = _float32(x) + _float32(bias), _float32(dy)
    if activation == "relu":
        slope = tf.cast(y > 0, tf.float32)
    elif activation == "gelu":
        # y Phi(y), with the normal distribution's Phi and its density.
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
    """Returns the result, and what the gradient needs of it."""
    x, dtype = _float32(x), x.dtype
    x = _float32(residual) + _drop(x + _float32(bias), bits, rate)
    x -= tf.reduce_mean(x, axis=-1, keepdims=True)
    variance = tf.reduce_mean(x * x, axis=-1, keepdims=True)
    inverse = tf.math.rsqrt(variance + EPSILON)
    normalized = x * inverse
    y = normalized * _float32(gamma) + _float32(beta)
    return tf.cast(y, dtype), tf.cast(normalized, dtype), inverse


def _add_normalize_gradient(normalized, inverse, gamma, dy, bits, rate):
    """Returns gradients of x, of the residual, and of gamma a row."""
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
    """Returns the weights, and what is left of them."""
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
