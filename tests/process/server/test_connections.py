"""Connections of strangers: slow, idle, malformed and many."""

import asyncio
import contextlib
import http.client
import json
import re
import signal
import socket
import time
import urllib.parse

import commands
import pytest
import uvicorn
from served_processes import WAIT_SECONDS
from served_processes import Connection
from served_processes import ended
from served_processes import serving

from trainers.server import connections

MOST = 40
FLAGS = (
    f"--max_connections={MOST}",
    "--head_seconds=1",
    "--body_seconds=2",
    "--keep_alive_seconds=2",
)


@pytest.fixture(scope="module")
def served(tiny_base, user_env):
    """Address, path and process of one server for all tests."""
    with serving(tiny_base, user_env, *FLAGS) as (process, netloc, path):
        host, port = netloc.split(":")
        yield (host, int(port)), path, process


@pytest.fixture
def connect(served):
    """Returns a socket to the server; all are closed after the test."""
    with contextlib.ExitStack() as opened:

        def connect(data=b""):
            connection = opened.enter_context(
                socket.create_connection(served[0], WAIT_SECONDS)
            )
            connection.sendall(data)
            return connection

        yield connect


def read_all(connection):
    """Returns what the server sends until it closes the connection."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(2**16):
            found += part
    return found


def answers(found):
    """Returns statuses and bodies of some answers."""
    parts = re.split(rb"(?=HTTP/1\.1 \d{3} )", found)
    return [
        (int(part.split()[1]), part.partition(b"\r\n\r\n")[2])
        for part in parts[1:]
    ]


def refusal(status, words):
    return [(status, json.dumps({"error": words}).encode())]


def status_of(served):
    (host, port), path, _ = served
    with Connection(f"{host}:{port}") as connection:
        return connection.ask("GET", path)[0]


def wait_for_status(served, expected):
    """Waits until the server answers a new connection in this way."""
    deadline = time.monotonic() + WAIT_SECONDS
    while status_of(served) != expected:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def head(path, *headers, method="POST"):
    lines = (f"{method} {path} HTTP/1.1", "Host: localhost", *headers)
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


SLOW = "The head of the request did not arrive within 1 seconds."


def test_a_head_that_is_never_complete(served, connect):
    begun = connect(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
    silent = connect()
    # The second request of a connection has the same time.
    later = connect(head("/", method="HEAD") + b"GET /")
    assert answers(read_all(begun)) == refusal(408, SLOW)
    assert read_all(silent) == b""
    assert [s for s, _ in answers(read_all(later))] == [200, 408]
    assert status_of(served) == 200


def test_a_connection_stays_open_between_requests(served, connect):
    connection = connect()
    for _ in range(3):
        connection.sendall(head(served[1], method="GET"))
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert (answer.status, len(answer.read()) > 0) == (200, True)
        time.sleep(1.1)  # More than the time of a head.
    assert read_all(connection) == b""


def test_connections_above_the_limit_are_refused(served, connect):
    held = [connect(b"GET / HT") for _ in range(MOST)]
    found = [answers(read_all(connect())) for _ in range(3)]
    words = "The server has too many connections. Try again."
    assert found == [refusal(503, words)] * 3
    # A request on a connection that was accepted is answered.
    held[0].sendall(b"TP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert [s for s, _ in answers(read_all(held[0]))] == [200]
    for each in held[1:]:
        assert answers(read_all(each)) == refusal(408, SLOW)
    wait_for_status(served, 200)


def test_bodies_that_are_never_complete_stop_nobody(served, connect):
    path = f"{served[1]}:predict"
    slow = [
        connect(head(path, "Content-Length: 99") + b"{")
        for _ in range(MOST - 2)
    ]
    (host, port), _, _ = served
    with Connection(f"{host}:{port}") as connection:
        body = {"instances": [[2.0, 4.0]]}
        answer = {"predictions": [[3.0, 4.0]]}
        assert connection.post(path, body) == (200, answer)
    words = "The body did not arrive within 2 seconds."
    for each in slow:
        ((status, text),) = answers(read_all(each))
        assert (status, json.loads(text)) == (408, {"error": words})


LENGTHS = "A request must have one length: `Content-Length`, or "
LENGTHS += "`Transfer-Encoding` in HTTP/1.1."
NOT_HTTP = "Invalid HTTP request received."
# Requests by name: headers, body, and how they are refused. Behind each is
# another request, which must not be answered.
MALFORMED = {
    "both_lengths": (
        ("Content-Length: 4", "Transfer-Encoding: chunked"),
        b"0\r\n\r\n",
        LENGTHS,
    ),
    "different_lengths": (("Content-Length: 4", "Content-Length: 5"), b"", ""),
    "lengths_in_one_line": (("Content-Length: 4, 5",), b"", ""),
    "negative_length": (("Content-Length: -1",), b"", ""),
    "signed_length": (("Content-Length: +4",), b"", ""),
    "two_encodings": (
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        b"0\r\n\r\n",
        "",
    ),
    "other_encoding": (("Transfer-Encoding: gzip, chunked",), b"", ""),
    "hidden_encoding": (("Transfer-Encoding : chunked",), b"", ""),
    "two_hosts": (("Host: localhost",), b"", ""),
    "no_header": (("none",), b"", ""),
    "bad_chunk": (("Transfer-Encoding: chunked",), b"x\r\n", ""),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_requests_are_refused_and_closed(name, served, connect):
    headers, body, words = MALFORMED[name]
    path = f"{served[1]}:predict"
    following = head(served[1], method="GET")
    connection = connect()
    with contextlib.suppress(ConnectionError):
        connection.sendall(head(path, *headers) + body + following)
    ((status, text),) = answers(read_all(connection))
    assert (status, json.loads(text)) == (400, {"error": words or NOT_HTTP})
    assert status_of(served) == 200


def test_a_client_that_reads_nothing_stops_nobody(served, connect):
    """Its answer is larger than the buffers of both sockets."""
    text = {
        "signature_name": "two_inputs",
        "instances": [{"number": 0, "text": "x" * 7_000_000}],
    }
    body = json.dumps(text).encode()
    path = f"{served[1]}:predict"
    connect(head(path, f"Content-Length: {len(body)}") + body)
    (host, port), _, _ = served
    with Connection(f"{host}:{port}") as connection:
        for _ in range(3):
            status, _ = connection.post(path, {"instances": [[0, 0]]})
            assert status == 200


@contextlib.asynccontextmanager
async def refusing(**limits):
    """Yields the address of a server that refuses all, and its limits."""
    config = uvicorn.Config(None, lifespan="off", ws="none", log_config=None)
    state = uvicorn.server.ServerState()
    limits = connections.ConnectionLimits(0, WAIT_SECONDS, **limits)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = await asyncio.get_running_loop().create_server(
            lambda: connections.Protocol(config, state, {}, limits=limits),
            sock=listener,
        )
        listener.listen(1024)
        async with server:
            yield listener.getsockname(), limits


def read_unreset(connection):
    """Returns what the server sends; a reset is an error."""
    found = b""
    while part := connection.recv(2**16):
        found += part
    return answers(found)


REFUSED = refusal(503, "The server has too many connections. Try again.")


def test_every_refused_client_is_answered_and_none_is_reset(monkeypatch):
    """They have sent a half of a body, and do not read before all have."""
    monkeypatch.setattr(connections, "_REFUSAL_SECONDS", WAIT_SECONDS)
    half = head("/", "Content-Length: 9999") + b"x" * 5000

    def talk(address):
        with contextlib.ExitStack() as opened:
            clients = [
                opened.enter_context(
                    socket.create_connection(address, WAIT_SECONDS)
                )
                for _ in range(200)
            ]
            for client in clients:
                client.sendall(half)
            return [read_unreset(client) for client in clients]

    async def scenario():
        async with refusing() as (address, _):
            return await asyncio.to_thread(talk, address)

    assert asyncio.run(scenario()) == [REFUSED] * 200


def test_a_refused_client_makes_room_for_the_next_one(monkeypatch):
    """All are answered, but few are open at a time."""
    monkeypatch.setattr(connections, "_REFUSAL_SECONDS", WAIT_SECONDS)

    def talk(address, limits):
        with contextlib.ExitStack() as opened:
            clients = [
                opened.enter_context(
                    socket.create_connection(address, WAIT_SECONDS)
                )
                for _ in range(20)
            ]
            found = [read_unreset(client) for client in clients]
            return found, len(limits.refused)

    async def scenario():
        async with refusing(most_refused=3) as (address, limits):
            return await asyncio.to_thread(talk, address, limits)

    assert asyncio.run(scenario()) == ([REFUSED] * 20, 3)


@contextlib.asynccontextmanager
async def connected(app, **limits):
    """Yields a client with small buffers, and the open connections."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        timeout_keep_alive=WAIT_SECONDS,
    )
    state = uvicorn.server.ServerState()
    limits = connections.ConnectionLimits(9, WAIT_SECONDS, **limits)
    with socket.socket() as listener, socket.socket() as client:
        # Of the kernel; accepted connections have the size of the listener.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**12)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**12)
        listener.bind(("127.0.0.1", 0))
        server = await asyncio.get_running_loop().create_server(
            lambda: connections.Protocol(config, state, {}, limits=limits),
            sock=listener,
        )
        async with server:
            await asyncio.to_thread(client.connect, listener.getsockname())
            while not state.connections:
                await asyncio.sleep(0.01)
            try:
                yield client, state.connections
            finally:
                client.close()  # The server waits for its connections.


