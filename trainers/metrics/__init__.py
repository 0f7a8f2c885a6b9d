"""Computes metrics and pictures from arrays, without TensorFlow."""
