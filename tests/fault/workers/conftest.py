"""Workers, their data, and undisturbed runs of two workers."""

import json
import pickle

import pytest
import worker_runs
import worker_texts


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


@pytest.fixture(scope="session")
def whole_texts(all_workers, run_command, made_once):
    """The directory of an undisturbed run on texts. Read-only."""

    def check_data(words):
        checked = run_command("trainers.check_data", *words)
        assert checked.returncode == 0, checked.stderr
        report = json.loads(checked.stdout)
        assert report["splits"]["validation"]["examples"] == 21

    def make(directory):
        try:
            ended = worker_texts.run(directory, all_workers, check_data)
        finally:
            all_workers.end_all()
        assert [worker.code for worker in ended] == [0, 0], ended

    return made_once("whole_texts", make)
