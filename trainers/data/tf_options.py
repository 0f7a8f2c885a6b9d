"""How tf.data works where it maps in parallel."""

import os

import tensorflow as tf


def with_options(dataset):
    """Returns the dataset, in order and on all cores, without autotuning.

    A tf.data service that hands out its elements keeps no order.

    Autotuning has a thread that wakes up after 10 ms, then 20, and at last
    every minute. Closing an iterator should wake it, but in TensorFlow 2.21
    often does not: half of the evaluations of 7.6 s ended after 10.2 s, when
    the thread woke up by itself. Without it, `AUTOTUNE` means as many calls as
    are said here, and as many batches ahead as are waited for.
    """
    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = False
    # 16 at most, if it is not said.
    options.autotune.initial_parallelism = os.cpu_count() or 1
    return dataset.with_options(options)
