"""A full pass over a split: numbers of what a model gets right."""

import itertools
import logging

import numpy as np
import tensorflow as tf

import tfmodels
from trainers import tasks
from trainers.data import pipeline
from trainers.metrics import classification
from trainers.run.workdir import Workdir


def evaluate(config, workdir, split="test"):
    """Evaluates the best model of a work directory.

    Args:
        config: `ExperimentConfig`; its `data` may name another source than
            the model was trained on.
        workdir: Directory of a finished run.
        split: `train`, `validation`, `test`, a split as TFDS writes it, or a
            file of labelled texts.

    Returns:
        Dict of `classification_metrics`.
    """
    paths = Workdir(workdir)
    task = tasks.restore_task(config, paths)
    class_names = paths.read_labels()
    network, _ = load_best(task, paths)
    examples = task.load_one(
        config.data,
        split,
        class_names=class_names,
        run_data=paths.read_config().data,
    )
    return evaluate_examples(network, task, examples, class_names, name=split)


def evaluate_examples(network, task, examples, class_names, *, name):
    """Returns the metrics of a network on `Examples`, and logs a report.

    Args:
        network: Keras model from preprocessed features to logits.
        task: From `tasks`.
        examples: `Examples`.
        class_names: Names in label order.
        name: What to call the examples in the log.
    """
    labels, logits = Evaluator(network, task, examples).logits()
    logging.getLogger(__name__).info(
        "%s:\n%s",
        name,
        classification.text_report(labels, logits, class_names).rstrip(),
    )
    return classification.classification_metrics(labels, logits, class_names)


def load_best(task, paths):
    """Builds the network in float32 and loads the best weights of a run.

    Args:
        task: From `tasks.restore_task`, or after `load`.
        paths: `Workdir` of the run.

    Returns:
        Keras model, and the facts of its weights.

    Raises:
        ConfigError, RunError: There are none, they are damaged, or files of
            the work directory do not belong to them.
    """
    with tfmodels.dtype_policy("float32"):
        network = tfmodels.make_model(
            task.model_config, len(paths.read_labels())
        )
    facts = paths.best.restore(network)
    paths.check_belongs(facts)
    return network, facts


class Evaluator:
    """Runs a network over `Examples`; traced once, used each epoch.

    Of several workers each has a part of every batch, and the answers of all.
    """

    def __init__(self, network, task, examples, strategy=None):
        """Makes the evaluator.

        Args:
            network: Keras model from features to logits.
            task: From `tasks`.
            examples: `Examples`.
            strategy: The network's `tf.distribute.Strategy`; `None` means
                the current one.
        """
        self._strategy = strategy or tf.distribute.get_strategy()
        num_replicas = self._strategy.num_replicas_in_sync
        # No larger than the examples are: rows that fill up cost as much.
        rows = min(task.eval_batch_size, -(-len(examples) // num_replicas))
        batch_size = rows * num_replicas
        self._num_batches = pipeline.num_steps(len(examples), batch_size)

        def make_dataset(shard):
            # Endless, as workers would have to agree on the end.
            return pipeline.make_eval_dataset(
                examples,
                batch_size=batch_size,
                preprocess_fn=task.preprocess,
                lengths=task.lengths(examples),
                shard=shard,
            ).repeat()

        self._dataset = pipeline.distribute(self._strategy, make_dataset)

        def forward(batch):
            features, labels, weights = batch
            logits = tf.cast(network(features, training=False), tf.float32)
            # In one tensor, as sending three takes three times as long.
            # Numbers of classes are exact below 2**24.
            numbers = tf.stack([tf.cast(labels, tf.float32), weights], axis=1)
            return tf.concat([logits, numbers], axis=1)

        def step(batch):
            rows = self._strategy.run(forward, args=(batch,))
            return self._strategy.gather(rows, axis=0)

        # Traced here, once: the dataset tells what it knows of the shapes.
        self._step = tf.function(step).get_concrete_function(
            self._dataset.element_spec
        )

    def logits(self, on_batch=None):
        """Returns `(labels int32[n], logits float32[n, num_classes])`.

        They are in the order of the dataset.

        Args:
            on_batch: Called before each batch; it may raise.
        """
        all_labels, all_logits = [], []
        for batch in itertools.islice(self._dataset, self._num_batches):
            if on_batch is not None:
                on_batch()
            rows = self._step(batch).numpy()
            logits, labels, weights = rows[:, :-2], rows[:, -2], rows[:, -1]
            real = weights > 0
            all_labels.append(labels[real].astype(np.int32))
            all_logits.append(logits[real])
        return np.concatenate(all_labels), np.concatenate(all_logits)

    def evaluate(self, class_names, on_batch=None):
        """Returns the metrics of `classification_metrics`."""
        labels, logits = self.logits(on_batch)
        return classification.classification_metrics(
            labels, logits, class_names
        )
