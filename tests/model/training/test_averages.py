"""Moving averages of the weights: their formula, and who takes them."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_runs
from tiny_runs import PER_EPOCH

from trainers.training import state

MOMENTUM = 0.75
WEIGHTS = ("hidden_0/kernel", "hidden_0/bias", "logits/kernel", "logits/bias")
POLICIES = ["float32", "mixed_bfloat16", "mixed_float16"]


def make_config(momentum=MOMENTUM, dropout=0.25, **changes):
    config = tiny_runs.make_config(optimizer__ema_momentum=momentum, **changes)
    config.model.dropout = dropout
    return config


def weights_in(arrays):
    """Returns the weights among arrays of `state.read`, by path."""
    return {n[len("model/000/") :]: arrays[n] for n in names(arrays, "model/")}


def averages_in(arrays):
    """Returns the averages among arrays of `state.read`, by path."""
    found = names(arrays, "optimizer/", "_average")
    return {
        path: arrays[name] for path, name in zip(WEIGHTS, found, strict=True)
    }


def names(arrays, start, end=""):
    return [
        name
        for name in arrays
        if name.startswith(start)
        and name.endswith(end)
        and "seed_generator" not in name
    ]


@pytest.fixture(scope="module")
def life_of(tmp_path_factory):
    """Returns a function from policy and momentum to a run. Read-only."""

    @functools.cache
    def live(policy, momentum):
        config = make_config(momentum, trainer__dtype_policy=policy)
        return tiny_runs.live(config, tmp_path_factory.mktemp("run"))

    return live


@pytest.mark.parametrize(
    "policy, momentum",
    [(policy, MOMENTUM) for policy in POLICIES] + [("float32", 0.999)],
)
def test_averages_follow_their_formula(policy, momentum, life_of):
    life = life_of(policy, momentum)
    assert len(life.record.states) == tiny_runs.STEPS
    expected = None
    for step, arrays in life.record.states.items():
        weights, averages = weights_in(arrays), averages_in(arrays)
        if step == 1:
            expected = {p: w.astype(np.float64) for p, w in weights.items()}
            assert tiny_runs.differing(averages, weights) == []
        for path in WEIGHTS:
            expected[path] = (
                momentum * expected[path] + (1 - momentum) * weights[path]
            )
            assert averages[path].dtype == np.float32
            np.testing.assert_allclose(
                averages[path], expected[path], rtol=1e-5, atol=1e-6
            )
    # They are others than the weights.
    assert len(tiny_runs.differing(averages, weights)) == 4


@pytest.mark.parametrize("policy", POLICIES)
def test_averages_take_the_place_of_weights_for_a_while(policy, life_of):
    life = life_of(policy, MOMENTUM)
    before = life.state()
    with life.model.averaged_weights():
        inside = life.state()
        assert not tiny_runs.differing(weights_in(inside), averages_in(before))
        assert not tiny_runs.differing(averages_in(inside), averages_in(before))
    assert tiny_runs.differing(life.state(), before) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_weights_come_back_after_an_error(error, tmp_path):
    model = tiny_runs.make_model(make_config())
    for index, variable in enumerate(model.trainable_variables):
        variable.assign(np.full(variable.shape, 0.1 + index, np.float32))
    model.optimizer.iterations.assign(1)
    before = state.read(model)
    with pytest.raises(error):
        with model.averaged_weights():
            assert tiny_runs.differing(state.read(model), before) != []
            raise error
    assert tiny_runs.differing(state.read(model), before) == []


@pytest.mark.parametrize("strategy", ["one_device", "mirrored"])
def test_without_averages_the_weights_stay(strategy):
    model = tiny_runs.make_model(make_config(0.0, trainer__strategy=strategy))
    before = state.read(model)
    assert not any("average" in name for name in before)
    with model.averaged_weights():
        assert tiny_runs.differing(state.read(model), before) == []


class Weights(keras.callbacks.Callback):
    """Remembers the weights that callbacks at the end of an epoch see."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(state.read(self.model))


@pytest.fixture(scope="module", params=["one_device", "mirrored"])
def watched_run(request, tmp_path_factory):
    """`Weights` and `Life` of one run. Read-only."""
    config = make_config(trainer__strategy=request.param)
    weights = Weights()
    workdir = tmp_path_factory.mktemp("run")
    return weights, tiny_runs.live(config, workdir, further=[weights])


