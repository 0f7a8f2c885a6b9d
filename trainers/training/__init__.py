"""Trains with `model.fit`: model, optimizer, callbacks, checkpoints."""
