"""Workers, their data, and one undisturbed run of two workers."""

import pytest
import worker_runs


@pytest.fixture(scope="session")
def all_workers(tmp_path_factory, user_env):
    """Starts workers."""
    return worker_runs.Workers(tmp_path_factory.mktemp("workers"), user_env)


@pytest.fixture
def workers(all_workers):
    """Starts workers, and ends the workers that a test leaves."""
    yield all_workers
    all_workers.end_all()


@pytest.fixture(scope="session")
def data_file(tmp_path_factory):
    """A file of 83 / 21 / 20 images. Read-only."""
    file = tmp_path_factory.mktemp("workers_data") / "data.npz"
    worker_runs.write_data(file)
    return file


@pytest.fixture(scope="session")
def whole(all_workers, data_file, tmp_path_factory):
    """An undisturbed run: its directory and its two workers."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    try:
        ended = all_workers.run(worker_runs.words(data_file, workdir))
    finally:
        all_workers.end_all()
    assert [worker.code for worker in ended] == [0, 0], ended
    return workdir, ended
