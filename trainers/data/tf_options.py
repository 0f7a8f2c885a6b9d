"""How tf.data works on every dataset of this package."""

import tensorflow as tf


def with_options(dataset):
    """Returns the dataset, in order and on all cores, without autotuning.

    Autotuning has a thread that wakes up after 10 ms, then 20, and at last
    every minute. Closing an iterator should wake it, but in TensorFlow 2.21
    often does not: half of the evaluations of 7.6 s ended after 10.2 s, when
    the thread woke up by itself. Nothing is lost: without it, `AUTOTUNE` means
    a call for each core, and batches ahead as long as they are waited for.
    """
    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = False
    return dataset.with_options(options)
