"""Measures how long training steps wait for their batches."""

import time

import numpy as np
import tensorflow as tf


def timed_next(iterator, is_timed):
    """Takes the next batch of an iterator, in a graph.

    Args:
        iterator: Iterator of a dataset.
        is_timed: bool[]. Whether to read the clock, which takes 0.1 ms.

    Returns:
        `(batch, seconds)`: the element, and `float64[]`, the seconds that the
        graph waited for it, or 0.
    """
    start = _now(is_timed, after=[])
    with tf.control_dependencies([start]):
        batch = next(iterator)
    tensors = [
        x
        for x in tf.nest.flatten(batch, expand_composites=True)
        if x is not None
    ]
    return batch, _now(is_timed, after=tensors) - start


def _now(is_timed, after):
    """Returns the time as float64[], or 0."""

    def now():
        # TensorFlow refuses its own clock with deterministic kernels.
        seconds = tf.numpy_function(_clock, [], tf.float64)
        return tf.ensure_shape(seconds, [])

    with tf.control_dependencies(after), tf.device("CPU:0"):
        return tf.cond(is_timed, now, lambda: tf.zeros([], tf.float64))


def _clock():
    return np.float64(time.perf_counter())


class InputWait:
    """Adds up the waiting of an epoch.

    A GPU works on earlier steps while the graph waits for a batch, so that it
    waits less itself.

    >>> wait = InputWait()
    >>> wait.add(0.0, num_steps=2)
    >>> wait.take_share()
    0.0
    """

    def __init__(self):
        """Starts an epoch."""
        self.start()

    def start(self):
        """Starts an epoch."""
        self._waited = []
        self._began = time.perf_counter()

    def add(self, seconds, num_steps):
        """Adds the waiting of a call.

        Args:
            seconds: float, or `float64[]`, of one step. It is read at the end,
                so that this call does not wait for the graph.
            num_steps: int. Steps of the call.
        """
        self._waited.append((seconds, num_steps))

    def take_share(self):
        """Returns the share of the time since `start`, from 0 to 1.

        Then a new epoch starts.
        """
        waited = sum(float(seconds) * n for seconds, n in self._waited)
        share = waited / (time.perf_counter() - self._began)
        self.start()
        return min(share, 1.0)
