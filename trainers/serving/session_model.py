"""A SavedModel in a session, loaded as TensorFlow Serving loads it."""

import tensorflow as tf


class SessionModel:
    """Calls signatures through `tf.compat.v1.saved_model.loader`.

    It runs the C++ session that the server wraps: variables restored by the
    graph's own ops, inputs fed by tensor name.
    """

    def __init__(self, path):
        """Loads the MetaGraph with the tag `serve`.

        Args:
            path: Version directory.
        """
        # Registers the ops of a tokenizer, as the server has them built in.
        import tensorflow_text  # noqa: F401

        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            meta_graph = tf.compat.v1.saved_model.loader.load(
                self._session, ["serve"], str(path)
            )
        self.signatures = dict(meta_graph.signature_def)

    def __call__(self, signature, inputs):
        """Returns outputs by name.

        Args:
            signature: Name of a signature.
            inputs: Arrays by input name, exactly the signature's.
        """
        definition = self.signatures[signature]
        return self._session.run(
            {key: info.name for key, info in definition.outputs.items()},
            {
                definition.inputs[key].name: value
                for key, value in inputs.items()
            },
        )
