"""Trackers: where the numbers and pictures of a run go."""