# Answers that no buffer of the kernel can hold. uvicorn waits for a client
# only after 64 KiB, and another rule than time closes some connections.
@pytest.mark.parametrize("size", [2**26, 60_000])
@pytest.mark.parametrize("closing", [(), ("Connection: close",)])
def test_a_client_that_reads_nothing_is_cut_off(size, closing, caplog):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x" * size})

    async def scenario():
        async with connected(app, stalled_seconds=0.05) as (client, opened):
            client.sendall(head("/", *closing, method="GET"))
            async with asyncio.timeout(10):
                while opened:
                    await asyncio.sleep(0.01)
            return await asyncio.to_thread(read_all, client)

    assert 0 < len(asyncio.run(scenario())) < size
    assert caplog.messages == [
        "a client that does not read its answer is cut off"
    ]


# Requests by name: headers, method and path, and the status of their answer.
UNREAD = {
    "get": ((), "GET", "/none", 404),
    "head": ((), "HEAD", "/", 200),
    "put": ((), "PUT", "/none", 404),
    "delete": ((), "DELETE", "/v1/models/none", 400),
    "options": ((), "OPTIONS", "/v1/models/none", 400),
    "status": ((), "GET", "", 200),
    "preflight": (
        ("Origin: http://a.example", "Access-Control-Request-Method: POST"),
        "OPTIONS",
        "",
        200,
    ),
}


