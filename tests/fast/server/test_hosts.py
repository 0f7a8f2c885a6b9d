"""Host names that are the server's, and others."""

import pytest

from trainers.server import hosts

NAMES = {*hosts.LOOPBACK, "models.example.com", "0.0.0.0"}


def is_allowed(host, server="127.0.0.1", names=NAMES):
    headers = [] if host is None else [(b"host", host.encode("latin-1"))]
    scope = {"headers": headers, "server": (server, 8501)}
    return hosts.is_allowed(scope, names)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8501",
        "localhost.",
        "127.0.0.1:80",
        "[::1]",
        "[::1]:8501",
        "models.example.com:443",
        "0.0.0.0:8501",
        # HTTP/1.0, which no browser sends.
        None,
    ],
)
def test_names_of_the_server(host):
    assert is_allowed(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8501",
        "evil.example:80:localhost",
        "localhost@evil.example",
        "localhost/",
        "[::1",
        "[localhost]",
        "::1",
        "10.0.0.5",
        "*",
        "?",
        "é",
    ],
)
def test_other_names(host):
    assert not is_allowed(host)
    assert is_allowed(host, names={"*"})


def test_the_address_at_which_a_connection_arrives():
    assert is_allowed("10.0.0.5:8501", server="10.0.0.5")
    assert is_allowed("10.0.0.5", server="::ffff:10.0.0.5")
    assert is_allowed("[fd00::7]:80", server="fd00:0::7")
    assert not is_allowed("10.0.0.6", server="10.0.0.5")
    assert not is_allowed("evil.example", server="10.0.0.5")
