"""Calls a compiled function on stand-ins for its variables."""

import tensorflow as tf


def call(compiled, length=None):
    """Calls a compiled function once, so that XLA compiles it for a shape.

    The arguments are zeros. Variables of the same shapes take the place of the
    variables that the function uses, so the call changes nothing.

    Args:
        compiled: `tf.types.experimental.ConcreteFunction` with `jit_compile`.
        length: int. Size of the unknown dimensions of its arguments; `None` if
            it has none.
    """
    captures = compiled.captured_inputs
    num_arguments = len(compiled.inputs) - len(captures)
    arguments = [
        tf.zeros([length if n is None else n for n in x.shape], x.dtype)
        for x in compiled.inputs[:num_arguments]
    ]
    # Kept until the end of the call: a handle does not keep its variable.
    variables = {
        index: _like(x)
        for index, x in enumerate(captures)
        if x.dtype == tf.resource
    }
    # That of the replica.
    device = next((captures[index].device for index in variables), None)
    captures = [
        variables[index].handle if index in variables else x
        for index, x in enumerate(captures)
    ]

    # The compiled function of a graph and that of an eager call are two for
    # XLA. Training calls it in a graph.
    @tf.function(autograph=False)
    def once(*inputs):
        with tf.device(device):
            return compiled.inference_fn.call_flat(*inputs)

    inputs = (*arguments, *captures)
    # Not called as it is: TensorFlow warns of many functions that are traced.
    once.get_concrete_function(*inputs)(*inputs)


def _like(handle):
    """Returns a variable of zeros like the one of a handle."""
    # TensorFlow has no public name for it. Without it, this raises an error,
    # and nothing is called.
    (facts,) = handle._handle_data.shape_and_type
    with tf.device(handle.device):
        return tf.Variable(
            tf.zeros(tf.TensorShape(facts.shape), tf.as_dtype(facts.dtype)),
            trainable=False,
        )
