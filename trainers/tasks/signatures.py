"""The serving functions of a task: inputs, network and answers in one graph."""

import inspect

import tensorflow as tf

from trainers.objectives.rounding import IN_DOUBT
from trainers.tasks import example_signatures


def make(inputs, objective, network, with_doubt=False):
    """Returns the serving functions, see `Inputs.make_signatures`.

    Args:
        inputs: `Inputs` of the task.
        objective: `Objective` of the task.
        network: Function from preprocessed features to logits.
        with_doubt: bool. As for `Inputs.make_signatures`.

    Returns:
        Dict from the name of a signature to a `tf.function`.
    """

    def logits_of(features):
        return network(features, training=False)

    def outputs_of(logits):
        outputs = dict(objective.outputs(logits))
        in_doubt = objective.is_in_doubt(logits) if with_doubt else None
        return outputs | ({} if in_doubt is None else {IN_DOUBT: in_doubt})

    functions = {
        name: make_one(specs, lambda *x, fn=fn: outputs_of(logits_of(fn(*x))))
        for name, (specs, fn) in inputs.signatures().items()
    }
    functions |= inputs.other_signatures()
    answers = {}
    if objective.ranks:
        answers["classify"] = objective.ranking
    if objective.regresses:
        answers["regress"] = objective.regression
    for name, answer_fn in answers.items():
        functions[name] = example_signatures.make(
            inputs.example_features,
            lambda *values, answer_fn=answer_fn: answer_fn(
                logits_of(inputs.from_example(*values))
            ),
        )
    return functions


def make_one(specs, answer_fn):
    """Returns a serving function whose arguments have the names of specs.

    Args:
        specs: List of `tf.TensorSpec` with names.
        answer_fn: Function from a tensor for each of them to the outputs.

    Returns:
        `tf.function`.
    """

    def serve(*x):
        return answer_fn(*x)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    serve.__signature__ = inspect.Signature(
        [inspect.Parameter(spec.name, kind) for spec in specs]
    )
    return tf.function(serve, input_signature=specs, autograph=False)
