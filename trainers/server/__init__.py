"""Serves an export on one machine with TensorFlow Serving's REST interface.

The server is for trying a model, for tests and for small services. A request
that works here works in TensorFlow Serving (`tensorflow_model_server`), which
is the server for many users. This server serves one model and has no gRPC and
no TLS.
"""
