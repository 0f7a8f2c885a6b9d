"""The proof that TensorFlow Serving can load and answer an export."""
