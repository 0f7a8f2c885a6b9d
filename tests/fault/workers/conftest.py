"""Workers, their data, and one run of two that nobody disturbs."""

import pytest
import worker_runs


@pytest.fixture(scope="session")
def server(tmp_path_factory, user_env):
    """The server of worker processes."""
    server = worker_runs.Workers(tmp_path_factory.mktemp("workers"), user_env)
    yield server
    server.close()


@pytest.fixture
def workers(server):
    """Starts workers, and ends those that a test leaves."""
    yield server
    server.end_all()


@pytest.fixture(scope="session")
def data_file(tmp_path_factory):
    """A file of 83 / 21 / 20 images. Read-only."""
    file = tmp_path_factory.mktemp("workers_data") / "data.npz"
    worker_runs.write_data(file)
    return file


@pytest.fixture(scope="session")
def whole(server, data_file, tmp_path_factory):
    """A run that nobody disturbed: its directory and its two workers."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    try:
        ended = server.run(worker_runs.words(data_file, workdir))
    finally:
        server.end_all()
    assert [worker.code for worker in ended] == [0, 0], ended
    return workdir, ended
