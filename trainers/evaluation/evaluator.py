"""Runs a network over a whole split and computes its metrics."""

import dataclasses
import itertools
import logging
import math

import numpy as np
import tensorflow as tf

import tfmodels
from trainers import tasks
from trainers.config import overrides
from trainers.data import pipeline
from trainers.evaluation import batch_size
from trainers.evaluation import difference
from trainers.run.workdir import Workdir
from trainers.runtime import columns
from trainers.runtime.json_like import json_like

# Beside what an objective keeps of an example.
_ROW = "row of the example"


def evaluate(config, workdir, split="test", dtype_policy="float32"):
    """Evaluates the best weights of a work directory.

    With another dtype policy than float32, it also computes some examples in
    float32, and logs how much the answers differ.

    Args:
        config: `ExperimentConfig`. Its `data` can name other data than the
            model was trained on.
        workdir: str or `pathlib.Path`. Work directory with a finished run.
        split: str. `train`, `validation`, `test`, a split in the notation of
            TFDS, or a file of labelled texts.
        dtype_policy: str. `float32`, `mixed_bfloat16` or `mixed_float16`, in
            which the network computes.

    Returns:
        dict from `measure` of the objective.

    Raises:
        ConfigError: The directory contains no finished run, or the split does
            not exist.
        DataError: The examples break a rule.
        RunError: Files of the run are damaged.
    """
    paths = Workdir(workdir)
    config = overrides.with_home(config)
    task = tasks.restore_task(config, paths)
    network, _ = load_best(task, paths, dtype_policy)
    examples = task.inputs.load_one(
        config.data,
        split,
        task.objective,
        run_data=paths.read_config().data,
    )
    metrics = evaluate_examples(network, task, examples, name=split)
    if dtype_policy != "float32":
        exact, _ = load_best(task, paths)
        logging.getLogger(__name__).info(
            "%s: %s against float32, on %s",
            split,
            dtype_policy,
            difference.measure((network, exact), task, examples),
        )
    return metrics


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


