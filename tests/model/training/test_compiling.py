"""XLA compiles the training step, at once or while it runs uncompiled."""

import threading
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_runs

from trainers.distribution import strategies
from trainers.training import compiling
from trainers.training import input_wait
from trainers.training import stand_ins
from trainers.training import state

SETTINGS = {
    # Masks differ by replica.
    "model__dropout": 0.0,
    # Adam would make a step of full length from a rounding error.
    "optimizer__name": "momentum",
    "optimizer__learning_rate": 0.1,
    "trainer__steps_per_execution": 2,
}
COMPILED = "_XlaMustCompile"


def live(directory, stop_at=None, **changes):
    config = tiny_runs.make_config(**SETTINGS | changes)
    return tiny_runs.live(config, directory, stop_at=stop_at)


@pytest.fixture(scope="module")
def uncompiled(tmp_path_factory):
    """Returns step and weights of the best epoch of an uncompiled run."""
    return live(tmp_path_factory.mktemp("uncompiled")).best()


def results_of(monkeypatch, name):
    """Returns a list that gets what a function of `compiling` returns."""
    results = []
    original = getattr(compiling, name)

    def recorded(*args):
        results.append(original(*args))
        return results[-1]

    monkeypatch.setattr(compiling, name, recorded)
    return results


@pytest.fixture
def traced(monkeypatch):
    """Returns the functions that are compiled, as they are traced."""
    return results_of(monkeypatch, "_compiled")


def difference(one, other):
    assert one.keys() == other.keys()
    return max(np.abs(one[name] - other[name]).max() for name in one)


@pytest.mark.parametrize(
    ("changes", "num_functions"),
    [
        ({}, 1),
        ({"optimizer__accumulation_steps": 2}, 1),
        ({"trainer__strategy": "mirrored"}, 2),
        (
            {
                "trainer__strategy": "mirrored",
                "optimizer__accumulation_steps": 2,
            },
            2,
        ),
    ],
    ids=["one", "one_in_parts", "two", "two_in_parts"],
)
def test_a_compiled_run_trains_as_an_uncompiled_one(
    changes, num_functions, uncompiled, traced, tmp_path
):
    """Also on several replicas, with several steps in a call."""
    step, weights = live(
        tmp_path, trainer__jit_compile="always", **changes
    ).best()
    assert step == uncompiled[0]
    assert difference(weights, uncompiled[1]) < 1e-6
    # A function of each replica.
    assert len(traced) == num_functions
    assert all(f.function_def.attr[COMPILED].b for f in traced)


def test_a_compiled_run_resumes_to_the_bits_of_a_whole_one(tmp_path):
    """With dropout and deterministic kernels."""
    changes = {
        "model__dropout": 0.25,
        "trainer__jit_compile": "always",
        "trainer__deterministic_ops": "always",
    }
    whole = live(tmp_path / "whole", **changes)
    stopped = live(tmp_path / "stopped", **changes, stop_at=6)
    resumed = live(tmp_path / "stopped", **changes)
    assert (stopped.ended, resumed.ended) == ("stopped", "done")
    for name, array in whole.state().items():
        np.testing.assert_array_equal(resumed.state()[name], array)


def test_the_only_device_of_a_mirrored_strategy_is_compiled(
    uncompiled, traced, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        strategies,
        "_mirrored",
        lambda gpus: tf.distribute.MirroredStrategy(
            ["CPU:0"], tf.distribute.ReductionToOneDevice()
        ),
    )
    changes = {"trainer__strategy": "mirrored"}
    _, weights = live(tmp_path, trainer__jit_compile="always", **changes).best()
    assert difference(weights, uncompiled[1]) < 1e-6
    assert len(traced) == 1


@pytest.mark.parametrize("strategy", ["one_device", "mirrored"])
def test_a_run_becomes_compiled_while_it_trains(
    strategy, uncompiled, traced, tmp_path, monkeypatch
):
    """In the background, which changes nothing but rounding."""
    compilers = results_of(monkeypatch, "make")
    config = tiny_runs.make_config(
        **SETTINGS,
        trainer__jit_compile="background",
        trainer__strategy=strategy,
    )
    life = tiny_runs.live(config, tmp_path, further=[Waiting(compilers)])
    step, weights = life.best()
    assert step == uncompiled[0]
    assert difference(weights, uncompiled[1]) < 1e-6
    assert compilers[0].is_compiled()


class Waiting(keras.callbacks.Callback):
    """Waits after the first epoch until the step is compiled."""

    def __init__(self, compilers):
        super().__init__()
        self._compilers = compilers

    def on_epoch_end(self, epoch, logs=None):
        before = state.read(self.model)
        self._compilers[0].wait()
        # Compiling calls the step, on stand-ins for the variables.
        after = state.read(self.model)
        assert {n: x.tobytes() for n, x in before.items()} == {
            n: x.tobytes() for n, x in after.items()
        }


def which(lengths, num_functions=1):
    """Returns a compiler, and a function that says which of two it calls."""
    compiler = compiling.InBackground(lengths, num_functions)
    words = iter(["compiled", "plain"])

    def function(ids):
        # The compiled function is traced first.
        is_compiled = next(words) == "compiled"
        return tf.fill([tf.shape(ids)[1]], 1.0 if is_compiled else 0.0)

    @tf.function(autograph=False)
    def called(ids):
        return compiler(function, ids)

    spec = tf.TensorSpec([2, None if lengths else 3], tf.int32)
    return compiler, called.get_concrete_function(spec)


