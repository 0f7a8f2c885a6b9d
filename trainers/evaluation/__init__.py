"""The metrics of a network on a split."""
