"""Inputs: from raw features to the inputs of a network."""
