"""The serving functions of a task: inputs, network and answers in one graph."""

import inspect

import tensorflow as tf

from trainers.tasks import classify_signature


def make(inputs, objective, network):
    """Returns the serving functions of a task.

    Args:
        inputs: Inputs of the task.
        objective: Objective of the task.
        network: Function from preprocessed features to logits, for example a
            `keras.Model`.

    Returns:
        Dict from the name of a signature to a `tf.function`. These are the
        signatures of the inputs, which answer with the outputs of the
        objective, and `classify` if the objective ranks its classes.
    """

    def logits_of(features):
        return network(features, training=False)

    functions = {
        name: _make_one(
            spec, lambda x, fn=fn: objective.outputs(logits_of(fn(x)))
        )
        for name, (spec, fn) in inputs.signatures().items()
    }
    functions |= inputs.other_signatures()
    if objective.ranks:
        functions["classify"] = classify_signature.make(
            inputs.example_feature,
            lambda rows: objective.ranking(
                logits_of(inputs.from_example(rows))
            ),
        )
    return functions


def _make_one(spec, answer_fn):
    """Returns a `tf.function` whose argument has the name of its spec."""

    def serve(x):
        return answer_fn(x)

    named = inspect.Parameter(
        spec.name, inspect.Parameter.POSITIONAL_OR_KEYWORD
    )
    serve.__signature__ = inspect.Signature([named])
    return tf.function(serve, input_signature=[spec], autograph=False)
