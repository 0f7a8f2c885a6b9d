"""The one `keras.Model` subclass: a training step that weighs examples right.

Stock Keras averages over each replica's part of a batch and then over the
replicas, so that a row counts more where a last batch is divided unevenly,
and it counts rows that only fill up a batch. Here the loss of a step is the
sum over all replicas of weight times loss, divided by the sum of all weights:
what one device computes, on any number of them.

Stock Keras also clips the gradients of each replica before it adds them up,
and its accumulation counts each part as a step, for schedules too. Here
gradients are added up first, and a step is one update of the weights however
many parts its batch is cut into.

On several replicas or workers, three more things are put right, each with a
test that fails when Keras changes (tests/training/test_keras_faults.py):
dropout, `fit` with several workers, and several steps in one call.
"""

import contextlib
import functools

import keras
import tensorflow as tf


class TrainingModel(keras.Model):
    """A functional network with a task's loss and metrics.

    It shares layers and variables with the network that it is made from:

        model = TrainingModel.from_network(network, task)
    """

    @classmethod
    def from_network(
        cls, network, task, *, global_clipnorm=0.0, accumulation_steps=1
    ):
        """Returns a model for `fit`; call it inside `strategy.scope()`.

        Args:
            network: Keras model from features to logits.
            task: From `tasks.make_task`.
            global_clipnorm: Largest norm of all gradients; 0 clips nothing.
            accumulation_steps: Parts of a replica's batch, of equal size,
                worked on one after the other.
        """
        # `input` keeps the dict of inputs by name.
        model = cls(network.input, network.output, name=network.name)
        model.task = task
        model.global_clipnorm = global_clipnorm
        model.accumulation_steps = accumulation_steps
        model.mean_loss = keras.metrics.Mean(name="loss")
        model.task_metrics = task.make_train_metrics()
        if model.distribute_strategy.num_replicas_in_sync > 1:
            for generator in _seed_generators(model):
                generator.next = functools.partial(_next_seed, generator)
        return model

    def compile(self, optimizer, **kwargs):
        """Compiles with an optimizer that takes gradients as they come.

        Keras's would add them up over the replicas, after clipping and after
        looking for infinities (keras/src/backend/tensorflow/optimizer.py);
        `train_step` has done so before. And `fit` would end with the averages
        in place of the weights, also where it ends in mid-epoch; they are
        used in `averaged_weights` alone.
        """
        assert hasattr(optimizer, "_all_reduce_sum_gradients")
        optimizer._all_reduce_sum_gradients = list
        assert hasattr(optimizer, "finalize_variable_values")
        optimizer.finalize_variable_values = lambda variables: None
        super().compile(optimizer=optimizer, **kwargs)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Does nothing: a functional model is built.

        Keras takes a batch for it, which is a tuple of values per replica
        that several workers cannot average
        (https://github.com/keras-team/keras/issues/20585).
        """

    def make_train_function(self, force=False):
        """Makes the function of one call, on several replicas our own.

        Keras's averages the results of each step over the workers, once a
        metric, and fails at it as they are scalars (keras issue 20585);
        `train_step` has done so before. Several steps in one call make it fail
        on several replicas ("You must feed a value for placeholder").
        """
        if self.distribute_strategy.num_replicas_in_sync == 1:
            return super().make_train_function(force)
        if self.train_function is not None and not force:
            return self.train_function
        strategy = self.distribute_strategy

        @tf.function(jit_compile=self.jit_compile, reduce_retracing=True)
        def one_step(batch):
            logs = strategy.run(self.train_step, args=(batch,))
            return {
                name: strategy.experimental_local_results(value)[0]
                for name, value in logs.items()
            }

        @tf.function(reduce_retracing=True)
        def steps(iterator):
            logs = {metric.name: 0.0 for metric in self.metrics}
            if self.steps_per_execution == 1:
                return one_step(next(iterator))
            for _ in tf.range(self.steps_per_execution):
                # Else steps overlap, and updates of metrics get lost.
                tf.autograph.experimental.set_loop_options(
                    parallel_iterations=1
                )
                logs = one_step(next(iterator))
            return logs

        self.train_function = steps
        return steps

    @contextlib.contextmanager
    def averaged_weights(self):
        """Puts the moving averages, if there are any, in the weights' place.

        Afterwards the weights are what they were, bit for bit.
        """
        # Loss scaling is an optimizer around the one that averages.
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        # Keras's averages are zeros until the first update, which may be long
        # in coming where loss scaling skips steps.
        if not optimizer.use_ema or not optimizer.iterations.numpy():
            yield
            return
        averages = optimizer._model_variables_moving_average
        weights = [v.numpy() for v in self.trainable_variables]
        for variable, average in zip(
            self.trainable_variables, averages, strict=True
        ):
            variable.assign(average.numpy())
        try:
            yield
        finally:
            for variable, value in zip(
                self.trainable_variables, weights, strict=True
            ):
                variable.assign(value)

    def train_step(self, data):
        """Trains on `(features, labels, weights)` of one replica.

        Returns:
            Results of the metrics by name, as `model.fit` expects them: the
            same on all replicas, the mean of theirs. At the end of an epoch
            `fit` takes the exact ones.
        """
        features, labels, weights = data
        replicas = tf.distribute.get_replica_context()
        total_weight = replicas.all_reduce(
            tf.distribute.ReduceOp.SUM, tf.reduce_sum(weights)
        )
        if self.accumulation_steps == 1:
            gradients, logits = self._gradients(data, total_weight)
        else:
            gradients, logits = self._accumulate(data, total_weight)
        # Without the penalty, as the loss of validation is.
        self.mean_loss.update_state(
            self.task.example_losses(labels, logits), weights
        )
        for metric in self.task_metrics:
            metric.update_state(labels, logits, weights)
        logs = self.get_metrics_result()
        if replicas.num_replicas_in_sync > 1:
            gradients, logs = _summed(replicas, gradients, logs)
        if self.global_clipnorm:
            # Of what the loss scale of mixed_float16 has made of them.
            norm = self.optimizer.scale_loss(tf.constant(self.global_clipnorm))
            gradients, _ = tf.clip_by_global_norm(gradients, norm)
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )
        return logs

    def _gradients(self, data, total_weight):
        """Returns gradients of a batch's share in the loss, and its logits."""
        features, labels, weights = data
        replicas = tf.distribute.get_replica_context()
        with tf.GradientTape() as tape:
            logits = self(features, training=True)
            example_losses = self.task.example_losses(labels, logits)
            # Gradients are summed over replicas and parts: a penalty on the
            # weights, which each has in full, counts once in that sum.
            penalty = tf.add_n(self.losses) if self.losses else 0.0
            num_parts = replicas.num_replicas_in_sync * self.accumulation_steps
            loss = (
                tf.reduce_sum(weights * example_losses) / total_weight
                + penalty / num_parts
            )
            scaled_loss = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(
            scaled_loss,
            self.trainable_variables,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        # Dense: rows of an embedding that occur twice have to be added up
        # before a norm, and Keras's Adam squares them one by one.
        return [tf.convert_to_tensor(g) for g in gradients], logits

    def _accumulate(self, data, total_weight):
        """Does what `_gradients` does, in parts, one after the other."""
        parts = tf.nest.map_structure(
            lambda x: tf.reshape(
                x,
                tf.concat(
                    [[self.accumulation_steps, -1], tf.shape(x)[1:]], axis=0
                ),
            ),
            data,
        )

        def body(index, sums, all_logits):
            part = tf.nest.map_structure(lambda x: x[index], parts)
            gradients, logits = self._gradients(part, total_weight)
            sums = [s + g for s, g in zip(sums, gradients, strict=True)]
            return index + 1, sums, all_logits.write(index, logits)

        _, gradients, logits = tf.while_loop(
            lambda index, *_: index < self.accumulation_steps,
            body,
            (
                0,
                [tf.zeros_like(v) for v in self.trainable_variables],
                tf.TensorArray(tf.float32, self.accumulation_steps),
            ),
            parallel_iterations=1,
        )
        return gradients, logits.concat()


def _summed(replicas, gradients, logs):
    """Returns gradients summed over the replicas, and the mean of logs.

    Together, as sending one number takes as long as sending a thousand.
    """
    reduced = replicas.all_reduce(
        tf.distribute.ReduceOp.SUM, [*gradients, *logs.values()]
    )
    count = replicas.num_replicas_in_sync
    means = [total / count for total in reduced[len(gradients) :]]
    return reduced[: len(gradients)], dict(zip(logs, means, strict=True))


def _seed_generators(model):
    """Returns the generators of all layers, of those inside layers too."""
    found = {}
    for layer in model._flatten_layers():
        for value in vars(layer).values():
            if isinstance(value, keras.random.SeedGenerator):
                found[id(value)] = value
    return list(found.values())


def _next_seed(generator, ordered=True):
    """Does what `SeedGenerator.next` does, differently on each replica.

    Their states are equal, and so all replicas would drop out the same; no
    issue of Keras is about it. A function of state and replica, it can be
    repeated.
    """
    seed = type(generator).next(generator, ordered)
    replicas = tf.distribute.get_replica_context()
    if replicas is None or replicas.num_replicas_in_sync == 1:
        return seed  # Outside of training.
    return tf.random.experimental.stateless_fold_in(
        seed, tf.cast(replicas.replica_id_in_sync_group, seed.dtype)
    )
