"""The formulas of `fused_ops`, and their gradients.

They compute in float32, and return arrays of the type of their inputs. `bits`
are `fused_ops.random_bits`; `None` drops nothing.
"""

import math

import tensorflow as tf

from tfmodels.bert.config import EPSILON


def activate(x, activation):
    """Returns the activation of x.

    Args:
        x: float array of any shape.
        activation: str. `gelu`, `gelu_approximate` or `relu`.
    """
    if activation == "relu":
        return tf.nn.relu(x)
    return tf.nn.gelu(x, approximate=activation == "gelu_approximate")


def add_activate(x, bias, activation):
    """Returns `activation(x + bias)`."""
    y = activate(_float32(x) + _float32(bias), activation)
    return tf.cast(y, x.dtype)


def add_activate_gradient(x, bias, dy, activation):
    """Returns the gradient of x."""
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


def drop(x, bits, rate):
    """Returns x with some elements set to 0 and the others scaled up."""
    if bits is None:
        return x
    threshold = min(max(round(rate * 256), 1), 255)
    # TensorFlow compares int32 in the memory of the CPU, also on a GPU.
    kept = bits >= tf.constant(threshold, tf.uint8)
    return tf.where(kept, x * (256 / (256 - threshold)), tf.zeros_like(x))


def add_normalize(x, bias, residual, gamma, beta, bits, rate):
    """Returns the result, and two arrays that the gradient needs."""
    x, dtype = _float32(x), x.dtype
    x = _float32(residual) + drop(x + _float32(bias), bits, rate)
    x -= tf.reduce_mean(x, axis=-1, keepdims=True)
    variance = tf.reduce_mean(x * x, axis=-1, keepdims=True)
    inverse = tf.math.rsqrt(variance + EPSILON)
    normalized = x * inverse
    y = normalized * _float32(gamma) + _float32(beta)
    return tf.cast(y, dtype), tf.cast(normalized, dtype), inverse


def add_normalize_gradient(normalized, inverse, gamma, dy, bits, rate):
    """Returns the gradients of x, the residual, and gamma for each row."""
    normalized, dtype = _float32(normalized), normalized.dtype
    dy = _float32(dy)
    dn = dy * _float32(gamma)
    mean = tf.reduce_mean(dn, axis=-1, keepdims=True)
    along = tf.reduce_mean(dn * normalized, axis=-1, keepdims=True)
    dx = inverse * (dn - mean - normalized * along)
    return (
        tf.cast(drop(dx, bits, rate), dtype),
        tf.cast(dx, dtype),
        tf.cast(dy * normalized, dtype),
    )


def softmax(scores, masked, bits, rate):
    """Returns the weights before and after dropout."""
    weights = tf.nn.softmax(_float32(scores) + masked)
    return (
        tf.cast(weights, scores.dtype),
        tf.cast(drop(weights, bits, rate), scores.dtype),
    )


def softmax_gradient(weights, dy, bits, rate):
    """Returns the gradient of the scores, from weights before dropout."""
    weights, dtype = _float32(weights), weights.dtype
    dy = drop(_float32(dy), bits, rate)
    along = tf.reduce_sum(dy * weights, axis=-1, keepdims=True)
    return tf.cast(weights * (dy - along), dtype)


def _float32(x):
    return tf.cast(x, tf.float32)
