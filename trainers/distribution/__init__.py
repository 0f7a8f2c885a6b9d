"""Devices and workers: strategies, TF_CONFIG, the local launcher."""