def is_compiled(concrete, length):
    return bool(concrete(tf.zeros([2, length], tf.int32))[0] == 1.0)


def test_each_length_becomes_compiled_when_it_is_ready(monkeypatch, caplog):
    gates = {length: threading.Semaphore(0) for length in (3, 5)}
    lengths = [5, 3, *range(6, 12)]
    gates |= {length: threading.Semaphore(1) for length in lengths[2:]}
    original = stand_ins.call

    def call(compiled, length):
        gates[length].acquire(timeout=60)
        original(compiled, length)

    monkeypatch.setattr(stand_ins, "call", call)
    compiler, concrete = which(lengths)
    assert not is_compiled(concrete, 3)
    assert not is_compiled(concrete, 5)
    gates[3].release()
    assert not is_compiled(concrete, 3)  # 5 comes first.
    gates[5].release()
    compiler.wait()
    assert is_compiled(concrete, 3)
    assert is_compiled(concrete, 5)
    assert not is_compiled(concrete, 4)
    # TensorFlow has no reason to warn.
    assert [r.name for r in caplog.records if r.levelname == "WARNING"] == []
    assert [compiler.is_compiled(n) for n in (3, 4, 5)] == [True, False, True]


def test_inputs_of_one_shape_become_compiled(caplog):
    with caplog.at_level("INFO", logger="trainers"):
        compiler, concrete = which([])
        compiler.wait()
    assert is_compiled(concrete, 3)
    (message,) = caplog.messages
    assert message.startswith("XLA has compiled the training step after ")


def test_lengths_that_nobody_names_are_not_compiled(caplog):
    compiler = compiling.InBackground([], 1)
    called = tf.function(lambda x: compiler(tf.negative, x), autograph=False)
    called.get_concrete_function(tf.TensorSpec([None]))
    assert caplog.messages == [
        "XLA does not compile the training step: `training_lengths` of the "
        "inputs does not name the lengths of batches"
    ]


def test_a_length_that_cannot_be_compiled_stops_no_other(monkeypatch, caplog):
    original = stand_ins.call

    def call(compiled, length):
        if length != 5:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM")
        original(compiled, length)

    monkeypatch.setattr(stand_ins, "call", call)
    compiler, concrete = which([3, 4, 5])
    compiler.wait()
    assert not is_compiled(concrete, 3)
    assert is_compiled(concrete, 5)
    assert caplog.messages == [
        "XLA could not compile the training step for the length 3. Such steps "
        "run uncompiled, as with --config.trainer.jit_compile=never: disk or "
        "memory is full: OOM"
    ]


def test_ragged_targets_are_not_compiled(caplog):
    compiler = compiling.InBackground([3], 1)
    called = tf.function(
        lambda x: compiler(lambda x: x.row_lengths(), x), autograph=False
    )
    assert called(tf.ragged.constant([[1], []])).numpy().tolist() == [1, 0]
    assert caplog.messages == [
        "XLA does not compile the training step: targets are ragged, so that "
        "each batch has its own shape"
    ]


def test_what_is_closed_compiles_no_further_length(monkeypatch):
    lengths = []
    monkeypatch.setattr(stand_ins, "call", lambda _, n: lengths.append(n))
    compiler = compiling.InBackground([3], 1)
    compiler.close()
    called = tf.function(lambda x: compiler(tf.negative, x), autograph=False)
    called.get_concrete_function(tf.TensorSpec([None]))
    compiler.wait()
    assert lengths == []


def test_a_second_trace_waits_for_xla(monkeypatch):
    monkeypatch.setattr(stand_ins, "call", lambda *_: None)
    compiler = compiling.InBackground([3], 1)
    called = tf.function(lambda x: compiler(tf.negative, x), autograph=False)
    for dtype in (tf.float32, tf.int32):
        spec = tf.TensorSpec([None], dtype)
        functions = called.get_concrete_function(spec).graph.as_graph_def()
        compiled = [f for f in functions.library.function if f.attr[COMPILED].b]
        # The first one has the branches of a condition.
        assert len(compiled) == 1
    compiler.close()


def test_the_waiting_for_batches_is_measured():
    """Only in the steps that are timed."""
    seconds = 0.2

    def slow(x):
        time.sleep(seconds)
        return x

    def dataset_of(num_slow):
        data = tf.data.Dataset.range(num_slow)
        return data.map(
            lambda x: tf.ensure_shape(
                tf.numpy_function(slow, [x], tf.int64), []
            )
        )

    @tf.function(autograph=False)
    def waited(iterator, is_timed):
        return input_wait.timed_next(iterator, is_timed)

    iterator = iter(dataset_of(2))
    _, timed = waited(iterator, tf.constant(True))
    element, untimed = waited(iterator, tf.constant(False))
    assert float(timed) >= seconds
    assert (int(element), float(untimed)) == (1, 0.0)
    wait = input_wait.InputWait()
    wait.add(timed, num_steps=1)
    # Longer than the time since the start of the epoch.
    assert wait.take_share() == 1.0
