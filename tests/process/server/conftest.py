"""What the tests of the server share: one tiny export, and its server."""

import pytest
import served_models


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory):
    """A directory with one version of a tiny model. Read-only."""
    base = tmp_path_factory.mktemp("tiny")
    served_models.publish(base)
    return base


@pytest.fixture(scope="session")
def server(tiny_base):
    """A server of it, without batching. Its metrics belong to all tests."""
    with served_models.serving(tiny_base) as server:
        yield server
