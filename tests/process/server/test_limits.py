"""What is refused before a model is asked: size, number, time, token."""

import asyncio
import socket

import pytest
import served_models

from trainers.errors import ConfigError
from trainers.server import process
from trainers.server import settings

PATH = "/v1/models/tiny:predict"
ROW = b'{"instances": [[2.0, 4.0]]}'


class Client:
    """A client that sends a body in parts, and sees how it is answered."""

    def __init__(self, server, headers=()):
        self.parts = asyncio.Queue()
        self.num_read = 0
        self.sent = []
        scope = {
            "type": "http",
            "method": "POST",
            "path": PATH,
            "headers": [(k.encode(), v.encode()) for k, v in headers],
        }
        self.answered = asyncio.Event()
        self.done = asyncio.create_task(
            server.app(scope, self._receive, self._send)
        )

    def give(self, body, more=True):
        self.parts.put_nowait(
            {"type": "http.request", "body": body, "more_body": more}
        )

    async def _receive(self):
        part = await self.parts.get()
        self.num_read += 1
        return part

    async def _send(self, message):
        self.sent.append(message)
        if message.get("body"):
            self.answered.set()

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def headers(self):
        return {k.decode(): v.decode() for k, v in self.sent[0]["headers"]}

    @property
    def text(self):
        return b"".join(m.get("body", b"") for m in self.sent[1:]).decode()


TOO_LARGE = '{"error":"The body must have at most 1,000 bytes."}'


def test_a_body_that_is_announced_as_too_large_is_not_read(tiny_base):
    async def scenario(server):
        client = Client(server, [("content-length", "1001")])
        await client.answered.wait()
        assert client.num_read == 0
        assert (client.status, client.text) == (413, TOO_LARGE)
        assert client.headers["connection"] == "close"
        # What it sends all the same is thrown away, so that it can read.
        client.give(b"x" * 500)
        client.give(b"x" * 501, more=False)
        await client.done
        assert client.num_read == 2
        assert client.sent[-1] == {"type": "http.response.body"}

    with served_models.serving(tiny_base, max_bytes=1000) as server:
        server.wait(scenario(server))


def test_a_body_is_refused_as_soon_as_it_is_too_large(tiny_base):
    async def scenario(server):
        client = Client(server)
        client.give(b"x" * 1000)
        client.give(b"x")
        await client.answered.wait()
        assert (client.status, client.text) == (413, TOO_LARGE)
        client.parts.put_nowait({"type": "http.disconnect"})
        await client.done

    with served_models.serving(tiny_base, max_bytes=1000) as server:
        server.wait(scenario(server))
        # A body of just that size is read.
        body = ROW + b" " * (1000 - len(ROW))
        assert server.ask("POST", PATH, body)[0] == 200
        status, answer = server.ask("POST", PATH, body + b" ")
        assert (status, answer) == (
            413,
            {"error": "The body must have at most 1,000 bytes."},
        )


def test_a_client_that_waits_for_leave_gets_its_refusal_and_no_more(
    tiny_base,
):
    async def scenario(server):
        client = Client(
            server, [("content-length", "2000"), ("expect", "100-continue")]
        )
        await client.done
        assert (client.status, client.num_read) == (413, 0)

    with served_models.serving(tiny_base, max_bytes=1000) as server:
        server.wait(scenario(server))


def test_a_body_that_comes_too_slowly(tiny_base):
    async def scenario(server):
        client = Client(server)
        client.give(ROW)  # And more, it says.
        await client.done
        assert (client.status, client.text) == (
            408,
            '{"error":"The body did not arrive within 0.05 seconds."}',
        )
        assert client.headers["connection"] == "close"

    with served_models.serving(tiny_base, body_seconds=0.05) as server:
        server.wait(scenario(server))
        status = ':tensorflow:serving:request_count{{model_name="tiny",{}}}'
        samples = server.samples()
        assert samples[status.format('status="DEADLINE_EXCEEDED"')] == 1


def test_a_client_that_goes_away_is_forgotten(tiny_base):
    async def scenario(server):
        client = Client(server)
        client.give(ROW)
        client.parts.put_nowait({"type": "http.disconnect"})
        await client.done
        assert client.sent == []

    with served_models.serving(tiny_base, max_requests=1) as server:
        server.wait(scenario(server))
        assert server.ask("POST", PATH, ROW)[0] == 200