@pytest.mark.parametrize("name", UNREAD)
def test_a_body_that_nobody_reads_holds_no_connection(name, with_cors):
    headers, method, path, status = UNREAD[name]
    address, own_path = with_cors
    request = head(
        path or own_path, "Content-Length: 100", *headers, method=method
    )
    with socket.create_connection(address, WAIT_SECONDS) as connection:
        connection.sendall(request)
        assert int(connection.recv(12).split()[1]) == status
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"x")
        begin = time.monotonic()
        read_all(connection)
        # Much less than the 60 s of a connection without requests.
        assert time.monotonic() - begin < 30


def test_a_request_behind_another_can_send_its_body_later():
    """Its head arrives before the answer to the first, and its body after."""

    async def app(scope, receive, send):
        body, has_more = b"", True
        while has_more:
            message = await receive()
            body += message.get("body", b"")
            has_more = message.get("more_body", False)
        headers = [(b"Content-Length", b"%d" % len(body))]
        await send(
            {"type": "http.response.start", "status": 200, "headers": headers}
        )
        await send({"type": "http.response.body", "body": body})

    async def scenario():
        async with connected(app) as (client, _):
            client.sendall(
                head("/", method="GET")
                + head("/", "Content-Length: 4", "Connection: close")
                + b"ab"
            )
            first = await asyncio.to_thread(client.recv, 2**12)
            client.sendall(b"cd")
            return first + await asyncio.to_thread(read_all, client)

    found = asyncio.run(scenario())
    assert answers(found) == [(200, b""), (200, b"abcd")]


