"""Labelled texts: one module for each kind of file, and TFDS."""