def test_too_many_requests_at_a_time(tiny_base):
    words = "The server answers at most 1 requests at a time. Try again."

    async def scenario(server):
        first = Client(server)
        await asyncio.sleep(0)
        second = Client(server)
        second.give(ROW, more=False)
        await second.done
        assert (second.status, second.text) == (429, f'{{"error":"{words}"}}')
        assert second.headers["retry-after"] == "1"
        # What costs nothing is answered.
        answer = await server.send("GET", "/v1/models/tiny")
        assert answer.status_code == 200
        first.give(ROW, more=False)
        await first.done
        assert first.status == 200

    with served_models.serving(tiny_base, max_requests=1) as server:
        server.wait(scenario(server))
        assert server.ask("POST", PATH, ROW)[0] == 200


REFUSED = {"error": "This server needs a token: `Authorization: Bearer TOKEN`."}


@pytest.fixture(scope="module")
def guarded(tiny_base):
    with served_models.serving(tiny_base, token="s3cret") as server:
        yield server


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"Authorization": "Bearer s3cre"},
        {"Authorization": "Bearer s3cret2"},
        {"Authorization": "Basic s3cret"},
        {"Authorization": "Bearer"},
        {"Authorization": b"Bearer \xff\xfe"},
    ],
    ids=["none", "shorter", "longer", "scheme", "empty", "bytes"],
)
def test_without_the_token_nothing_is_answered(given, guarded):
    for method, path in (
        ("POST", PATH),
        ("GET", "/v1/models/tiny"),
        ("GET", "/v1/models/tiny/metadata"),
        ("GET", served_models.METRICS),
        ("GET", "/none"),
    ):
        answer = guarded.wait(guarded.send(method, path, ROW, headers=given))
        assert (answer.status_code, answer.json()) == (401, REFUSED)
        assert answer.headers["www-authenticate"] == "Bearer"


def test_with_the_token_all_is_answered(guarded):
    for scheme in ("Bearer", "bearer"):
        headers = {"Authorization": f"{scheme} s3cret"}
        status, _ = guarded.ask("POST", PATH, ROW, headers=headers)
        assert status == 200


def test_the_page_needs_no_token_and_may_load_nothing(guarded):
    answer = guarded.wait(guarded.send("GET", "/"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    nonce = answer.text.partition('<script nonce="')[2].partition('"')[0]
    assert len(nonce) == 22
    assert answer.headers["content-security-policy"] == (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src "
        f"'nonce-{nonce}'; connect-src 'self'; img-src 'self' blob: data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert "__NONCE__" not in answer.text
    assert "__MODEL_NAME__" not in answer.text
    again = guarded.wait(guarded.send("GET", "/"))
    assert nonce not in again.text


def test_a_token_is_read_from_a_file_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("TFMODELS_TOKEN", raising=False)
    assert settings.read_token("") == ""
    monkeypatch.setenv("TFMODELS_TOKEN", "of-environment")
    assert settings.read_token("") == "of-environment"
    file = tmp_path / "token"
    file.write_text("of-file\n")
    assert settings.read_token(str(file)) == "of-file"
    for text in ("", "two words", "ä"):
        file.write_text(text)
        with pytest.raises(ConfigError) as error:
            settings.read_token(str(file))
        assert str(error.value) == (
            f"{file} must contain one token: ASCII without white space. "
            f"Received: a text of {len(text)} characters, not shown."
        )
    with pytest.raises(ConfigError, match="`--token_file` must be a file"):
        settings.read_token(str(tmp_path / "none"))


def test_settings_that_break_a_rule(tmp_path):
    with pytest.raises(ConfigError) as error:
        settings.validate(
            settings.Settings(
                model_base_path=str(tmp_path / "none"),
                model_name="a/b",
                port=65536,
                max_concurrent_requests=0,
            )
        )
    assert str(error.value).splitlines() == [
        "`--port` must be at least 0 and at most 65535. Received: 65536.",
        "`--max_concurrent_requests` must be at least 1. Received: 0.",
        "`--model_base_path` must be a directory of numbered versions, such as "
        f"WORKDIR/export/NAME. Received: {str(tmp_path / 'none')!r}.",
        "`--model_name` must be letters, digits, `_` and `-`. Received: 'a/b'.",
    ]


def test_no_answer_waits_for_an_acknowledgement():
    """Nagle's algorithm would hold the second segment back for 40 ms."""

    async def accept():
        loop = asyncio.get_running_loop()
        accepted = loop.create_future()

        class Protocol(asyncio.Protocol):
            def connection_made(self, transport):
                connection = transport.get_extra_info("socket")
                accepted.set_result(
                    connection.getsockopt(
                        socket.IPPROTO_TCP, socket.TCP_NODELAY
                    )
                )

        with process._bind(settings.Settings(port=0)) as listener:
            server = await loop.create_server(Protocol, sock=listener)
            _, writer = await asyncio.open_connection(*listener.getsockname())
            async with server:
                is_on = await accepted
                writer.close()
        return is_on

    assert asyncio.run(accept()) == 1
