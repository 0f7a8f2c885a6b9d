"""A pass over a split: every example once, with its number."""

import json

import numpy as np
import pytest
import scores
import tensorflow as tf

import tfmodels
from trainers import tasks
from trainers.config import ExperimentConfig
from trainers.config.trainer import TrainerConfig
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.distribution import strategies
from trainers.errors import ConfigError
from trainers.evaluation import batch_size
from trainers.evaluation import evaluator
from trainers.objectives.objective import Objective
from trainers.run.workdir import Workdir
from trainers.runtime.columns import Ragged

NAMES = ["cat", "dog", "owl"]


@pytest.fixture(scope="module", params=["one_device", "mirrored"])
def strategy(request):
    return strategies.make_strategy(
        TrainerConfig(strategy=request.param, num_logical_cpus=2)
    )


class Inputs:
    """Images in batches of 4 rows for each replica, by length if asked.

    On an accelerator, in batches of 8.
    """

    eval_batch_size = 4
    accelerator_batch_size = 8

    def __init__(self, inputs, lengths):
        self._lengths = lengths
        self.preprocess = inputs.preprocess
        self.pad_targets = inputs.pad_targets

    def lengths(self, examples):
        return self._lengths


def make(strategy, count=21, lengths=None):
    """Returns an evaluator and the labels and logits of its examples."""
    config = ExperimentConfig()
    with strategy.scope():
        network = tfmodels.make_network(config.model, len(NAMES))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 28, 28)).astype(np.uint8)
    labels = rng.integers(0, len(NAMES), count).astype(np.int32)
    places = Places.numbered("row ", range(count))
    task = tasks.make_task(config)
    task = tasks.Task(
        Inputs(task.inputs, lengths), task.objective.restored(NAMES)
    )
    found = evaluator.Evaluator(
        network, task, Examples({"image": images}, labels, places), strategy
    )
    logits = network(task.inputs.preprocess({"image": images})).numpy()
    return found, labels, logits


