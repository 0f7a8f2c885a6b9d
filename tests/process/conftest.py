"""Servers of real exports, for the tests of clients and servers."""

import commands
import pytest


@pytest.fixture(scope="session")
def start_server(user_env):
    """Starts servers, and stops them after the last test."""
    processes = []

    def start(base_path, **variables):
        """Returns the URL of the model."""
        process = commands.start(
            "trainers.serve",
            f"--model_base_path={base_path}",
            "--port=0",
            env=user_env | variables,
            stderr=2,
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


@pytest.fixture(scope="session")
def served_tagger(start_server, tagger_export):
    """URL of the model that finds entities."""
    return start_server(tagger_export)


@pytest.fixture(scope="session")
def label_export(smoke_label_workdir):
    """The directory of versions of a model of many labels for a text."""
    return smoke_label_workdir / "export" / "bert_multi_label"


@pytest.fixture(scope="session")
def served_labels(start_server, label_export):
    """URL of the model of many labels for a text."""
    return start_server(label_export)