def load_best(task, paths, dtype_policy="float32"):
    """Builds the network and loads the best weights of a run.

    Args:
        task: `Task` from `tasks.restore_task` or `load`.
        paths: `Workdir` of the run.
        dtype_policy: str. As for `evaluate`. The weights are always float32.

    Returns:
        `(network, facts)`: `keras.Model`, and the dict of facts of its weights.

    Raises:
        ConfigError: There are no weights.
        RunError: The weights are damaged, or files of the work directory do
            not belong to them.
    """
    network = tfmodels.make_network(
        task.inputs.model_config,
        task.objective.num_outputs,
        dtype_policy=dtype_policy,
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
            batch_size.rows_of_replica(
                task.inputs, network.output_shape[-1], self._strategy
            ),
            -(-len(examples) // num_replicas),
        )
        num_rows = rows * num_replicas
        self._num_batches = pipeline.num_steps(len(examples), num_rows)
        lengths = task.inputs.lengths(examples)

        def make_dataset(shard):
            # Endless, because all workers would have to agree on the end.
            return pipeline.make_eval_dataset(
                examples,
                batch_size=num_rows,
                preprocess_fn=task.inputs.preprocess,
                pad_targets_fn=task.inputs.pad_targets,
                lengths=lengths,
                shard=shard,
            ).repeat()

        self._dataset = pipeline.distribute(self._strategy, make_dataset)

        def forward(batch):
            features, targets, rows = batch
            logits = tf.cast(network(features, training=False), tf.float32)
            summary = dict(task.objective.summarize(targets, logits))
            return self._pack(summary | {_ROW: rows})

        def step(batch):
            rows = self._strategy.run(forward, args=(batch,))
            return self._strategy.gather(rows, axis=0)

        # Traced once, here. The dataset gives the shapes.
        self._step = tf.function(step, autograph=False).get_concrete_function(
            self._dataset.element_spec
        )

    def batches(self, on_batch=None):
        """Yields what the objective keeps of each example, once for each.

        Args:
            on_batch: Called before each batch, or `None`. It can raise.

        Yields:
            `(rows, summaries)`: int32[batch], the numbers of the examples, and
            a dict of columns from `summarize` of the objective, arrays or
            `columns.Ragged` with a row for each of them. The last batch can be
            smaller.
        """
        for batch in itertools.islice(self._dataset, self._num_batches):
            if on_batch is not None:
                on_batch()
            summaries = self._unpack(self._step(batch).numpy())
            rows = summaries.pop(_ROW)
            (chosen,) = np.nonzero(rows >= 0)
            yield (
                rows[chosen],
                {n: columns.take(x, chosen) for n, x in summaries.items()},
            )

    def evaluate(self, on_batch=None):
        """Returns the dict from `measure` of the objective.

        Args:
            on_batch: As for `batches`.

        Raises:
            TypeError, ValueError: The objective breaks the contract of
                `measure`.
        """
        batches = self.batches(on_batch)
        metrics = self._objective.measure(kept for _, kept in batches)
        return checked(self._objective, metrics)

    def _pack(self, summary):
        """Returns one float32 tensor with the bits of all values.

        To send three tensors takes three times as long as one. The tensor is
        `[batch, width]`. If the rows of a value can differ in length, it is
        `[words]`: all rows of the other values, then the lengths and the
        elements of this value.
        """
        # The rows of a replica and the fields, for `_unpack`.
        self._rows = summary[_ROW].shape[0]
        self._fields = {
            name: _field_of(name, value, self._rows, self._objective)
            for name, value in summary.items()
        }
        fixed, varying = [], []
        for name, value in summary.items():
            field = self._fields[name]
            if field.width is not None:
                words = tf.reshape(field.words(value), (-1, field.width))
                fixed.append(words)
                continue
            if field.is_ragged:
                sizes, value = value.row_lengths(), value.values
            else:
                sizes = tf.shape(value)[1:]
            sizes = tf.bitcast(tf.cast(sizes, tf.int32), tf.float32)
            varying += [sizes, tf.reshape(field.words(value), [-1])]
        rows = tf.concat(fixed, axis=1)
        if not varying:
            return rows
        return tf.concat([tf.reshape(rows, [-1]), *varying], axis=0)

    def _unpack(self, sent):
        """Returns the columns that `_pack` has put into a tensor, by name."""
        if sent.ndim == 2:
            return self._fixed(sent)
        width = sum(field.width or 0 for field in self._fields.values())
        varying = [n for n, f in self._fields.items() if f.width is None]
        parts, start = [], 0

        def read(count):
            nonlocal start
            start += count
            return sent[start - count : start]

        while start < len(sent):  # Each replica.
            part = self._fixed(read(self._rows * width).reshape(-1, width))
            for name in varying:
                field = self._fields[name]
                count = self._rows if field.is_ragged else len(field.shape)
                sizes = read(count).view(np.int32)
                if field.is_ragged:
                    shape = (sizes.sum(), *field.shape)
                else:
                    shape = (self._rows, *sizes.tolist())
                words = read(math.prod(shape) * field.num_words)
                part[name] = field.values(words, shape)
                if field.is_ragged:
                    part[name] = columns.Ragged.from_lengths(part[name], sizes)
            parts.append(part)
        return {
            name: _joined([part[name] for part in parts]) for name in parts[0]
        }

    def _fixed(self, rows):
        """Returns the columns of rows of equal length, by name."""
        found, start = {}, 0
        for name, field in self._fields.items():
            if field.width is not None:
                stop = start + field.width
                words, shape = rows[:, start:stop], (len(rows), *field.shape)
                found[name] = field.values(words, shape)
                start = stop
        return found


@dataclasses.dataclass(frozen=True)
class _Field:
    """How a value of a summary is sent as words of 32 bits.

    Attributes:
        dtype: `tf.DType` of the value.
        shape: `tf.TensorShape` of a row, or of each value of a ragged row.
        is_ragged: bool.
    """

    dtype: tf.DType
    shape: tf.TensorShape
    is_ragged: bool

    @property
    def sent(self):
        """The type whose bits are sent; it contains all values of `dtype`."""
        if self.dtype.size >= 4:
            return self.dtype
        return tf.float32 if self.dtype.is_floating else tf.int32

    @property
    def num_words(self):
        """Number of words of one element."""
        return self.sent.size // 4

    @property
    def width(self):
        """Number of words of a row; `None` if rows can differ."""
        if self.is_ragged or not self.shape.is_fully_defined():
            return None
        return self.shape.num_elements() * self.num_words

    def words(self, value):
        """Returns the bits of a tensor as float32."""
        return tf.bitcast(tf.cast(value, self.sent), tf.float32)

    def values(self, words, shape):
        """Returns the array whose bits are in float32 words."""
        values = np.ascontiguousarray(words).view(self.sent.as_numpy_dtype)
        values = values.reshape(shape)
        return values.astype(self.dtype.as_numpy_dtype, copy=False)


def _field_of(name, value, num_rows, objective):
    """Returns the `_Field` of a value of a summary; refuses what has none."""
    what = f"`{type(objective).__name__}.summarize`, {name!r}"
    is_ragged = isinstance(value, tf.RaggedTensor)
    if not is_ragged and not tf.is_tensor(value):
        raise TypeError(
            f"{what}: must be a tensor. Received: {type(value).__name__}."
        )
    dtype = value.dtype
    is_number = dtype.is_floating or dtype.is_integer or dtype.is_bool
    if not is_number or dtype.is_quantized:
        raise TypeError(
            f"{what}: must be numbers or bools. Received: {dtype.name}."
        )
    if not value.shape.rank or value.shape[0] not in (None, num_rows):
        raise ValueError(
            f"{what}: must have one row for each of the {num_rows} examples of "
            f"the batch. Received: shape {value.shape}."
        )
    if is_ragged:
        value = value.values
        if isinstance(value, tf.RaggedTensor) or None in value.shape[1:]:
            raise ValueError(f"{what}: must have one ragged axis, the second.")
    return _Field(dtype, value.shape[1:], is_ragged)


def _joined(parts):
    """Returns the rows of all replicas; narrow ones are filled with 0."""
    if isinstance(parts[0], columns.Ragged):
        return columns.concatenate(parts)
    widest = np.max([part.shape[1:] for part in parts], axis=0, initial=0)
    return np.concatenate(
        [
            np.pad(
                part,
                [
                    (0, 0),
                    *(
                        (0, w - n)
                        for w, n in zip(widest, part.shape[1:], strict=True)
                    ),
                ],
            )
            for part in parts
        ]
    )


def checked(objective, metrics):
    """Returns the result of `measure` of an objective with Python numbers.

    Args:
        objective: `Objective`.
        metrics: Result of `measure`.

    Raises:
        TypeError, ValueError: It breaks the contract of `measure`. The message
            names the class and the key.
    """
    name = f"{type(objective).__name__}.measure"
    if not isinstance(metrics, dict):
        raise TypeError(
            f"`{name}` must return a dict. Received: {type(metrics).__name__}."
        )
    metrics = {
        key: json_like(value, f"`{name}`, {key!r}")
        for key, value in metrics.items()
    }
    for key, kinds in (("loss", (float, int)), ("num_examples", (int,))):
        if key not in metrics:
            raise ValueError(
                f"`{name}` must return {key!r}. Received: {sorted(metrics)}."
            )
        if type(metrics[key]) not in kinds:
            raise TypeError(
                f"`{name}`, {key!r}: must be one {kinds[0].__name__}. "
                f"Received: {metrics[key]!r}."
            )
    return metrics | {"loss": float(metrics["loss"])}
