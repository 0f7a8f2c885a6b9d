"""Raw examples in, batched `tf.data` out."""
