"""A finished run is extended by more epochs, in a directory of its own."""

import csv
import json
import shutil
import signal

import fault_runs
import pytest

from trainers.errors import ConfigError
from trainers.run.workdir import Workdir
from trainers.training import optimizers

MORE = 6
FIRST_STEP = fault_runs.EPOCHS * fault_runs.STEPS_PER_EPOCH
LAST_STEP = MORE * fault_runs.STEPS_PER_EPOCH
WARM = (
    "--config.optimizer.schedule=cosine",
    "--config.optimizer.warmup_steps=4",
    "--config.optimizer.learning_rate=0.01",
    "--config.trainer.trackers=csv",
)


@pytest.fixture(scope="module")
def finished(reference_workdir):
    """A run of 4 epochs. Read-only."""
    return reference_workdir


def words(data_file, source, workdir, *more):
    return fault_runs.words(
        data_file,
        workdir,
        f"--config.trainer.extend_from={source}",
        f"--config.trainer.epochs={MORE}",
        *more,
    )


def test_with_a_constant_rate_it_is_the_longer_run(
    finished, data_file, tmp_path
):
    before = fault_runs.tree(finished)
    fault_runs.train(words(data_file, finished, tmp_path / "extended"))
    longer = fault_runs.words(
        data_file, tmp_path / "longer", f"--config.trainer.epochs={MORE}"
    )
    fault_runs.train(longer)
    outcomes = [
        fault_runs.outcome(tmp_path / name) for name in ("extended", "longer")
    ]
    assert outcomes[0] == outcomes[1]
    assert outcomes[0]["step"] == LAST_STEP
    assert fault_runs.tree(finished) == before


@pytest.fixture(scope="module")
def warm(finished, data_file, tmp_path_factory):
    """An extension with another schedule. Read-only."""
    workdir = tmp_path_factory.mktemp("warm") / "run"
    fault_runs.train(words(data_file, finished, workdir, *WARM))
    return workdir


# Another thread writes the checkpoints.
KILL = """
def kill():
    while not os.path.isdir("{checkpoint}"):
        time.sleep(0.01)
    send(signal.SIGKILL)
at_step({step}, kill)
"""


def test_it_resumes_exactly_and_without_the_finished_run(
    finished, warm, data_file, tmp_path, user_env
):
    """Once after SIGKILL, which saves nothing, and once after SIGTERM."""
    source = shutil.copytree(finished, tmp_path / "source")
    workdir = tmp_path / "run"
    all_words = words(data_file, source, workdir, *WARM)
    saved = FIRST_STEP + fault_runs.STEPS_PER_EPOCH
    code = fault_runs.AT_STEP + KILL.format(
        step=saved + 3, checkpoint=workdir / "checkpoints" / f"step-{saved:08}"
    )
    killed = fault_runs.run(user_env, code, all_words)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert killed.stderr.splitlines()[0] == (
        f"extending {source} by 2 epochs. The learning rate restarts: 0.01, "
        "cosine after 4 steps of warm-up."
    )
    assert fault_runs.whole_steps(workdir)[0] == saved
    shutil.rmtree(source)
    fault_runs.stopped(all_words, FIRST_STEP + 15)
    fault_runs.train(all_words)
    assert fault_runs.outcome(workdir) == fault_runs.outcome(warm)


def test_the_learning_rate_restarts(warm):
    """The step of the optimizer counts on, and trackers see only new epochs."""
    history = json.loads((warm / "history.json").read_text())
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1]["step"] == LAST_STEP
    schedule = optimizers.LearningRate(
        0.01,
        schedule="cosine",
        warmup_steps=4,
        total_steps=LAST_STEP - FIRST_STEP,
        end_fraction=Workdir(warm).read_config().optimizer.end_fraction,
    )
    with (warm / "tracking" / "numbers.csv").open() as file:
        rows = list(csv.DictReader(file))
    expected = {
        FIRST_STEP + step: float(schedule(step))
        for step in (fault_runs.STEPS_PER_EPOCH, LAST_STEP - FIRST_STEP)
    }
    rates = {int(r["step"]): r["train/learning_rate"] for r in rows}
    assert {step: float(rates[step]) for step in expected} == expected
    assert min(rates) > FIRST_STEP
    metrics = json.loads((warm / "metrics.json").read_text())
    assert metrics["train"]["epochs"] == MORE
    assert metrics["train"]["steps"] == LAST_STEP


class _OutOfMemoryError(Exception):
    """Ends a start."""


def fail(callback):
    raise _OutOfMemoryError


