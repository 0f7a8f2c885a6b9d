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

    def update_step(self, gradient, variable, learning_rate):
        """Updates `variable`, a `tf.Variable` of one replica."""
        dtype = variable.dtype
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations.value + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, dtype), step),
            lr=tf.cast(learning_rate, dtype),
            beta1=tf.cast(self.beta_1, dtype),
            beta2=tf.cast(self.beta_2, dtype),
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )


class FusedAdamW(FusedAdam, keras.optimizers.AdamW):
    """Does so after the decay of the weights, with one product instead of two.

    Keras computes `variable * weight_decay * learning_rate` from left to right.
    """

    def _apply_weight_decay(self, variables):
        """Leaves it to `update_step`."""

    def update_step(self, gradient, variable, learning_rate):
        """Lets `variable` decay and updates it."""
        if self._use_weight_decay(variable):
            share = tf.cast(learning_rate * self.weight_decay, variable.dtype)
            variable.assign_sub(variable * share)
        super().update_step(gradient, variable, learning_rate)
