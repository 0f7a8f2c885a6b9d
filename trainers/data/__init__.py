"""From raw examples to batches of `tf.data`."""
