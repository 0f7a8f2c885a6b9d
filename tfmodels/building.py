"""Builds networks: with a dtype policy, and with the same names each time."""

import contextlib


def make_network(config, num_outputs, *, dtype_policy="float32"):
    """Builds the network of a model config with random weights.

    Layers that the model does not name get the same names in each call, also if
    the process has made other networks before. Weights are found by name.

    Args:
        config: `ModelConfig`.
        num_outputs: int. Number of logits of an example.
        dtype_policy: str. `float32`, `mixed_bfloat16` or `mixed_float16`.

    Returns:
        `keras.Model`, see `ModelConfig.build`.

    >>> from tfmodels import MnistMlpConfig
    >>> make_network(MnistMlpConfig(hidden_dims=()), 2).count_params()
    1570
    """
    with _names_from_zero(), set_dtype_policy(dtype_policy):
        return config.build(num_outputs)


@contextlib.contextmanager
def set_dtype_policy(name):
    """Sets the Keras dtype policy inside a `with` block.

    Args:
        name: str. As for `make_network`.
    """
    import keras  # Here: a config file must not wait for this import.

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextlib.contextmanager
def _names_from_zero():
    """Lets Keras count layers from 0 for one network."""
    from keras.src.backend.common import global_state
    from keras.src.utils import naming

    # A global of Keras: the number of named objects of each class.
    counts = global_state.get_global_attribute("object_name_uids")
    naming.reset_uids()
    try:
        yield
    finally:
        global_state.set_global_attribute("object_name_uids", counts)