def test_a_home_is_found_in_the_paths_of_a_config(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(evaluator, "load_best", lambda *arguments: (None, {}))
    config = ExperimentConfig()
    Workdir(tmp_path).create(config, NAMES)
    config.data.path = "~/none"
    with pytest.raises(ConfigError) as error:
        evaluator.evaluate(config, "~")
    assert str(error.value) == (
        f"`--config.data.path` must exist. Received: '{tmp_path}/none'."
    )
    assert config.data.path == "~/none"


@pytest.mark.parametrize(
    "count, is_by_length", [(1, False), (8, True), (21, False), (21, True)]
)
def test_each_example_comes_once_with_its_number(strategy, count, is_by_length):
    lengths, order = None, np.arange(count)
    if is_by_length:
        lengths = np.random.default_rng(1).integers(0, 5, count)
        order = np.argsort(lengths, kind="stable")
    found, labels, logits = make(strategy, count, lengths)
    for _ in range(2):  # Each epoch.
        batches = list(found.batches())
        rows = np.concatenate([rows for rows, _ in batches])
        assert rows.dtype == np.int32
        np.testing.assert_array_equal(rows, order)
        kept = {
            name: np.concatenate([kept[name] for _, kept in batches])
            for name in ("label", "logits")
        }
        np.testing.assert_array_equal(kept["label"], labels[order])
        np.testing.assert_allclose(kept["logits"], logits[order], rtol=1e-5)
    batch_size = min(4 * strategy.num_replicas_in_sync, count)
    assert len(batches) == -(-count // batch_size)


def test_batches_are_as_large_as_the_device_likes(strategy, monkeypatch):
    asked = []

    def is_accelerated(strategy):
        asked.append(strategy)
        return True

    monkeypatch.setattr(batch_size, "is_accelerated", is_accelerated)
    found, *_ = make(strategy)
    assert asked == [strategy]
    sizes = [len(rows) for rows, _ in found.batches()]
    whole = 8 * strategy.num_replicas_in_sync
    assert sizes == [whole] * (21 // whole) + [21 % whole]


def test_metrics_are_those_of_all_examples(strategy):
    found, *_ = make(strategy)
    batches = [kept for _, kept in found.batches()]
    assert found.evaluate() == scores.metrics_of(
        np.concatenate([kept["label"] for kept in batches]),
        np.concatenate([kept["logits"] for kept in batches]),
        NAMES,
    )


def test_an_evaluation_asks_before_each_batch_and_can_be_left(strategy):
    found, *_ = make(strategy)
    expected = found.evaluate()
    calls = []

    def stop_at_second():
        calls.append(1)
        if len(calls) == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        found.evaluate(on_batch=stop_at_second)
    assert len(calls) == 2
    # The next evaluation begins with the first batch.
    assert found.evaluate(on_batch=lambda: calls.append(1)) == expected
    assert len(calls) == 2 + -(-21 // (4 * strategy.num_replicas_in_sync))


# --- The contract of an objective --------------------------------------------


class Own(Objective):
    """Keeps what `summarize_fn` returns; its metrics are `metrics`."""

    def __init__(self, summarize_fn, metrics=None):
        self.summarize = summarize_fn
        self._metrics = metrics

    def measure(self, batches):
        list(batches)
        return self._metrics


def make_own(strategy, summarize_fn, metrics=None, count=7, targets="rows"):
    """Returns an evaluator of an objective, in batches of 4 per replica."""
    config = ExperimentConfig()
    with strategy.scope():
        network = tfmodels.make_network(config.model, 2)
    if isinstance(targets, str):
        targets = np.arange(count, dtype=np.int32)
    examples = Examples(
        {"image": np.zeros((count, 28, 28), np.uint8)},
        targets,
        Places.numbered("row ", range(count)),
    )
    inputs = Inputs(tasks.make_task(config).inputs, None)
    task = tasks.Task(inputs, Own(summarize_fn, metrics))
    return evaluator.Evaluator(network, task, examples, strategy)


TYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"]
TYPES += ["uint64", "float16", "bfloat16", "float32", "float64"]


def test_values_of_every_type_are_kept(strategy):
    largest = {
        name: 1 if name == "bool" else tf.as_dtype(name).max for name in TYPES
    }

    def summarize(targets, logits):
        return {
            name: tf.fill([tf.shape(targets)[0], 2], tf.cast(x, name))
            for name, x in largest.items()
        }

    for rows, kept in make_own(strategy, summarize).batches():
        for name, values in kept.items():
            assert values.dtype == tf.as_dtype(name).as_numpy_dtype
            assert values.shape == (len(rows), 2)
            assert (values == np.array(largest[name], values.dtype)).all()


def test_rows_of_different_lengths_are_kept(strategy):
    """Batches and replicas differ in width. The first two rows are empty."""
    lengths = np.array([0, 0, 1, 2, 3, 4, 5])
    ids = Ragged.from_lengths(np.arange(15, dtype=np.int64) * 2**33, lengths)

    def summarize(targets, logits):
        wide = targets.to_tensor(-1)
        return {
            "ids": targets,
            "pairs": tf.stack([targets, targets], axis=2),
            "wide": wide,
            "square": wide[:, :, None] * wide[:, None, :],
            "is_fixed": targets.row_lengths() > 2,
        }

    found = make_own(strategy, summarize, targets=ids)
    num_rows = 0
    for rows, kept in found.batches():
        num_rows += len(rows)
        assert kept["ids"].to_list() == ids.take(rows).to_list()
        assert kept["pairs"].to_list() == [
            [[x, x] for x in ids[row].tolist()] for row in rows
        ]
        assert kept["is_fixed"].tolist() == (lengths[rows] > 2).tolist()
        width = kept["wide"].shape[1]
        assert kept["square"].shape == (len(rows), width, width)
        assert width >= lengths[rows].max()
        for row, values in zip(rows, kept["wide"], strict=True):
            assert values[: lengths[row]].tolist() == ids[row].tolist()
            assert set(values[lengths[row] :]) <= {-1, 0}
    assert num_rows == 7


def test_examples_without_targets_are_evaluated(strategy):
    seen = []

    def summarize(targets, logits):
        seen.append(targets)
        return Objective().summarize(targets, logits)

    found = make_own(strategy, summarize, targets=None)
    assert sum(len(kept["logits"]) for _, kept in found.batches()) == 7
    assert {*seen} == {None}


@pytest.mark.parametrize(
    "summarize, kind, message",
    [
        (
            lambda targets, logits: {"name": tf.as_string(targets)},
            TypeError,
            "'name': must be numbers or bools. Received: string.",
        ),
        (
            lambda targets, logits: {"sum": tf.reduce_sum(logits)},
            ValueError,
            "'sum': must have one row for each of the 4 examples of the batch. "
            "Received: shape ().",
        ),
        (
            lambda targets, logits: {"few": logits[:2]},
            ValueError,
            "'few': must have one row for each of the 4 examples of the batch. "
            "Received: shape (2, 2).",
        ),
        (
            lambda targets, logits: {"target": None},
            TypeError,
            "'target': must be a tensor. Received: NoneType.",
        ),
        (
            lambda targets, logits: {
                "deep": tf.RaggedTensor.from_uniform_row_length(
                    tf.ragged.range(tf.range(8)), 2
                )
            },
            ValueError,
            "'deep': must have one ragged axis, the second.",
        ),
    ],
)
def test_a_summary_that_cannot_be_kept_is_refused(summarize, kind, message):
    one = strategies.make_strategy(TrainerConfig(num_logical_cpus=2))
    with pytest.raises(kind) as caught:
        make_own(one, summarize)
    assert str(caught.value) == f"`Own.summarize`, {message}"


@pytest.mark.parametrize(
    "metrics, kind, message",
    [
        (None, TypeError, "` must return a dict. Received: NoneType."),
        (
            {"num_examples": 3},
            ValueError,
            "` must return 'loss'. Received: ['num_examples'].",
        ),
        (
            {"loss": 0.5},
            ValueError,
            "` must return 'num_examples'. Received: ['loss'].",
        ),
        (
            {"loss": np.zeros(2), "num_examples": 3},
            TypeError,
            "`, 'loss': must be one float. Received: [0.0, 0.0].",
        ),
        (
            {"loss": 0.5, "num_examples": 3.0},
            TypeError,
            "`, 'num_examples': must be one int. Received: 3.0.",
        ),
        (
            {"loss": 0.5, "num_examples": 3, "of": {"a": [{1}]}},
            TypeError,
            "`, 'of', 'a': must be JSON-like. Received: set.",
        ),
    ],
)
def test_metrics_that_break_the_contract_are_refused(metrics, kind, message):
    with pytest.raises(kind) as caught:
        evaluator.checked(Own(None), metrics)
    assert str(caught.value) == f"`Own.measure{message}"


def test_metrics_have_the_numbers_of_python(strategy):
    metrics = {
        "loss": np.float32(0.5),
        "num_examples": np.int64(7),
        "matrix": np.eye(2, dtype=np.int32),
        "of": {"a": [np.float64(1.5), None], "b": tf.constant(2)},
    }
    found = make_own(
        strategy, lambda targets, logits: {"x": logits}, metrics
    ).evaluate()
    expected = {
        "loss": 0.5,
        "num_examples": 7,
        "matrix": [[1, 0], [0, 1]],
        "of": {"a": [1.5, None], "b": 2},
    }
    assert found == json.loads(json.dumps(found)) == expected
    assert type(found["loss"]) is float and type(found["num_examples"]) is int
    assert evaluator.checked(Own(None), metrics | {"loss": 0})["loss"] == 0.0
