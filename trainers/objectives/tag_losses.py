"""Losses of tokens, and what an evaluation keeps of them. Runs in graphs.

Only scored tokens count, see `tag_columns`.
"""

from trainers.objectives import tag_columns


def means(targets, logits, *, smoothing=0.0):
    """Returns the mean loss of the scored tokens of each window.

    Args:
        targets: int32[batch, length, 4].
        logits: float[batch, length, num_tags].
        smoothing: float. Share of the target that all tags get.

    Returns:
        `float32[batch]`; 0 for a window without scored tokens.
    """
    import tensorflow as tf

    losses = _losses(targets, logits, smoothing)
    counts = tf.maximum(num_scored(targets), 1.0)
    return tf.reduce_sum(losses, axis=-1) / counts


def num_scored(targets):
    """Returns the number of scored tokens of each window.

    Args:
        targets: int32[batch, length, 4].

    Returns:
        `float32[batch]`.
    """
    import tensorflow as tf

    return tf.reduce_sum(tf.cast(_is_scored(targets), tf.float32), axis=-1)


def accuracies(targets, logits):
    """Returns the share of right tags among the scored tokens of each window.

    Args:
        targets: int32[batch, length, 4].
        logits: float[batch, length, num_tags].

    Returns:
        `float32[batch]`.
    """
    import tensorflow as tf

    answers = tf.argmax(logits, axis=-1, output_type=tf.int32)
    is_right = answers == targets[..., tag_columns.TAG]
    num_right = tf.reduce_sum(tf.cast(is_right, tf.float32), axis=-1)
    return num_right / tf.maximum(num_scored(targets), 1.0)


def summary(targets, logits):
    """Returns what evaluation keeps of each window, see `tag_metrics.gather`.

    Args:
        targets: int32[batch, length, 4].
        logits: float32[batch, length, num_tags].

    Returns:
        Dict of `loss: float32[batch]`, the sum over the scored tokens, and
        `tag` (plus 1), `answer`, `document`, `token` and `is_word`, all
        `int32[batch, length]`. They are 0 where nothing is scored, as rows are
        filled with 0 to the width of others.
    """
    import tensorflow as tf

    is_scored = _is_scored(targets)
    columns = {
        "tag": targets[..., tag_columns.TAG] + 1,
        "answer": tf.argmax(logits, axis=-1, output_type=tf.int32),
        "document": targets[..., tag_columns.DOCUMENT],
        "token": targets[..., tag_columns.TOKEN],
        "is_word": targets[..., tag_columns.IS_WORD],
    }
    losses = _losses(targets, logits, 0.0)
    return {"loss": tf.reduce_sum(losses, axis=-1)} | {
        name: tf.where(is_scored, column, 0) for name, column in columns.items()
    }


def where_scored(targets, outputs):
    """Returns outputs of positions with 0 where no token is scored.

    Args:
        targets: int32[batch, length, 4].
        outputs: Dict of tensors `[batch, length, ...]` by name.
    """
    import tensorflow as tf

    found = {}
    for name, value in outputs.items():
        mask = _is_scored(targets)
        while len(mask.shape) < len(value.shape):
            mask = mask[..., tf.newaxis]
        found[name] = tf.where(mask, value, tf.zeros_like(value))
    return found


def _losses(targets, logits, smoothing):
    """Returns the loss of each token, float32[batch, length]."""
    import tensorflow as tf

    logits = tf.cast(logits, tf.float32)
    tags = tf.maximum(targets[..., tag_columns.TAG], 0)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tags, logits)
    if smoothing:
        uniform = tf.reduce_mean(-tf.nn.log_softmax(logits), axis=-1)
        losses = (1 - smoothing) * losses + smoothing * uniform
    # Not a product: an infinite logit of padding would make it NaN.
    return tf.where(_is_scored(targets), losses, 0.0)


def _is_scored(targets):
    return targets[..., tag_columns.TAG] != tag_columns.NOT_SCORED
