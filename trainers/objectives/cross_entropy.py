"""The loss for one class an example: cross-entropy, also as focal loss."""


def losses(targets, logits, *, smoothing=0.0, gamma=0.0, weights=None):
    """Returns the loss of each example.

    It is -sum(t * (1 - p) ** gamma * log(p)) over the classes, times the weight
    of the class of the example. p is the softmax of the logits; t is the target
    (1 - s) * label + s / num_classes with the label smoothing s; a gamma of 0
    gives the cross-entropy.

    References:
        Lin et al. 2017, Focal Loss for Dense Object Detection,
        https://arxiv.org/abs/1708.02002. Keras's
        `CategoricalFocalCrossentropy` with alpha=1 is the same, but cuts p
        at 1e-7, and below that its gradient is 0.

    Args:
        targets: int32[batch]. Labels.
        logits: float[batch, num_classes].
        smoothing: float. Share of the target that all classes get.
        gamma: float. Exponent of the focal loss.
        weights: float32[num_classes]. Factor of the loss of each class; `None`
            means 1.

    Returns:
        `float32[batch]`.
    """
    import tensorflow as tf

    logits = tf.cast(logits, tf.float32)
    if gamma:
        # [batch, num_classes]
        log_p = tf.nn.log_softmax(logits)
        # Not 0: below 1, the power has no finite slope there.
        doubt = tf.maximum(-tf.math.expm1(log_p), 1e-7)
        all_losses = -(doubt**gamma) * log_p
        found = tf.gather(all_losses, targets, batch_dims=1)
    else:
        found = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        all_losses = -tf.nn.log_softmax(logits) if smoothing else None
    if smoothing:
        uniform = tf.reduce_mean(all_losses, axis=-1)
        found = (1 - smoothing) * found + smoothing * uniform
    if weights is not None:
        found *= tf.gather(weights, targets)
    return found