def test_every_replica_gets_the_averages_and_its_weights_back(watched_run):
    _, life = watched_run
    strategy = life.model.distribute_strategy
    num_replicas = strategy.num_replicas_in_sync

    def parts():
        results = strategy.experimental_local_results
        return [
            [p.numpy().tobytes() for p in results(v.value)]
            for v in life.model.trainable_variables
        ]

    before = parts()
    averages = averages_in(life.state())
    with life.model.averaged_weights():
        assert parts() == [
            [a.tobytes()] * num_replicas for a in averages.values()
        ]
    assert parts() == before


def test_validation_and_the_best_epoch_take_the_averages(watched_run):
    weights, life = watched_run
    for epoch, arrays in enumerate(weights.seen):
        trained = life.record.states[(epoch + 1) * PER_EPOCH]
        averages = averages_in(trained)
        assert tiny_runs.differing(weights_in(arrays), averages) == []
        assert len(tiny_runs.differing(weights_in(trained), averages)) == 4
    step, best = life.best()
    kept = {path: best[path] for path in WEIGHTS}
    averages = averages_in(life.record.states[step])
    assert tiny_runs.differing(kept, averages) == []
    # The loss of the validation is theirs.
    losses = [epoch["val_loss"] for epoch in life.history()]
    model = tiny_runs.make_model(make_config())
    for path, variable in zip(WEIGHTS, model.trainable_variables, strict=True):
        variable.assign(averages[path])
    examples = tiny_runs.make_examples(6, 1)
    images = examples.features["image"].astype(np.float32) / 255
    logits = model({"image": images}, training=False).numpy()
    logits -= logits.max(axis=1, keepdims=True)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss = -np.log(probabilities[np.arange(6), examples.targets]).mean()
    assert losses[step // PER_EPOCH - 1] == pytest.approx(loss, rel=1e-5)
    assert min(losses) == losses[step // PER_EPOCH - 1]


@pytest.mark.parametrize("policy", POLICIES)
def test_averages_do_not_change_the_trained_weights(policy, life_of):
    """Averages that are only looked at change no step."""
    runs = {}
    for momentum in (0.0, MOMENTUM):
        life = life_of(policy, momentum)
        runs[momentum] = weights_in(life.state())
        last = weights_in(life.record.states[tiny_runs.STEPS])
        assert tiny_runs.differing(runs[momentum], last) == []
    assert tiny_runs.differing(runs[0.0], runs[MOMENTUM]) == []


def test_the_end_of_fit_leaves_the_weights():
    """Keras's own would put the averages in their place."""
    config = make_config()
    model = tiny_runs.make_model(config)
    record = tiny_runs.Record()
    batch = (
        {"image": np.ones((4, 4, 4), np.float32)},
        np.zeros(4, np.int32),
        np.ones(4, np.float32),
    )
    dataset = tf.data.Dataset.from_tensors(batch).repeat()
    model.fit(
        dataset, steps_per_epoch=4, callbacks=[record], shuffle=False, verbose=0
    )
    after = weights_in(state.read(model))
    assert not tiny_runs.differing(after, weights_in(record.states[4]))


def test_two_replicas_average_what_one_device_averages(tmp_path):
    """Averages count updates, and not the parts of batches."""
    ends = {}
    for strategy, parts in (("one_device", 1), ("mirrored", 2)):
        config = make_config(
            dropout=0.0,
            optimizer__name="sgd",
            optimizer__accumulation_steps=parts,
            trainer__strategy=strategy,
        )
        ends[strategy] = tiny_runs.live(config, tmp_path / strategy).state()
    for find in (weights_in, averages_in):
        one, two = find(ends["one_device"]), find(ends["mirrored"])
        for path in WEIGHTS:
            np.testing.assert_allclose(one[path], two[path], atol=1e-6, rtol=0)


class Overflow(keras.callbacks.Callback):
    """Makes the first steps of a run skip their update."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 0:
            self.model.optimizer.dynamic_scale.assign(2.0**100)


def test_before_the_first_update_the_averages_are_the_weights(tmp_path):
    """With mixed_float16 all steps of a first epoch may be skipped."""
    config = make_config(trainer__dtype_policy="mixed_float16")
    weights = Weights()
    life = tiny_runs.live(config, tmp_path, further=[Overflow(), weights])
    first = life.record.states[PER_EPOCH]
    assert int(life.model.optimizer.iterations) < tiny_runs.STEPS
    assert [first[n].item() for n in names(first, "optimizer/", "iteration")][
        -1
    ] == 0
    assert weights.seen[0]["model/000/hidden_0/kernel"].any()
    assert not tiny_runs.differing(
        weights_in(weights.seen[0]), weights_in(first)
    )
