"""Runs a network over a whole split and computes its metrics."""

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
    """Evaluates the best weights of a work directory.

    Args:
        config: `ExperimentConfig`. Its `data` can name other data than the
            model was trained on.
        workdir: str or `pathlib.Path`. Work directory with a finished run.
        split: str. `train`, `validation`, `test`, a split in the notation of
            TFDS, or a file of labelled texts.

    Returns:
        dict of `classification_metrics`.

    Raises:
        ConfigError: The directory contains no finished run, or the split does
            not exist.
        DataError: The examples break a rule.
        RunError: Files of the run are damaged.
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
    """Computes the metrics of a network on `Examples`, and logs a report.

    Args:
        network: `keras.Model` from preprocessed features to logits.
        task: Task from `tasks.make_task`.
        examples: `Examples`.
        class_names: List of str. Names in label order.
        name: str. Name of the examples for the log.

    Returns:
        dict of `classification_metrics`.
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
        task: Task from `tasks.restore_task`, or from `tasks.make_task` after
            `load`.
        paths: `Workdir` of the run.

    Returns:
        `(network, facts)`: `keras.Model`, and the dict of facts of its weights.

    Raises:
        ConfigError: There are no weights.
        RunError: The weights are damaged, or files of the work directory do
            not belong to them.
    """
    with tfmodels.dtype_policy("float32"):
        network = tfmodels.make_model(
            task.model_config, len(paths.read_labels())
        )
    facts = paths.best.restore(network)
    paths.check_belongs(facts)
    return network, facts


class Evaluator:
    """Runs a network over `Examples`; traced once, used in each epoch.

    Each of several workers computes a part of every batch and gets the results
    of all.

    >>> import numpy as np
    >>> from trainers.config import ExperimentConfig
    >>> from trainers.data.examples import Examples
    >>> from trainers.data.places import Places
    >>> config = ExperimentConfig()
    >>> network = tfmodels.make_model(config.model, num_classes=2)
    >>> images = {"image": np.zeros([3, 28, 28], np.uint8)}
    >>> places = Places.numbered("row ", range(3))
    >>> examples = Examples(images, np.zeros(3, np.int32), places)
    >>> evaluator = Evaluator(network, tasks.make_task(config), examples)
    >>> labels, logits = evaluator.logits()
    >>> labels.shape, logits.shape
    ((3,), (3, 2))
    """

    def __init__(self, network, task, examples, strategy=None):
        """Makes the evaluator and traces its step.

        Args:
            network: `keras.Model` from preprocessed features to logits.
            task: Task from `tasks.make_task`.
            examples: `Examples`.
            strategy: `tf.distribute.Strategy` of the network; `None` means the
                current one.
        """
        self._strategy = strategy or tf.distribute.get_strategy()
        num_replicas = self._strategy.num_replicas_in_sync
        # No larger than the split: rows that fill a batch cost as much.
        rows = min(task.eval_batch_size, -(-len(examples) // num_replicas))
        batch_size = rows * num_replicas
        self._num_batches = pipeline.num_steps(len(examples), batch_size)

        def make_dataset(shard):
            # Endless, because all workers would have to agree on the end.
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
            # One tensor, because sending three takes three times as long.
            # float32 holds labels below 2**24 exactly.
            numbers = tf.stack([tf.cast(labels, tf.float32), weights], axis=1)
            return tf.concat([logits, numbers], axis=1)

        def step(batch):
            rows = self._strategy.run(forward, args=(batch,))
            return self._strategy.gather(rows, axis=0)

        # Traced once, here. The dataset gives the shapes.
        self._step = tf.function(step, autograph=False).get_concrete_function(
            self._dataset.element_spec
        )

    def logits(self, on_batch=None):
        """Computes the logits of all examples, in the order of the dataset.

        Args:
            on_batch: Called before each batch, or `None`. It can raise.

        Returns:
            `(labels, logits)`: int32[num_examples] and
            float32[num_examples, num_classes].
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
        """Returns the dict of `classification_metrics`.

        Args:
            class_names: List of str. Names in label order.
            on_batch: As for `logits`.
        """
        labels, logits = self.logits(on_batch)
        return classification.classification_metrics(
            labels, logits, class_names
        )
