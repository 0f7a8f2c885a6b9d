"""Keras's Adam and AdamW with one op a variable."""

import keras
import tensorflow as tf


class FusedAdam(keras.optimizers.Adam):
    """Updates each variable and its two slots in one pass over them.

    Gradients have to be dense, as `TrainingModel` makes them.

    Keras's own `update_step` computes the same from a dozen ops, each of which
    reads and writes arrays of the variable's size. TensorFlow's op has the
    same formula, epsilon where Keras has it, for CPU, GPU and XLA.
    """

    def __init__(self, **kwargs):
        """Takes the arguments of Keras's, but no `amsgrad`."""
        super().__init__(**kwargs)
        if self.amsgrad:
            raise ValueError(
                "`amsgrad` must be False: the op has none. Received: True. "
                "keras.optimizers.Adam and AdamW have it."
            )

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        """Computes once what is the same for all variables.

        For each variable, it was a fifth of the ops of a step of MiniLM, which
        take time to trace. It is done on each replica, as a schedule has its
        rate there.
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
        # Keras hands what it takes for the rate to each `update_step`.
        super()._backend_update_step(grads, trainable_variables, numbers)

    def update_step(self, gradient, variable, numbers):
        """Updates `variable`, a `tf.Variable` of one replica.

        Args:
            gradient: Of the variable's shape.
            variable: `float32`.
            numbers: The learning rate and others, by the op's names.
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
    """Does so after the decay of the weights, with one product instead of two.

    Keras computes `variable * weight_decay * learning_rate` from left to right.
    """

    def _apply_weight_decay(self, variables):
        """Leaves it to `update_step`."""

    def update_step(self, gradient, variable, numbers):
        """Lets `variable` decay and updates it."""
        if self._use_weight_decay(variable):
            share = numbers["lr"] * self.weight_decay
            variable.assign_sub(variable * share)
        super().update_step(gradient, variable, numbers)
