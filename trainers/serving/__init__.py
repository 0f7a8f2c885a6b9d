"""Exports the best weights of a run for TensorFlow Serving."""