def test_a_connection_stays_open_after_a_body_of_no_use(with_cors):
    """A request without a body does not announce one."""
    address, path = with_cors
    with Connection(f"{address[0]}:{address[1]}") as connection:
        for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST"):
            connection.ask(method, "/none")
            sock = connection._http.sock
            assert connection.ask("GET", path)[0] == 200
            assert connection._http.sock is sock is not None


@pytest.fixture(scope="module")
def with_cors(tiny_base, user_env):
    """Address and path of a server for the pages of another origin."""
    flag = "--cors_origins=http://a.example"
    with serving(tiny_base, user_env, flag) as (_, netloc, path):
        host, port = netloc.split(":")
        yield (host, int(port)), path


def test_few_files_are_fewer_connections(tiny_base, user_env):
    """The process can be out of files for a moment, which is one line."""
    limit_files = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160))\n"
    )
    process = commands.start(
        *("trainers.serve", "--port=0", f"--model_base_path={tiny_base}"),
        env=user_env,
        code=limit_files,
    )
    with process, contextlib.ExitStack() as opened:
        url = urllib.parse.urlsplit(process.stdout.readline())
        for _ in range(200):
            opened.enter_context(
                socket.create_connection((url.hostname, url.port), WAIT_SECONDS)
            )
        connection = opened.enter_context(
            socket.create_connection((url.hostname, url.port), WAIT_SECONDS)
        )
        read_all(connection)  # Until it is refused.
        process.terminate()
        _, stderr = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0
    lines = stderr.splitlines()
    out_of_files = (
        "warning: no connection can be accepted: Too many open files."
    )
    assert lines.count(out_of_files) <= 1
    assert [line for line in lines if line != out_of_files] == [
        "version 1 is available",
        "warning: `--max_connections` is 80 in place of 1000: the process may "
        "open only 160 files. Set --max_connections=80, or let it open 1512: "
        "root can, with `ulimit -n 1512` before the command.",
        "warning: a connection is refused: 80 are open (--max_connections)",
        "stopping after the running requests",
    ]


def test_a_stop_does_not_wait_for_idle_connections(tiny_base, user_env):
    with serving(tiny_base, user_env, "--stop_seconds=30") as (
        process,
        netloc,
        path,
    ):
        host, port = netloc.split(":")
        with contextlib.ExitStack() as opened:
            for data in (b"", b"GET / HT", head(path, method="GET")) * 5:
                connection = opened.enter_context(
                    socket.create_connection((host, int(port)), WAIT_SECONDS)
                )
                connection.sendall(data)
            # All three kinds are open, as the last has been answered.
            assert connection.recv(12) == b"HTTP/1.1 200"
            begin = time.monotonic()
            process.send_signal(signal.SIGTERM)
            code, _ = ended(process)
            seconds = time.monotonic() - begin
    assert code == 0
    # Much less than the 30 s that it waits for requests.
    assert seconds < 25


def test_what_strangers_do_is_one_line_a_minute(tiny_base, user_env):
    with serving(tiny_base, user_env, "--max_connections=1") as (
        process,
        netloc,
        path,
    ):
        host, port = netloc.split(":")
        address = host, int(port)
        for _ in range(50):
            with socket.create_connection(address, WAIT_SECONDS) as connection:
                connection.sendall(b"no HTTP\r\n\r\n")
                assert answers(read_all(connection)) == refusal(400, NOT_HTTP)
        with socket.create_connection(address, WAIT_SECONDS):
            for _ in range(50):
                with socket.create_connection(address, WAIT_SECONDS) as other:
                    assert answers(read_all(other))[0][0] == 503
            for _ in range(50):  # They are gone before they are refused.
                socket.create_connection(address, WAIT_SECONDS).close()
        process.send_signal(signal.SIGTERM)
        code, stderr = ended(process)
    assert code == 0
    assert sorted(stderr.splitlines()) == sorted(
        [
            "version 1 is available",
            "warning: Invalid HTTP request received.",
            "warning: a connection is refused: 1 are open (--max_connections)",
            "stopping after the running requests",
        ]
    )