def test_an_extension_that_failed_in_its_first_step_blocks_nothing(
    finished, warm, data_file, tmp_path
):
    workdir = tmp_path / "run"
    first = words(data_file, finished, workdir, "--config.seed=42")
    with fault_runs.at_step(FIRST_STEP + 1, fail):
        with pytest.raises(_OutOfMemoryError):
            fault_runs.train(first)
    assert fault_runs.steps(workdir) == [FIRST_STEP]
    fault_runs.train(words(data_file, finished, workdir, *WARM))
    assert fault_runs.outcome(workdir) == fault_runs.outcome(warm)
    # And an ordinary run can start in its place.
    other = tmp_path / "other"
    with fault_runs.at_step(FIRST_STEP + 1, fail):
        with pytest.raises(_OutOfMemoryError):
            fault_runs.train(words(data_file, finished, other))
    fault_runs.stopped(fault_runs.words(data_file, other), 3)
    assert fault_runs.steps(other) == [3, 0]


def test_best_weights_before_the_first_checkpoint_count(
    finished, warm, data_file, tmp_path
):
    """As a kill between the two leaves them."""
    workdir = tmp_path / "run"
    keep = "--config.trainer.keep_checkpoints=9"
    all_words = words(data_file, finished, workdir, *WARM, keep)
    step = FIRST_STEP + fault_runs.STEPS_PER_EPOCH
    fault_runs.stopped(all_words, step + 1)
    paths = Workdir(workdir)
    assert step in paths.best.steps.paths()
    for later in paths.checkpoints.paths():
        if later > FIRST_STEP:
            shutil.rmtree(paths.checkpoints.paths()[later])
    assert fault_runs.steps(workdir) == [FIRST_STEP]
    lines = refusal([*all_words, "--config.seed=7"]).splitlines()
    assert lines[1:] == ["`--config.seed` was 42. Received: 7."]
    fault_runs.train(all_words)
    assert fault_runs.outcome(workdir) == fault_runs.outcome(warm)


def test_patience_counts_from_the_first_added_epoch(
    finished, data_file, tmp_path
):
    """A rate that changes nothing gives no better epoch."""
    metrics = fault_runs.train(
        words(
            data_file,
            finished,
            tmp_path / "run",
            "--config.optimizer.learning_rate=1e-30",
            "--config.trainer.early_stopping_patience=2",
            "--config.trainer.epochs=9",
        )
    )
    source = json.loads((finished / "metrics.json").read_text())
    # The best weights of the finished run stay the best.
    assert metrics["train"]["best_epoch"] == source["train"]["best_epoch"]
    assert metrics["test"] == source["test"]
    assert metrics["train"]["epochs"] == fault_runs.EPOCHS + 2


def refusal(all_words):
    with pytest.raises(ConfigError) as error:
        fault_runs.train(all_words)
    return str(error.value)


def test_another_run_is_refused(finished, data_file, tmp_path):
    other = tmp_path / "other.npz"
    fault_runs.write_data(other, seed=1)
    head = (
        f"`--config.trainer.extend_from` {str(finished)!r} contains a run that "
        "differs, and only epochs, early stopping, learning rate and its "
        "schedule may differ. Undo the differences, or start a new run "
        "without it:\n"
    )
    workdir = tmp_path / "run"
    assert refusal(
        words(data_file, finished, workdir, "--config.model.hidden_dims=9")
    ) == head + ("`--config.model.hidden_dims` was (8,). Received: (9,).")
    assert refusal(words(other, finished, workdir)) == head + "\n".join(
        [
            f"`--config.data.path` was {str(data_file)!r}. "
            f"Received: {str(other)!r}.",
            *(
                f"the split {name} had {n} examples. Received: {n} examples, "
                "other ones."
                for name, n in (("train", 80), ("validation", 20), ("test", 20))
            ),
        ]
    )
    assert not (workdir / "config.json").exists()
    fault_runs.train(words(data_file, finished, workdir))


def test_what_is_no_finished_run_is_refused(
    finished, halfway, data_file, tmp_path
):
    start = (
        "`--config.trainer.extend_from` must be the work directory of a "
        "finished run. Received: "
    )
    workdir = tmp_path / "run"
    assert refusal(words(data_file, tmp_path / "no", workdir)) == (
        f"{start}'{tmp_path}/no': it contains no run."
    )
    assert refusal(words(data_file, halfway, workdir)) == (
        f"{start}{str(halfway)!r}: it contains a run that is not finished. "
        "First finish it with its own command."
    )
    assert refusal(
        words(data_file, finished, workdir, "--config.trainer.epochs=4")
    ) == (
        "`--config.trainer.epochs` must be above 4: it counts the epochs that "
        "the run of --config.trainer.extend_from has finished. Received: 4."
    )
    assert refusal(words(data_file, workdir, workdir)) == (
        "`--config.trainer.extend_from` must be another directory than "
        "--workdir, as the finished run stays as it is. Received: "
        f"{str(workdir)!r}."
    )


def test_a_run_that_has_begun_cannot_become_an_extension(
    finished, data_file, tmp_path
):
    workdir = tmp_path / "run"
    longer = f"--config.trainer.epochs={MORE}"
    fault_runs.stopped(fault_runs.words(data_file, workdir, longer), 3)
    lines = refusal(words(data_file, finished, workdir)).splitlines()
    assert lines[1:] == [
        f"`--config.trainer.extend_from` was ''. Received: {str(finished)!r}."
    ]
