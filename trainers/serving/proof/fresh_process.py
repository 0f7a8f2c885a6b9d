"""The fresh process of `checker`: a directory and cases in, JSON out."""

import json
import pathlib
import pickle
import sys

import tensorflow as tf

from trainers.serving import warmup
from trainers.serving.proof import agreement
from trainers.serving.proof import rules


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


def problems_of(path, cases):
    """Returns broken rules and differing answers of a SavedModel.

    Where it has a warm-up file, that is replayed.

    Args:
        path: `pathlib.Path` of the directory.
        cases: List of (signature name, inputs by name, outputs by name).
    """
    problems = rules.lint(path)
    if problems:
        return problems
    model = SessionModel(path)
    problems = agreement.problems_of(model, cases)
    if (path / warmup.FILE).is_file():
        problems += warmup.problems_of(path, model)
    return problems


if __name__ == "__main__":
    directory = pathlib.Path(sys.argv[1])
    # `checker` has just written it, in a directory of its own.
    asked = pickle.loads(pathlib.Path(sys.argv[2]).read_bytes())
    found = problems_of(directory, asked)
    print(json.dumps({"tensorflow": tf.__version__, "problems": found}))
