"""Computes the metrics of a network on a split."""
