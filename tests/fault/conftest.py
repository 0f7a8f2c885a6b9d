"""One run that was never stopped, with which those after a fault compare."""

import fault_runs
import pytest


@pytest.fixture(scope="session")
def data_file(made_once):
    """A file of 80 / 20 / 20 images. Read-only."""
    return made_once("faults.npz", fault_runs.write_data)


@pytest.fixture
def run_words(data_file, tmp_path):
    """The flags of a run in `tmp_path / "run"`."""
    return fault_runs.words(data_file, tmp_path / "run")


@pytest.fixture(scope="session")
def reference_workdir(data_file, made_once):
    """The work directory of an uninterrupted run. Read-only."""
    return made_once(
        "reference",
        lambda path: fault_runs.train(fault_runs.words(data_file, path)),
    )


@pytest.fixture(scope="session")
def reference(reference_workdir):
    """The outcome of an uninterrupted run."""
    return fault_runs.outcome(reference_workdir)


@pytest.fixture(scope="session")
def halfway(data_file, made_once):
    """A work directory stopped after step 27, checkpoints at 27, 24, 20.

    Read-only.
    """

    def make(workdir):
        fault_runs.stopped(
            fault_runs.words(
                data_file,
                workdir,
                "--config.trainer.save_every_steps=8",
                "--config.trainer.keep_checkpoints=3",
            ),
            27,
        )

    workdir = made_once("halfway", make)
    assert fault_runs.steps(workdir) == [27, 24, 20]
    return workdir
