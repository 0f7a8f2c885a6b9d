"""Runs a network over a whole split and computes its metrics."""

import itertools
import logging

import numpy as np
import tensorflow as tf

import tfmodels
from trainers import tasks
from trainers.data import pipeline
from trainers.run.workdir import Workdir

# Beside what an objective keeps of an example.
_ROW = "row of the example"


def evaluate(config, workdir, split="test"):
    """Evaluates the best weights of a work directory.

    Args:
        config: `ExperimentConfig`. Its `data` can name other data than the
            model was trained on.
        workdir: str or `pathlib.Path`. Work directory with a finished run.
        split: str. `train`, `validation`, `test`, a split in the notation of
            TFDS, or a file of labelled texts.

    Returns:
        dict from `measure` of the objective.

    Raises:
        ConfigError: The directory contains no finished run, or the split does
            not exist.
        DataError: The examples break a rule.
        RunError: Files of the run are damaged.
    """
    paths = Workdir(workdir)
    task = tasks.restore_task(config, paths)
    network, _ = load_best(task, paths)
    examples = task.inputs.load_one(
        config.data,
        split,
        task.objective,
        run_data=paths.read_config().data,
    )
    return evaluate_examples(network, task, examples, name=split)


def evaluate_examples(network, task, examples, *, name):
    """Computes the metrics of a network on `Examples`, and logs a report.

    Args:
        network: `keras.Model` from preprocessed features to logits.
        task: `Task` for this data.
        examples: `Examples`.
        name: str. Name of the examples for the log.

    Returns:
        dict from `measure` of the objective.
    """
    metrics = Evaluator(network, task, examples).evaluate()
    logging.getLogger(__name__).info(
        "%s:\n%s", name, task.objective.text_report(metrics).rstrip()
    )
    return metrics


def load_best(task, paths):
    """Builds the network in float32 and loads the best weights of a run.

    Args:
        task: `Task` from `tasks.restore_task` or `load`.
        paths: `Workdir` of the run.

    Returns:
        `(network, facts)`: `keras.Model`, and the dict of facts of its weights.

    Raises:
        ConfigError: There are no weights.
        RunError: The weights are damaged, or files of the work directory do
            not belong to them.
    """
    network = tfmodels.make_network(
        task.inputs.model_config, task.objective.num_outputs
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
    >>> network = tfmodels.make_network(config.model, num_outputs=2)
    >>> images = {"image": np.zeros([3, 28, 28], np.uint8)}
    >>> places = Places.numbered("row ", range(3))
    >>> examples = Examples(images, np.zeros(3, np.int32), places)
    >>> task = tasks.make_task(config)
    >>> for rows, summaries in Evaluator(network, task, examples).batches():
    ...     rows, summaries["label"].shape, summaries["logits"].shape
    (array([0, 1, 2], dtype=int32), (3,), (3, 2))
    """

    def __init__(self, network, task, examples, strategy=None):
        """Makes the evaluator and traces its step.

        Args:
            network: `keras.Model` from preprocessed features to logits.
            task: `Task` for this data.
            examples: `Examples`.
            strategy: `tf.distribute.Strategy` of the network; `None` means the
                current one.
        """
        self._objective = task.objective
        self._strategy = strategy or tf.distribute.get_strategy()
        num_replicas = self._strategy.num_replicas_in_sync
        # No larger than the split: rows that fill a batch cost as much.
        rows = min(
            task.inputs.eval_batch_size, -(-len(examples) // num_replicas)
        )
        batch_size = rows * num_replicas
        self._num_batches = pipeline.num_steps(len(examples), batch_size)
        lengths = task.inputs.lengths(examples)

        def make_dataset(shard):
            # Endless, because all workers would have to agree on the end.
            return pipeline.make_eval_dataset(
                examples,
                batch_size=batch_size,
                preprocess_fn=task.inputs.preprocess,
                lengths=lengths,
                shard=shard,
            ).repeat()

        self._dataset = pipeline.distribute(self._strategy, make_dataset)

        def forward(batch):
            features, targets, rows = batch
            logits = tf.cast(network(features, training=False), tf.float32)
            summary = task.objective.summarize(targets, logits)
            return self._pack(summary | {_ROW: rows})

        def step(batch):
            rows = self._strategy.run(forward, args=(batch,))
            return self._strategy.gather(rows, axis=0)

        # Traced once, here. The dataset gives the shapes.
        self._layout = {}
        self._step = tf.function(step, autograph=False).get_concrete_function(
            self._dataset.element_spec
        )

    def batches(self, on_batch=None):
        """Yields what the objective keeps of each example, once for each.

        Args:
            on_batch: Called before each batch, or `None`. It can raise.

        Yields:
            `(rows, summaries)`: int32[batch], the numbers of the examples, and
            a dict of arrays from `summarize` of the objective, with a row for
            each of them. The last batch can be smaller.
        """
        for batch in itertools.islice(self._dataset, self._num_batches):
            if on_batch is not None:
                on_batch()
            summaries = self._unpack(self._step(batch).numpy())
            rows = summaries.pop(_ROW)
            is_example = rows >= 0
            yield (
                rows[is_example],
                {name: x[is_example] for name, x in summaries.items()},
            )

    def evaluate(self, on_batch=None):
        """Returns the dict from `measure` of the objective.

        Args:
            on_batch: As for `batches`.
        """
        batches = self.batches(on_batch)
        return self._objective.measure(summaries for _, summaries in batches)

    def _pack(self, summary):
        """Returns one `float32[batch, width]` with the bits of all values.

        To send three tensors takes three times as long as one.
        """
        parts = []
        for name, value in summary.items():
            self._layout[name] = value.dtype, value.shape[1:]
            width = value.shape[1:].num_elements()
            parts.append(tf.reshape(tf.bitcast(value, tf.float32), (-1, width)))
        return tf.concat(parts, axis=1)

    def _unpack(self, rows):
        """Returns the arrays that `_pack` has put into the rows, by name."""
        found, start = {}, 0
        for name, (dtype, shape) in self._layout.items():
            stop = start + shape.num_elements()
            columns = np.ascontiguousarray(rows[:, start:stop])
            found[name] = columns.view(dtype.as_numpy_dtype).reshape(-1, *shape)
            start = stop
        return found
