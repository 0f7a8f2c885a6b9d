"""One run that was never stopped, with which those after a fault compare."""

import fault_runs
import pytest


@pytest.fixture(scope="session")
def data_file(tmp_path_factory):
    """A file of 80 / 20 / 20 images. Read-only."""
    file = tmp_path_factory.mktemp("faults") / "data.npz"
    fault_runs.write_data(file)
    return file


@pytest.fixture
def run_words(data_file, tmp_path):
    """The flags of a run in `tmp_path / "run"`."""
    return fault_runs.words(data_file, tmp_path / "run")


@pytest.fixture(scope="session")
def reference(data_file, tmp_path_factory):
    """What such a run gives in one go."""
    workdir = tmp_path_factory.mktemp("reference") / "run"
    fault_runs.train(fault_runs.words(data_file, workdir))
    return fault_runs.outcome(workdir)


@pytest.fixture(scope="session")
def halfway(data_file, tmp_path_factory):
    """A work directory stopped after step 27, checkpoints at 27, 24, 20.

    Read-only.
    """
    workdir = tmp_path_factory.mktemp("halfway") / "run"
    fault_runs.stopped(
        fault_runs.words(
            data_file,
            workdir,
            "--config.trainer.save_every_steps=8",
            "--config.trainer.keep_checkpoints=3",
        ),
        27,
    )
    assert fault_runs.steps(workdir) == [27, 24, 20]
    return workdir
