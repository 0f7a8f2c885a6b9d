"""Proves that TensorFlow Serving can load an export and answer with it."""
