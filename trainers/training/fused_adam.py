"""Keras's Adam and AdamW with one op for each variable."""

import keras
import tensorflow as tf


class FusedAdam(keras.optimizers.Adam):
    """Adam that updates each variable and its two slots in one pass.

    Gradients must be dense; `TrainingModel` makes them so.

    Keras's own `update_step` computes the same result in a dozen ops. Each of
    them reads and writes arrays of the size of the variable. TensorFlow's op
    has the same formula, with epsilon in the same place, for CPU, GPU and XLA.

    >>> import tensorflow as tf
    >>> optimizer = FusedAdam(learning_rate=0.5)
    >>> variable = tf.Variable([1.0, 2.0])
    >>> _ = optimizer.apply_gradients([(tf.constant([1.0, -1.0]), variable)])
    >>> variable.numpy().round(3).tolist()
    [0.5, 2.5]
    """

    def __init__(self, **kwargs):
        """Takes the arguments of `keras.optimizers.Adam`, except `amsgrad`.

        Raises:
            ValueError: `amsgrad` is true.
        """
        super().__init__(**kwargs)
        if self.amsgrad:
            raise ValueError(
                "`amsgrad` must be False: the op has none. Received: True. "
                "keras.optimizers.Adam and AdamW have it."
            )

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        """Computes numbers that all variables share once.

        Computing them for each variable took a fifth of the ops of a step of
        MiniLM, and tracing these ops takes time. It happens on each replica,
        where a schedule has its rate.
        """
        # Variables are float32 under each of this package's policies.
        beta_1, beta_2, epsilon = (
            tf.constant(x, tf.float32)
            for x in (self.beta_1, self.beta_2, self.epsilon)
        )
        step = tf.cast(self.iterations.value + 1, tf.float32)
        numbers = {
            "beta1_power": tf.pow(beta_1, step),
            "beta2_power": tf.pow(beta_2, step),
            "beta1": beta_1,
            "beta2": beta_2,
            "epsilon": epsilon,
            "lr": tf.cast(learning_rate, tf.float32),
        }
        # Keras passes its learning rate, here the dict, to each `update_step`.
        super()._backend_update_step(grads, trainable_variables, numbers)

    def update_step(self, gradient, variable, numbers):
        """Updates a variable and its slots.

        Args:
            gradient: tf.Tensor of the shape of the variable.
            variable: tf.Variable of one replica, float32.
            numbers: dict. The learning rate and other scalars, by the names of
                the op's arguments.
        """
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            grad=gradient,
            **numbers,
        )


class FusedAdamW(FusedAdam, keras.optimizers.AdamW):
    """AdamW: lets weights decay, then updates them like `FusedAdam`.

    The decay takes one product of the size of the variable. Keras needs two,
    because it computes `variable * weight_decay * learning_rate` from left to
    right.

    >>> import tensorflow as tf
    >>> optimizer = FusedAdamW(learning_rate=0.5, weight_decay=0.25)
    >>> variable = tf.Variable([1.0, 2.0])
    >>> _ = optimizer.apply_gradients([(tf.constant([1.0, -1.0]), variable)])
    >>> variable.numpy().round(3).tolist()
    [0.375, 2.25]
    """

    def _apply_weight_decay(self, variables):
        """Does nothing; `update_step` applies the decay."""

    def update_step(self, gradient, variable, numbers):
        """Lets a variable decay, then updates it and its slots.

        Args:
            gradient, variable, numbers: As for `FusedAdam`.
        """
        if self._use_weight_decay(variable):
            share = numbers["lr"] * self.weight_decay
            variable.assign_sub(variable * share)
        super().update_step(gradient, variable, numbers)
