"""The only `keras.Model` subclass; its training step weights examples exactly.

Keras averages the loss over each replica's part of a batch and then over the
replicas. A row then counts more if the last batch is divided unevenly, and rows
that only fill a batch count as well. Here the loss of a step is the sum of
weight times loss over all replicas, divided by the sum of all weights. This is
what one device computes, on any number of devices. The objective can give each
example a weight of its own, such as its number of tokens.

Keras also clips the gradients of each replica before it sums them. Its
accumulation counts each part of a batch as a step, also in schedules. Here
gradients are summed first. A step is one update of the weights, for any number
of parts.

On several replicas or workers, this module corrects three more faults of Keras:
in dropout, in `fit` with several workers, and in several steps in one call.
Tests fail when Keras changes there (tests/model/training/test_keras_faults.py).
"""

import contextlib
import functools

import keras
import tensorflow as tf

from trainers.data import pipeline
from trainers.training import compiling
from trainers.training import input_wait

# Least bytes of the pieces in which replicas sum their gradients. PyTorch's
# DistributedDataParallel has 25 MB.
_PIECE_BYTES = 25 * 2**20
# Far below any sum of weights.
_LEAST_WEIGHT = 1e-30


class TrainingModel(keras.Model):
    """A functional network with the loss and the metrics of a task.

    It shares layers and variables with its network.

    >>> from trainers import tasks
    >>> from trainers.config import ExperimentConfig
    >>> from trainers.training import fitting
    >>> config = ExperimentConfig()
    >>> network = fitting.make_network(config, num_outputs=2)
    >>> model = TrainingModel.from_network(network, tasks.make_task(config))
    >>> [metric.name for metric in model.task_metrics]
    ['accuracy']
    >>> model.variables[0] is network.variables[0]
    True
    """

    @classmethod
    def from_network(
        cls,
        network,
        task,
        *,
        global_clipnorm=0.0,
        accumulation_steps=1,
        compiler=compiling.plain,
    ):
        """Returns a model for `fit`; call it inside `strategy.scope()`.

        Args:
            network: `keras.Model` from preprocessed features to logits.
            task: From `tasks.make_task`.
            global_clipnorm: float. Largest norm of all gradients; 0 means no
                limit.
            accumulation_steps: int. Number of equal parts of a replica's batch.
                They are computed one after the other.
            compiler: Calls what XLA compiles, one of `compiling`.
        """
        # `input` is the dict of inputs by name.
        model = cls(network.input, network.output, name=network.name)
        model.task = task
        model.global_clipnorm = global_clipnorm
        model.accumulation_steps = accumulation_steps
        model.compiler = compiler
        model.input_wait = input_wait.InputWait()
        model.mean_loss = keras.metrics.Mean(name="loss")
        model.task_metrics = task.objective.make_train_metrics()
        if model.distribute_strategy.num_replicas_in_sync > 1:
            for generator in _seed_generators(model):
                generator.next = functools.partial(_next_seed, generator)
        return model

    def compile(self, optimizer, **kwargs):
        """Compiles with an optimizer that uses gradients without changes.

        Keras's optimizer would sum them over the replicas after clipping and
        after the check for infinities
        (keras/src/backend/tensorflow/optimizer.py). `train_step` has already
        summed them. At the end of each `fit`, also in the middle of an epoch,
        it would replace the weights by their averages. Only
        `averaged_weights` uses the averages.

        Args:
            optimizer: `keras.optimizers.Optimizer`.
            **kwargs: As for `keras.Model.compile`.
        """
        assert hasattr(optimizer, "_all_reduce_sum_gradients")
        optimizer._all_reduce_sum_gradients = list
        assert hasattr(optimizer, "finalize_variable_values")
        optimizer.finalize_variable_values = lambda variables: None
        super().compile(optimizer=optimizer, **kwargs)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Does nothing, because a functional model is already built.

        Keras would read a batch for it. With several workers, that is a tuple
        of values per replica, which Keras cannot average
        (https://github.com/keras-team/keras/issues/20585).
        """

    def make_train_function(self, force=False):
        """Makes the function of one call, `steps_per_execution` steps.

        Keras's function cannot compile in the background, or with
        deterministic ops. On several replicas, it averages the results of each
        step over the workers, one call for each metric, and fails because they
        are scalars (Keras issue 20585). `train_step` has already averaged them.
        Several steps in one call also make it fail on several replicas ("You
        must feed a value for placeholder").

        Args:
            force: bool. Whether to replace an existing function.
        """
        if self.train_function is not None and not force:
            return self.train_function
        strategy = self.distribute_strategy
        num_steps = self.steps_per_execution

        def on_replica(batch):
            if tf.distribute.has_strategy():
                return self.train_step(batch)
            # XLA compiles the whole step.
            return self.compiler(self.train_step, batch)

        def one_step(iterator, step):
            # To read the clock in each step would take too long.
            batch, seconds = input_wait.timed_next(
                iterator, is_timed=tf.equal(step, num_steps - 1)
            )
            logs = strategy.run(on_replica, args=(batch,))
            return {
                name: strategy.experimental_local_results(value)[0]
                for name, value in logs.items()
            }, seconds

        @tf.function(reduce_retracing=True, autograph=False)
        def steps(iterator):
            if num_steps == 1:
                return one_step(iterator, 0)
            no_logs = {metric.name: 0.0 for metric in self.metrics}
            _, (logs, seconds) = tf.while_loop(
                lambda step, _: step < num_steps,
                lambda step, _: (step + 1, one_step(iterator, step)),
                (0, (no_logs, tf.zeros([], tf.float64))),
                # Otherwise steps overlap and updates of metrics are lost.
                parallel_iterations=1,
            )
            return logs, seconds

        def train_function(iterator):
            with compiling.refusal_as_run_error():
                logs, seconds = steps(iterator)
            self.input_wait.add(seconds, num_steps)
            return logs

        self.train_function = train_function
        return train_function

    @contextlib.contextmanager
    def averaged_weights(self):
        """Replaces the weights by their moving averages in a `with` block.

        It does nothing if there are no averages. After the block the weights
        are bit-identical to those before.
        """
        # Loss scaling is an outer optimizer; the inner one averages.
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        # Keras's averages are zeros until the first update. Loss scaling can
        # skip many steps before it.
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
        """Trains on the part of a batch of one replica.

        Args:
            data: `(features, targets, weights)`: dict of tensors with the rows
                first, a column of targets as `fitted` of the objective made it
                (a tensor with the rows first, a `tf.RaggedTensor`, or `None`),
                and float32[rows].

        Returns:
            dict. Results of the metrics by name, as `model.fit` expects them.
            All replicas return the mean over the replicas. At the end of an
            epoch `fit` computes the exact values.
        """
        features, targets, weights = data
        replicas = tf.distribute.get_replica_context()
        own_weights = self.task.objective.example_weights(targets)
        if own_weights is not None:
            weights *= own_weights
            data = features, targets, weights
        total_weight = replicas.all_reduce(
            tf.distribute.ReduceOp.SUM, tf.reduce_sum(weights)
        )
        if own_weights is not None:
            # If nothing in the batch has a weight, the loss is 0, not 0 / 0.
            total_weight = tf.maximum(total_weight, _LEAST_WEIGHT)
        is_one_part = self.accumulation_steps == 1
        compute = self._gradients if is_one_part else self._accumulate
        if not tf.distribute.has_strategy():
            gradients, logits = compute(data, total_weight)
        else:
            # XLA cannot sum over replicas, so it compiles what is between the
            # sums. Each replica has a function: a shared one would have the
            # weights of the first.
            gradients, logits = self.compiler(compute, data, total_weight)
        # Without the penalty, like the loss of validation.
        self.mean_loss.update_state(
            self.task.objective.example_losses(targets, logits), weights
        )
        for metric in self.task_metrics:
            metric.update_state(targets, logits, weights)
        logs = self.get_metrics_result()
        if replicas.num_replicas_in_sync > 1:
            gradients, logs = _summed(replicas, gradients, logs)
        if self.global_clipnorm:
            # The gradients contain the loss scale of mixed_float16.
            norm = self.optimizer.scale_loss(tf.constant(self.global_clipnorm))
            gradients, _ = tf.clip_by_global_norm(gradients, norm)
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )
        return logs

    def _gradients(self, data, total_weight):
        """Returns gradients of a batch's share in the loss, and its logits."""
        features, targets, weights = data
        replicas = tf.distribute.get_replica_context()
        with tf.GradientTape() as tape:
            logits = self(features, training=True)
            example_losses = self.task.objective.example_losses(targets, logits)
            # Gradients are summed over replicas and parts. Each has the whole
            # penalty on the weights, which must count once in the sum.
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
        # Dense: rows of an embedding that occur twice must be summed before a
        # norm is computed. Keras's Adam would square them one by one.
        return [tf.convert_to_tensor(g) for g in gradients], logits

    def _accumulate(self, data, total_weight):
        """Returns the same as `_gradients`, computed in parts one by one."""
        parts = pipeline.split_rows(data, self.accumulation_steps)

        def body(index, sums, all_logits):
            part = tf.nest.map_structure(
                lambda x: None if x is None else x[index], parts
            )
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
        logits = logits.concat()
        # Metrics need the shape, which the loop has lost.
        logits.set_shape((data[-1].shape[0], *self.output_shape[1:]))
        return gradients, logits


def _summed(replicas, gradients, logs):
    """Returns gradients summed over the replicas, and means of the logs.

    TensorFlow sends them in few pieces, because one number takes as long as a
    thousand. The backward pass computes the last layer first, so its piece is
    sent while the others are computed.
    """
    values = [*reversed(gradients), *logs.values()]
    sums = replicas.all_reduce(
        tf.distribute.ReduceOp.SUM,
        values,
        tf.distribute.experimental.CommunicationOptions(_PIECE_BYTES),
    )
    count = replicas.num_replicas_in_sync
    means = [total / count for total in sums[len(gradients) :]]
    return sums[: len(gradients)][::-1], dict(zip(logs, means, strict=True))


def _seed_generators(model):
    """Returns the seed generators of all layers, also of nested layers."""
    found = {}
    for layer in model._flatten_layers():
        for value in vars(layer).values():
            if isinstance(value, keras.random.SeedGenerator):
                found[id(value)] = value
    return list(found.values())


def _next_seed(generator, ordered=True):
    """Returns the next seed of a `SeedGenerator`, different on each replica.

    The generators have equal states, so Keras's `next` gives all replicas the
    same dropout. Keras has no issue about it. The seed is a function of state
    and replica, so a resumed run repeats it.
    """
    seed = type(generator).next(generator, ordered)
    replicas = tf.distribute.get_replica_context()
    if replicas is None or replicas.num_replicas_in_sync == 1:
        return seed  # Outside of training.
    return tf.random.experimental.stateless_fold_in(
        seed, tf.cast(replicas.replica_id_in_sync_group, seed.dtype)
    )
