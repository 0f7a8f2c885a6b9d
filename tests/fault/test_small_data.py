"""11: one example, batches larger than the data, uneven shares, no split."""

import fault_runs
import pytest

from trainers.errors import DataError

_MIRRORED = (
    "--config.trainer.strategy=mirrored",
    "--config.trainer.num_logical_cpus=2",
)
# Sizes of train, validation and test; flags; steps of an epoch.
CASES = {
    "two_examples": ((2, 2, 2), (), 1),
    "one_in_a_batch": ((2, 2, 2), ("--config.data.global_batch_size=1",), 2),
    "two_on_two_in_parts": (
        (2, 2, 2),
        (*_MIRRORED, "--config.optimizer.accumulation_steps=4"),
        1,
    ),
    "a_batch_larger_than_the_data": (
        (10, 20, 20),
        ("--config.data.global_batch_size=512",),
        1,
    ),
    "one_in_the_last_batch_and_to_validate_on": ((17, 1, 1), (), 3),
    "no_multiple_of_the_replicas": ((13, 7, 5), _MIRRORED, 2),
    "three_on_two_in_parts": (
        (11, 3, 3),
        (*_MIRRORED, "--config.optimizer.accumulation_steps=2"),
        2,
    ),
    "no_validation_and_no_test": (
        (20, 20, 20),
        ("--config.data.validation=none", "--config.data.test=none"),
        3,
    ),
}


def test_one_example_has_nothing_to_be_told_from(tmp_path):
    file = tmp_path / "data.npz"
    fault_runs.write_data(file, sizes=(1, 1, 1))
    with pytest.raises(DataError) as error:
        fault_runs.train(fault_runs.words(file, tmp_path / "run"))
    assert str(error.value) == (
        "split train: must contain at least two classes. Received: only '0', 1 "
        "examples."
    )


@pytest.mark.parametrize(
    "name",
    [
        # Several devices are traced for a long time.
        pytest.param(name, marks=pytest.mark.torture)
        if name.endswith("in_parts")
        else name
        for name in CASES
    ],
)
def test_small_data_is_trained_on_and_gone_on_with(name, tmp_path):
    sizes, more, per_epoch = CASES[name]
    file = tmp_path / "data.npz"
    fault_runs.write_data(file, sizes=sizes)
    whole = fault_runs.words(file, tmp_path / "whole", *more)
    fault_runs.train(whole)
    workdir = tmp_path / "run"
    all_words = fault_runs.words(file, workdir, *more)
    # In the first epoch, and at the end of the run. All other steps:
    # tests/model/training/test_resumable.py.
    last = 4 * per_epoch
    fault_runs.stopped(all_words, 1, last)
    fault_runs.train(all_words)
    expected = fault_runs.outcome(tmp_path / "whole")
    assert expected["step"] == last
    assert fault_runs.outcome(workdir) == expected


@pytest.mark.parametrize(
    "split",
    [
        "validation",
        *(
            pytest.param(s, marks=pytest.mark.torture)
            for s in ("train", "test")
        ),
    ],
)
def test_an_empty_split_is_refused_and_leaves_nothing_to_go_on_with(
    split, run_words, tmp_path, run_command
):
    run = run_command(
        "trainers.train", *run_words, f"--config.data.{split}={split}[:0]"
    )
    assert (run.returncode, run.stdout) == (2, "")
    none = "" if split == "train" else ", none"
    assert run.stderr.splitlines() == [
        f"warning: splits of the data that are not used: {split}. Name them "
        "with --config.data.train, .validation or .test.",
        f"error: `--config.data.{split}` must select at least one example. "
        f"Received: '{split}[:0]'. Choices: test (20 examples), train (80 "
        f"examples), validation (20 examples){none}.",
    ]
    assert not (tmp_path / "run" / "checkpoints").exists()
