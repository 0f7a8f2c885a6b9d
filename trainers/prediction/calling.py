"""Calls a serving function with arrays or lists."""

import tensorflow as tf

from trainers.errors import RefusedError


def call(function, signature, inputs):
    """Calls a serving function and returns its outputs.

    Args:
        function: Function of tensors by name, which returns a dict of tensors.
        signature: str. Its name, for messages.
        inputs: dict of arrays or lists by input name, all with the same number
            of rows.

    Returns:
        dict of NumPy arrays by output name, in the order of the names.

    Raises:
        RefusedError: The graph refuses the values.
    """
    try:
        fed = {key: tf.constant(value) for key, value in inputs.items()}
        answer = function(**fed)
    except UnicodeDecodeError:
        # TensorFlow copies bytes of the input into its error message.
        raise RefusedError(
            f"the signature `{signature}` cannot read the bytes"
        ) from None
    except (
        tf.errors.InvalidArgumentError,
        TypeError,
        ValueError,
    ) as error:
        words = " ".join(str(error).split())[:300]
        raise RefusedError(
            f"the signature `{signature}` refuses the values: {words}"
        ) from error
    return {name: answer[name].numpy() for name in sorted(answer)}
