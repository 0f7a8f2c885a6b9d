"""Replaces a TPU: CPUs take its place, and the calls are recorded."""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Resolver:
    """Replaces `TPUClusterResolver`.

    Attributes:
        tpu: str. Address of the TPU.
    """

    tpu: str


def install(monkeypatch, strategy=None, failing=None):
    """Replaces what TensorFlow has for TPUs.

    Args:
        monkeypatch: The fixture.
        strategy: `tf.distribute.Strategy` that replaces `TPUStrategy`.
        failing: Tuple of the name of a call, and the error that it raises.

    Returns:
        List. Gets a tuple for each call: its name and its argument.
    """
    calls = []
    failing = dict([failing] if failing else [])

    def recorded(name, result_fn):
        def call(argument):
            calls.append((name, argument))
            if name in failing:
                raise failing[name]
            return result_fn(argument)

        return call

    def ignore(resolver):
        pass

    for place, name, result_fn in (
        (tf.distribute.cluster_resolver, "TPUClusterResolver", Resolver),
        (tf.config, "experimental_connect_to_cluster", ignore),
        (tf.tpu.experimental, "initialize_tpu_system", ignore),
    ):
        monkeypatch.setattr(place, name, recorded(name, result_fn))
    make = recorded("TPUStrategy", lambda resolver: strategy)

    class TPUStrategy:
        """A class, because Keras asks `isinstance`."""

        def __new__(cls, resolver):
            return make(resolver)

    monkeypatch.setattr(tf.distribute, "TPUStrategy", TPUStrategy)
    return calls
