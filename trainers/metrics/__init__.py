"""Metrics and pictures from arrays, without TensorFlow."""
