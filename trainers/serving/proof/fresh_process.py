"""The fresh process of `checker`.

    python -m trainers.serving.proof.fresh_process DIRECTORY CASES

It reads a SavedModel directory and a file of cases, and prints the problems as
JSON.
"""

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

    The loader uses the same C++ session as TensorFlow Serving. Ops of the
    graph restore the variables, and inputs are fed by tensor name.

    Attributes:
        signatures: dict of `SignatureDef`s by name.
    """

    def __init__(self, path):
        """Loads the MetaGraph with the tag `serve`.

        Args:
            path: str or `pathlib.Path`. Version directory.
        """
        # Registers the ops of a tokenizer. The server contains them.
        import tensorflow_text  # noqa: F401

        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            meta_graph = tf.compat.v1.saved_model.loader.load(
                self._session, ["serve"], str(path)
            )
        self.signatures = dict(meta_graph.signature_def)

    def __call__(self, signature, inputs):
        """Calls a signature and returns its outputs.

        Args:
            signature: str. Name of a signature.
            inputs: dict of arrays by input name. It contains exactly the
                inputs of the signature.

        Returns:
            dict of arrays by output name.
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
    """Returns broken rules and wrong answers of a SavedModel.

    Replays the warm-up file if there is one.

    Args:
        path: `pathlib.Path`. The directory.
        cases: list of tuples (signature name, dict of inputs, dict of expected
            outputs).

    Returns:
        List of str, one for each problem; empty if there is none.
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
    # The file is safe to unpickle: `checker` has just written it into a
    # temporary directory.
    expected = pickle.loads(pathlib.Path(sys.argv[2]).read_bytes())
    found = problems_of(directory, expected)
    print(json.dumps({"tensorflow": tf.__version__, "problems": found}))
