"""The one `keras.Model` subclass: a training step that weighs examples right.

Stock Keras averages over each replica's part of a batch and then over the
replicas, so that a row counts more where a last batch is divided unevenly,
and it counts rows that only fill up a batch. Here the loss of a step is the
sum over all replicas of weight times loss, divided by the sum of all weights:
what one device computes, on any number of them.
"""

import keras
import tensorflow as tf


class TrainingModel(keras.Model):
    """A functional network with a task's loss and metrics.

    It shares layers and variables with the network that it is made from:

        model = TrainingModel.from_network(network, task)
    """

    @classmethod
    def from_network(cls, network, task):
        """Returns a model for `fit`; call it inside `strategy.scope()`."""
        # `input` keeps the dict of inputs by name.
        model = cls(network.input, network.output, name=network.name)
        model.task = task
        model.mean_loss = keras.metrics.Mean(name="loss")
        model.task_metrics = task.make_train_metrics()
        return model

    @property
    def steps_done(self):
        """Number of training steps so far, on any strategy."""
        return int(self.optimizer.iterations.numpy())

    def train_step(self, data):
        """Trains on `(features, labels, weights)` of one replica.

        Returns:
            Results of the metrics by name, as `model.fit` expects them.
        """
        features, labels, weights = data
        replicas = tf.distribute.get_replica_context()
        with tf.GradientTape() as tape:
            logits = self(features, training=True)
            example_losses = self.task.example_losses(labels, logits)
            total_weight = replicas.all_reduce(
                tf.distribute.ReduceOp.SUM, tf.reduce_sum(weights)
            )
            # Gradients are summed over replicas: a penalty on the weights,
            # which every replica has in full, counts once in that sum.
            penalty = tf.add_n(self.losses) if self.losses else 0.0
            loss = (
                tf.reduce_sum(weights * example_losses) / total_weight
                + penalty / replicas.num_replicas_in_sync
            )
            scaled_loss = self.optimizer.scale_loss(loss)
        variables = self.trainable_variables
        gradients = tape.gradient(scaled_loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        # Without the penalty, as the loss of validation is.
        self.mean_loss.update_state(example_losses, weights)
        for metric in self.task_metrics:
            metric.update_state(labels, logits, weights)
        return self.get_metrics_result()
