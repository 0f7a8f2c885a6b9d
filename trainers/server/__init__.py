"""TensorFlow Serving's REST interface to an export, in Python on one machine.

What works here works with `tensorflow_model_server`, which is what to use for
many users: this one is for trying a model, for tests and for small services. It
serves one model and speaks no gRPC. Slow heads of requests have no time limit:
on the internet it belongs behind a proxy.
"""
