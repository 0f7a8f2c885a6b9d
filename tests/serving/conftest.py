"""What tests of serving share: a run on texts, and servers of real exports."""

import subprocess
import sys

import pytest


@pytest.fixture(scope="session")
def smoke_text_workdir(tmp_path_factory, run_command):
    """The work directory of one `smoke` run on texts. Read-only."""
    workdir = tmp_path_factory.mktemp("smoke_text") / "run"
    run = run_command(
        "trainers.train",
        "--config=configs/bert_classifier.py:smoke",
        f"--workdir={workdir}",
    )
    assert run.returncode == 0, run.stderr
    return workdir


@pytest.fixture(scope="session")
def text_export(smoke_text_workdir):
    """The directory of versions of a model of texts."""
    return smoke_text_workdir / "export" / "bert_classifier"


@pytest.fixture(scope="session")
def image_export(smoke_workdir):
    """The directory of versions of a model of images."""
    return smoke_workdir / "export" / "mnist_mlp"


@pytest.fixture(scope="session")
def start_server(user_env):
    """Starts servers, and stops them after the last test."""
    processes = []

    def start(base_path, **variables):
        """Returns the URL of the model."""
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "trainers.serve",
                f"--model_base_path={base_path}",
                "--port=0",
            ],
            env=user_env | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        url = process.stdout.readline().strip()
        assert url.endswith(f"/v1/models/{base_path.name}")
        return url

    yield start
    for process in processes:
        process.terminate()
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0] * len(processes)


@pytest.fixture(scope="session")
def served_text(start_server, text_export):
    """URL of the model of texts."""
    return start_server(text_export)


@pytest.fixture(scope="session")
def served_image(start_server, image_export):
    """URL of the model of images."""
    return start_server(image_export)
