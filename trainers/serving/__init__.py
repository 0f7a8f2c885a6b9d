"""From the best weights of a run to a model that TensorFlow Serving loads."""
