"""10: early stopping and learning-rate reduction over interruptions."""

import fault_runs
import pytest
import tensorflow as tf

_MORE = (
    "--config.trainer.epochs=12",
    "--config.optimizer.name=momentum",
    "--config.optimizer.learning_rate=0.3",
    "--config.optimizer.plateau_patience=1",
    "--config.trainer.early_stopping_patience=3",
)


def curves(workdir):
    """Returns `(step, value)` pairs of the event files, by curve."""
    found = {}
    for file in sorted((workdir / "tensorboard").glob("*/events*")):
        for record in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars":
                    name = f"{file.parent.name}/{value.tag}"
                    number = float(tf.make_ndarray(value.tensor))
                    found.setdefault(name, []).append((event.step, number))
    del found["train/examples_per_second"], found["train/input_wait_share"]
    return {name: sorted(points) for name, points in found.items()}


@pytest.fixture(scope="module")
def uninterrupted(data_file, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("plateau") / "run"
    fault_runs.train(fault_runs.words(data_file, workdir, *_MORE))
    return workdir


def test_the_run_does_both(uninterrupted):
    """Otherwise the tests below would prove nothing."""
    history = fault_runs.outcome(uninterrupted)["history"]
    assert 4 <= len(history) < 12
    rates = {value for _, value in curves(uninterrupted)["train/learning_rate"]}
    assert len(rates) >= 2


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_the_trace_is_the_same_with_an_interruption(
    share, uninterrupted, data_file, tmp_path
):
    expected = fault_runs.outcome(uninterrupted)
    step = max(1, round(expected["step"] * share))
    workdir = tmp_path / "run"
    all_words = fault_runs.words(data_file, workdir, *_MORE)
    fault_runs.stopped(all_words, step)
    fault_runs.train(all_words)
    assert fault_runs.outcome(workdir) == expected
    assert curves(workdir) == curves(uninterrupted)


def test_the_trace_is_the_same_with_an_interruption_an_epoch(
    uninterrupted, data_file, tmp_path
):
    expected = fault_runs.outcome(uninterrupted)
    workdir = tmp_path / "run"
    all_words = fault_runs.words(data_file, workdir, *_MORE)
    # At ends of epochs, and in the middle of them, by turns.
    fault_runs.stopped(all_words, *range(5, expected["step"], 15))
    fault_runs.train(all_words)
    assert fault_runs.outcome(workdir) == expected
    assert curves(workdir) == curves(uninterrupted)


def test_a_run_that_stopped_early_is_not_resumed(
    uninterrupted, data_file, caplog
):
    before = fault_runs.outcome(uninterrupted)
    trace = curves(uninterrupted)
    with caplog.at_level("INFO", logger="trainers"):
        fault_runs.train(fault_runs.words(data_file, uninterrupted, *_MORE))
    assert (
        f"continuing from step {before['step']} of 120: the end of training"
        in caplog.messages
    )
    assert fault_runs.outcome(uninterrupted) == before
    assert curves(uninterrupted) == trace
