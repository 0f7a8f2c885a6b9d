"""The dropout of the fast layers gives the numbers of Keras's."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfmodels.bert import fast_layer


@pytest.mark.parametrize(
    "dtype", ["float32", "mixed_bfloat16", "mixed_float16"]
)
def test_it_drops_what_keras_drops(dtype):
    ours, theirs = (
        layer(0.3, seed=7, dtype=dtype)
        for layer in (fast_layer.FastDropout, keras.layers.Dropout)
    )
    x = tf.constant(np.arange(1, 41, dtype=np.float32).reshape(5, 8))
    # The last seeds are those of replicas.
    for seed in ([7, 0], [7, 1], [-(2**40), 2**31 - 2], [2**62 + 1, -3]):
        for layer in (ours, theirs):
            layer.seed_generator.state.assign(seed)
        expected = theirs(x, training=True).numpy()
        np.testing.assert_array_equal(ours(x, training=True), expected)
        assert 0 < np.mean(expected == 0) < 1
        np.testing.assert_array_equal(
            ours.seed_generator.state, theirs.seed_generator.state
        )
    np.testing.assert_array_equal(ours(x, training=False), x)


def test_nothing_is_dropped_and_no_seed_drawn_at_a_rate_of_0():
    layer = fast_layer.FastDropout(0.0, seed=7)
    np.testing.assert_array_equal(layer(tf.ones([9]), training=True), 1)
    assert layer.get_config()["rate"] == 0.0


def test_xla_derives_a_key_once():
    """Not with this op, which XLA computes for each number."""

    def ops(layer):
        step = tf.function(lambda x: layer(x, training=True), autograph=False)
        graph = step.get_concrete_function(tf.ones([9])).graph
        return {op.type for op in graph.get_operations()}

    assert "StatelessRandomGetKeyCounter" in ops(keras.layers.Dropout(0.3))
    found = ops(fast_layer.FastDropout(0.3))
    assert "StatelessRandomGetKeyCounter" not in found
