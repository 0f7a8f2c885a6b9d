"""The pieces of a transformer layer: Keras's numbers, gradients by hand."""

import attending
import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from tfmodels.bert import fused_ops

BOTH = pytest.mark.parametrize(
    "fused", [fused_ops.PLAIN, fused_ops.COMPILED], ids=["plain", "compiled"]
)


def normal(*shape, seed=0, dtype=tf.float32):
    rng = np.random.default_rng([seed, *shape])
    return tf.cast(rng.normal(size=shape).astype(np.float32), dtype)


def with_gradients(function, *inputs):
    """Returns the value, and gradients of a sum that tells places apart."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = function(*inputs)
        total = tf.reduce_sum(value * normal(*value.shape, seed=99))
    return value, *tape.gradient(total, inputs)


def assert_alike(ours, expected, atol=1e-5):
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=atol)


@BOTH
@pytest.mark.parametrize("activation", ["gelu", "gelu_approximate", "relu"])
def test_bias_and_activation(fused, activation):
    def expected(x, bias):
        if activation == "relu":
            return keras.activations.relu(x + bias)
        return keras.activations.gelu(
            x + bias, approximate=activation == "gelu_approximate"
        )

    inputs = normal(7, 12) * 3, normal(12)
    assert_alike(
        with_gradients(
            lambda x, b: fused.add_bias_activate(x, b, activation), *inputs
        ),
        with_gradients(expected, *inputs),
    )


@BOTH
def test_bias(fused):
    inputs = normal(7, 12), normal(12)
    assert_alike(
        with_gradients(fused.add_bias, *inputs),
        with_gradients(lambda x, bias: x + bias, *inputs),
    )


def kept(bits, rate):
    """Returns what a unit is multiplied with, written another way."""
    dropped = {0.1: 26, 0.001: 1, 0.5: 128, 0.999: 255}[rate]
    return np.where(bits < dropped, 0.0, 256 / (256 - dropped))


@BOTH
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.001, 0.999])
def test_dropout_residual_and_normalization(fused, rate):
    norm = keras.layers.LayerNormalization(epsilon=1e-12)
    norm.build((None, 12))
    bits = fused_ops.random_bits((7, 12), (3, 4)) if rate else None
    factor = 1.0 if bits is None else kept(bits.numpy(), rate)

    def expected(x, bias, residual, gamma, beta):
        y = residual + (x + bias) * factor
        mean, variance = tf.nn.moments(y, [-1], keepdims=True)
        return (y - mean) / tf.sqrt(variance + 1e-12) * gamma + beta

    inputs = (
        *(normal(7, 12), normal(12), normal(7, 12, seed=1)),
        *(normal(12, seed=2), normal(12, seed=3)),
    )
    assert_alike(
        with_gradients(
            lambda *args: fused.dropout_add_normalize(
                *args, bits=bits, rate=rate
            ),
            *inputs,
        ),
        with_gradients(expected, *inputs),
    )
    x, bias, residual, gamma, beta = inputs
    if not rate:
        norm.set_weights([gamma, beta])
        np.testing.assert_allclose(
            fused.dropout_add_normalize(*inputs),
            norm(residual + x + bias),
            atol=1e-5,
        )


@BOTH
@pytest.mark.parametrize("keep_weights", [True, False])
@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_attention(fused, rate, keep_weights):
    query, key, value = (
        normal(2, 3, length, 4, seed=seed)
        for seed, length in enumerate((2, 5, 5))
    )
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], np.int32)
    # The weights of padding are exactly 0.
    value *= np.where(mask, 1.0, 1e9)[:, None, :, None].astype(np.float32)
    seed = (3, 4) if rate else None
    bits = fused_ops.random_bits((2, 3, 2, 5), (3, 4))
    factor = kept(bits.numpy(), rate) if rate else 1.0

    def expected(query, key, value):
        weights = tf.exp(query @ tf.transpose(key, (0, 1, 3, 2)))
        weights *= mask[:, None, None, :]
        weights /= tf.reduce_sum(weights, axis=-1, keepdims=True)
        return (weights * factor) @ value

    def ours(query, key, value):
        return fused.attention(
            query,
            key,
            value,
            fused_ops.padding_scores(mask),
            seed=seed,
            rate=rate,
            keep_weights=keep_weights,
        )

    assert_alike(
        with_gradients(ours, query, key, value),
        with_gradients(expected, query, key, value),
    )


def make_inputs(dtype="float32", rows=2):
    """Returns query, key, value and seed."""
    arrays = [normal(rows, 3, 6, 4, seed=n, dtype=dtype) for n in range(3)]
    return *arrays, tf.constant([-5, 6])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_weights_that_are_computed_again_have_the_same_bits(dtype):
    for rows in (2, 0):
        inputs = make_inputs(dtype, rows)
        expected = attending.function(True)(*inputs)
        step = tf.function(attending.function(False), autograph=False)
        for call in (attending.function(False), step):
            got = call(*inputs)
            tf.nest.map_structure(np.testing.assert_array_equal, got, expected)


def count_products(keep_weights):
    """Returns the numbers of matrix products, with XLA and without."""
    attend, inputs = attending.function(keep_weights), make_inputs()
    step = tf.function(attend, autograph=False, jit_compile=True)
    hlo = step.experimental_get_compiler_ir(*inputs)("optimized_hlo")
    with context.collect_graphs(optimized=True) as graphs:
        tf.function(attend, autograph=False)(*inputs)
    ops = [node.op for graph in graphs for node in graph.node]
    return hlo.count(" dot("), ops.count("BatchMatMulV2")


def test_optimizers_do_not_keep_weights_that_are_computed_again():
    """Of equal products, they compute one."""
    assert count_products(keep_weights=True) == (6, 6)
    assert count_products(keep_weights=False) == (7, 7)


def test_compiled_or_not_in_bfloat16_gives_bfloat16_of_float32():
    """What is computed inside is float32: one rounding at the end."""
    x, bias = normal(64, 48) * 3, normal(48)
    exact = tf.nn.gelu(
        tf.cast(tf.cast(x, tf.bfloat16), tf.float32) + bias, approximate=False
    )
    for fused in (fused_ops.PLAIN, fused_ops.COMPILED):
        y = fused.add_bias_activate(tf.cast(x, tf.bfloat16), bias, "gelu")
        assert y.dtype == tf.bfloat16
        error = np.abs(tf.cast(y, tf.float32) - exact)
        # Half a unit of the eighth bit, and what float32 rounds.
        assert np.all(error <= np.abs(exact) * 2**-8 * 1.001 + 1e-6)


@pytest.mark.parametrize("shape", [(4, 4), (3, 5, 7), (1,), (0, 3)])
def test_bits_are_a_function_of_the_seed(shape):
    bits = fused_ops.random_bits(shape, (1, 2))
    assert (bits.shape, bits.dtype) == (shape, tf.uint8)
    again = fused_ops.random_bits(shape, (1, 2))
    np.testing.assert_array_equal(bits, again)


def test_bits_are_even_and_differ_by_seed():
    bits = fused_ops.random_bits((1000, 1000), (1, 2)).numpy()
    counts = np.bincount(bits.ravel(), minlength=256)
    # Chi-squared of 255 degrees of freedom: mean 255, deviation 22.6.
    expected = bits.size / 256
    assert ((counts - expected) ** 2 / expected).sum() < 255 + 5 * 22.6
    other = fused_ops.random_bits((1000, 1000), (1, 3)).numpy()
    assert np.mean(bits == other) == pytest.approx(1 / 256, rel=0.05)
    for axis in (0, 1):
        assert np.mean(bits == np.roll(bits, 1, axis)) == pytest.approx(
            1 / 256, rel=0.05
        )
