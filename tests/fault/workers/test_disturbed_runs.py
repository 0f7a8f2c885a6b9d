"""17: one of the workers is killed, or asked to end."""

import signal

import comparison
import pytest
import worker_runs

# The second step of the second epoch, after the checkpoint at step 12.
_STEP = worker_runs.STEPS_PER_EPOCH + 2


def codes(victim, step, number):
    """Returns code for both workers; it sends a signal to one of them."""
    code = worker_runs.at_step(step, number)
    return (code, "") if victim == 0 else ("", code)


def check_resumes(workers, all_words, workdir, whole, step):
    """Resumes with the same command and compares with the undisturbed run."""
    epoch, batch = divmod(step, worker_runs.STEPS_PER_EPOCH)
    chief, other = workers.run(all_words)
    assert [chief.code, other.code] == [0, 0], [chief, other]
    assert (
        f"continuing from step {step} of 44: epoch {epoch + 1} of 4, "
        f"step {batch} of 11"
    ) in chief.lines
    assert other.lines == []
    comparison.check_same(whole[0], workdir)


@pytest.mark.parametrize("victim", [0, 1], ids=["chief", "other"])
def test_a_killed_worker_ends_the_other_and_the_run_resumes(
    victim, workers, whole, data_file, tmp_path
):
    workdir = tmp_path / "run"
    all_words = worker_runs.words(data_file, workdir)
    ended = workers.run(
        all_words, codes=codes(victim, _STEP, signal.SIGKILL), seconds=60
    )
    survivor = 1 - victim
    assert ended[victim].code == -signal.SIGKILL
    assert ended[survivor].code == 1, ended[survivor]
    last = ended[survivor].lines[-1]
    start = f"error: worker {survivor} lost another of the 2 workers. "
    assert last.startswith(f"{start}The output of that worker says why: ")
    assert last.endswith(
        "The same command on all workers resumes from the last checkpoint."
    )
    # A chief that is killed may be about to publish the newer one.
    step = worker_runs.fault_runs.whole_steps(workdir)[0]
    assert step == 12 or (step == 11 and victim == 0)
    assert ended[1].operations == []
    # After a kill of the other, see `test_launched_workers`.
    if victim == 0:
        check_resumes(workers, all_words, workdir, whole, step)


@pytest.mark.parametrize(
    ("step", "victim"),
    [
        (_STEP, 1),
        # The last step of an epoch, whose validation is still to come.
        pytest.param(22, 1, marks=pytest.mark.torture),
        pytest.param(_STEP, 0, marks=pytest.mark.torture),
    ],
)
def test_one_that_is_asked_to_end_stops_all_with_a_checkpoint(
    step, victim, workers, whole, data_file, tmp_path
):
    workdir = tmp_path / "run"
    all_words = worker_runs.words(data_file, workdir)
    ended = workers.run(all_words, codes=codes(victim, step, signal.SIGTERM))
    assert [worker.code for worker in ended] == [75, 75], ended
    names = ["a signal to another worker"] * 2
    names[victim] = "SIGTERM"
    assert [worker.lines[-1] for worker in ended] == [
        f"Stopped by {name} after step {step}; the same command resumes "
        "from there."
        for name in names
    ]
    assert worker_runs.fault_runs.whole_steps(workdir)[0] == step
    assert worker_runs.fault_runs.leftovers(workdir) == []
    assert not (workdir / "export").exists()
    if step == 22:
        chief, other = workers.run(all_words)
        assert [chief.code, other.code] == [0, 0], [chief, other]
        comparison.check_same(whole[0], workdir)
    elif victim == 0:
        # After a signal to both, see `test_launched_workers`.
        check_resumes(workers, all_words, workdir, whole, step)
