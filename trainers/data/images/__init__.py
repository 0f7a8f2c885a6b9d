"""Labelled images: one module for each kind of source."""
