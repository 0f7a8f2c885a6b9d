"""Labelled texts: a module for each kind of file, and one for TFDS."""
