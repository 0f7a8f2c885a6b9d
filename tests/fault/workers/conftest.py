"""Workers, their data, and one undisturbed run of two workers."""

import pickle

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
def data_file(made_once):
    """A file of 83 / 21 / 20 images. Read-only."""
    return made_once("workers.npz", worker_runs.write_data)


@pytest.fixture(scope="session")
def whole(all_workers, data_file, made_once):
    """An undisturbed run: its directory and its two workers. Read-only."""

    def make(directory):
        directory.mkdir()
        words = worker_runs.words(data_file, directory / "run")
        try:
            ended = all_workers.run(words)
        finally:
            all_workers.end_all()
        assert [worker.code for worker in ended] == [0, 0], ended
        (directory / "ended").write_bytes(pickle.dumps(ended))

    directory = made_once("whole_workers", make)
    return directory / "run", pickle.loads((directory / "ended").read_bytes())
