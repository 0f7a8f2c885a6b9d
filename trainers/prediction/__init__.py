"""Asks a model, from a directory or behind an address."""
