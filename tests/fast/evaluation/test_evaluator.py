"""A pass over a split: every example once, with its number."""

import numpy as np
import pytest

import tfmodels
from trainers import tasks
from trainers.config import ExperimentConfig
from trainers.config.trainer import TrainerConfig
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.distribution import strategies
from trainers.evaluation import evaluator
from trainers.metrics import classification

NAMES = ["cat", "dog", "owl"]


@pytest.fixture(scope="module", params=["one_device", "mirrored"])
def strategy(request):
    return strategies.make_strategy(
        TrainerConfig(strategy=request.param, num_logical_cpus=2)
    )


class Inputs:
    """Images in batches of 4 rows for each replica, by length if asked."""

    eval_batch_size = 4

    def __init__(self, inputs, lengths):
        self._lengths = lengths
        self.preprocess = inputs.preprocess

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


@pytest.mark.parametrize("is_by_length", [False, True])
@pytest.mark.parametrize("count", [1, 8, 21])
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


def test_metrics_are_those_of_all_examples(strategy):
    found, *_ = make(strategy)
    batches = [kept for _, kept in found.batches()]
    assert found.evaluate() == classification.classification_metrics(
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
