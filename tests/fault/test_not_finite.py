"""9: NaN and infinity, wherever they come from."""

import fault_runs
import numpy as np
import pytest
import tensorflow as tf

from trainers.errors import RunError
from trainers.run.workdir import Workdir
from trainers.training import fitting

_ADVICE = (
    "Nothing was exported. Lower --config.optimizer.learning_rate, in a new "
    "--workdir."
)


def check_kept(workdir, steps):
    """Checkpoints of these steps are there, whole, and all are finite."""
    assert fault_runs.whole_steps(workdir) == steps
    paths = Workdir(workdir)
    for file in (
        *(p / "arrays.npz" for p in paths.checkpoints.paths().values()),
        # What `trainers.export` would take.
        *(p / "weights.npz" for p in paths.best.steps.paths().values()),
    ):
        with np.load(file) as archive:
            for name in archive.files:
                array = archive[name]
                if array.dtype.kind == "f":
                    assert np.isfinite(array).all(), (file.parent, name)
    assert not (workdir / "export").exists()
    assert not (workdir / "metrics.json").exists()
    assert fault_runs.leftovers(workdir) == []


def fails_twice(all_words, workdir, message, steps):
    for _ in range(2):
        with pytest.raises(RunError) as error:
            fault_runs.train(all_words)
        assert str(error.value) == message
        check_kept(workdir, steps)


def poison(monkeypatch, step, part):
    """Makes features or weights of a step NaN, counted from 1."""
    original = fitting.make_dataset

    def make_dataset(*args):
        dataset = original(*args)
        start = args[4] if len(args) > 4 else 0

        def change(index, batch):
            features, labels, weights = batch
            factor = tf.where(index == step - 1, np.nan, 1.0)
            if part == "weights":
                return features, labels, weights * factor
            features = {n: x * factor for n, x in features.items()}
            return features, labels, weights

        return dataset.enumerate(start).map(change)

    monkeypatch.setattr(fitting, "make_dataset", make_dataset)


@pytest.mark.parametrize(
    "step, policy",
    [
        *((n, "float32") for n in (1, 11, 40)),
        (20, "mixed_float16"),
    ],
)
def test_a_nan_at_a_step_keeps_the_last_good_checkpoint(
    step, policy, tmp_path, run_words, monkeypatch
):
    """First, middle and last steps of epochs, and the last of the run."""
    poison(monkeypatch, step, "weights")
    batch, last = (step - 1) % 10 + 1, (step - 1) // 10 * 10
    fails_twice(
        [*run_words, f"--config.trainer.dtype_policy={policy}"],
        tmp_path / "run",
        f"`loss` became nan by step {batch} of the epoch. {_ADVICE}",
        [last, last - 10] if last else [0],
    )


def test_with_checkpoints_at_every_step_the_one_before_is_kept(
    tmp_path, run_words, monkeypatch
):
    poison(monkeypatch, 15, "weights")
    fails_twice(
        [*run_words, "--config.trainer.save_every_steps=1"],
        tmp_path / "run",
        f"`loss` became nan by step 5 of the epoch. {_ADVICE}",
        [14, 13],
    )


@pytest.mark.parametrize(
    "step, every, found, kept",
    [
        # In the first epoch, whose weights are the best so far.
        (5, 0, 10, [0]),
        (40, 0, 40, [30, 20]),
        (15, 1, 15, [14, 13]),
    ],
)
def test_a_nan_that_relu_hides_from_the_loss_is_found(
    step, every, found, kept, tmp_path, run_words, monkeypatch
):
    """The larger of NaN and 0 is 0 there: only the gradient is NaN."""
    poison(monkeypatch, step, "features")
    fails_twice(
        [*run_words, f"--config.trainer.save_every_steps={every}"],
        tmp_path / "run",
        "`hidden_0/kernel` has a value that is NaN or infinite at "
        f"step {found}; the checkpoint before was kept. Nothing was exported. "
        "Lower --config.optimizer.learning_rate, in a new --workdir.",
        kept,
    )


_HUGE = (
    "--config.model.activation=gelu",
    "--config.optimizer.name=sgd",
    "--config.optimizer.learning_rate=1e12",
)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_huge_learning_rate_ends_the_run(policy, tmp_path, run_words):
    all_words = [
        *run_words,
        *_HUGE,
        "--config.trainer.save_every_steps=1",
        "--config.trainer.keep_checkpoints=100",
        f"--config.trainer.dtype_policy={policy}",
    ]
    messages, steps = [], []
    for _ in range(2):
        with pytest.raises(RunError) as error:
            fault_runs.train(all_words)
        messages.append(str(error.value))
        steps.append(fault_runs.steps(tmp_path / "run"))
        check_kept(tmp_path / "run", steps[-1])
    assert messages[0] == messages[1]
    assert steps[0] == steps[1]
    assert steps[0][-1] == 0
    assert "learning_rate" in messages[0]
    # What the message says helps.
    all_words += [
        "--config.optimizer.learning_rate=0.01",
        f"--workdir={tmp_path / 'new'}",
    ]
    fault_runs.train(all_words)
    assert fault_runs.steps(tmp_path / "new")[0] == 40


def test_the_command_ends_with_one_and_says_it_again(
    tmp_path, run_words, run_command
):
    lines = []
    for _ in range(2):
        run = run_command("trainers.train", *run_words, *_HUGE)
        assert (run.returncode, run.stdout) == (1, "")
        assert "Traceback" not in run.stderr
        lines.append(run.stderr.splitlines()[-1])
    assert lines[0] == lines[1]
    assert lines[0].startswith("error: `")
    assert "Nothing was exported." in lines[0]
    check_kept(tmp_path / "run", fault_runs.steps(tmp_path / "run"))


def test_a_nan_in_a_weight_is_not_saved(tmp_path, run_words):
    """The loss of the step does not know of it yet, and the checkpoint is due.

    A slot of the optimizer: only the second step from there has a NaN loss.
    """

    def damage(callback):
        slot = next(
            v
            for v in callback.model.optimizer.variables
            if "kernel_momentum" in v.path
        )
        slot.assign(np.full(slot.shape, np.nan))

    all_words = [*run_words, "--config.trainer.save_every_steps=1"]
    with (
        fault_runs.at_step(15, damage),
        pytest.raises(RunError) as error,
    ):
        fault_runs.train(all_words)
    name, _, rest = str(error.value).partition(" has ")
    assert name == "`hidden_0_kernel_momentum`"
    assert "kernel_momentum" in name
    assert rest == (
        "a value that is NaN or infinite at step 15; the checkpoint before "
        "was kept. Nothing was exported. Lower "
        "--config.optimizer.learning_rate, in a new --workdir."
    )
    check_kept(tmp_path / "run", [14, 13])


def test_a_nan_in_a_weight_at_the_last_step_does_not_become_a_result(
    tmp_path, run_words
):
    """There is no step after it whose loss would show it."""

    def damage(callback):
        slot = callback.model.optimizer.variables[-1]
        slot.assign(np.full(slot.shape, np.inf))

    with fault_runs.at_step(40, damage), pytest.raises(RunError) as error:
        fault_runs.train(run_words)
    assert " has a value that is NaN or infinite at step 40; " in str(
        error.value
    )
    check_kept(tmp_path / "run", [30, 20])
    # A run can resume from the best of the four epochs.
    rows = list(Workdir(tmp_path / "run").best.steps.verified())
    assert [row.problem for row in rows] == [None]
