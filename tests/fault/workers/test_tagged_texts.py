"""Runs on tagged texts: killed inside of an epoch, and on two workers."""

import json
import signal

import fault_runs
import numpy as np
import pytest
import tagged_runs
import worker_runs

from trainers.run.workdir import Workdir

# The third step of the second epoch; there is a checkpoint at steps 5 and 6.
_STEP = tagged_runs.STEPS_PER_EPOCH + 3


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tagged")
    tagged_runs.write(directory)
    return directory


@pytest.fixture(scope="module")
def whole(directory):
    """The work directory of an undisturbed run. Read-only."""
    workdir = directory / "whole"
    fault_runs.train(tagged_runs.words(directory, workdir))
    return workdir


def test_long_texts_are_several_windows(whole):
    report = json.loads((whole / "data_report.json").read_text())
    facts = report["splits"]["train"]
    assert (facts["examples"], facts["windows"]) == (16, 19)
    assert facts["texts_of_several_windows"] == 2


def test_a_run_killed_in_the_middle_of_an_epoch_ends_the_same(
    whole, directory, user_env, tmp_path
):
    """Bit for bit."""
    all_words = tagged_runs.words(directory, tmp_path / "run")
    code = fault_runs.AT_STEP + (
        f"at_step({_STEP}, lambda: send(signal.SIGKILL))"
    )
    ended = fault_runs.run(user_env, code, all_words)
    assert ended.returncode == -signal.SIGKILL
    assert fault_runs.whole_steps(tmp_path / "run")[0] in (5, 6)
    fault_runs.train(all_words)
    assert fault_runs.outcome(tmp_path / "run") == fault_runs.outcome(whole)


def last_weights(workdir):
    path = next(iter(Workdir(workdir).checkpoints.paths().values()))
    with np.load(path / "arrays.npz") as archive:
        return {n: archive[n] for n in archive.files if n.startswith("model/")}


def test_two_workers_compute_what_one_process_computes(
    directory, workers, tmp_path
):
    """The loss is a mean over the tokens of both."""
    more = (
        "--config.model.dropout=0",
        "--config.model.encoder.dropout=0",
        "--config.optimizer.name=momentum",
        "--config.optimizer.learning_rate=0.1",
    )
    one, two = tmp_path / "one", tmp_path / "two"
    fault_runs.train(tagged_runs.words(directory, one, *more))
    code = fault_runs.NO_EXPORT
    ended = workers.run(
        tagged_runs.words(directory, two, *more), codes=(code, code)
    )
    assert [worker.code for worker in ended] == [0, 0], ended
    for name, values in last_weights(one).items():
        np.testing.assert_allclose(
            last_weights(two)[name], values, rtol=0, atol=1e-5
        )
    for name in ("history.json", "metrics.json"):
        expected = worker_runs.numbers(one, name)
        found = worker_runs.numbers(two, name)
        assert expected.keys() == found.keys()
        for key, value in expected.items():
            if isinstance(value, float):
                assert found[key] == pytest.approx(value, abs=1e-5), key
            else:
                assert found[key] == value, key


@pytest.mark.torture
@pytest.mark.parametrize("victim", [0, 1], ids=["chief", "other"])
def test_two_workers_of_which_one_is_killed_end_the_same(
    victim, directory, workers, tmp_path
):
    """Bit for bit, as two workers that nothing disturbs."""
    code = fault_runs.NO_EXPORT
    whole, part = tmp_path / "whole", tmp_path / "part"
    ended = workers.run(tagged_runs.words(directory, whole), codes=(code, code))
    assert [worker.code for worker in ended] == [0, 0], ended
    codes = [code, code]
    codes[victim] += worker_runs.at_step(_STEP, signal.SIGKILL)
    words = tagged_runs.words(directory, part)
    ended = workers.run(words, codes=codes, seconds=60)
    assert ended[victim].code == -signal.SIGKILL
    assert ended[1 - victim].code == 1
    ended = workers.run(words, codes=(code, code))
    assert [worker.code for worker in ended] == [0, 0], ended
    assert fault_runs.outcome(part) == fault_runs.outcome(whole)
