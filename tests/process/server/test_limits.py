"""What is refused before a model is asked: size, number, time, token."""

import asyncio
import gzip
import socket
import urllib.parse
import zlib

import pytest
import served_models
import starlette.middleware.cors

from trainers.errors import ConfigError
from trainers.prediction import rest
from trainers.server import http_server
from trainers.server import limits as limits_lib
from trainers.server import paths
from trainers.server import settings
from trainers.server.statuses import StatusError

PATH = "/v1/models/tiny:predict"
ROW = b'{"instances": [[2.0, 4.0]]}'


class Client:
    """A client that sends a body in parts, and sees how it is answered."""

    def __init__(self, server, headers=(), **scope):
        self.parts = asyncio.Queue()
        self.num_read = 0
        self.sent = []
        scope = {
            "type": "http",
            "method": "POST",
            "path": PATH,
            "headers": [(k.encode(), v.encode()) for k, v in headers],
        } | scope
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


def test_a_body_in_gzip_is_decompressed(server):
    for encoding in ("gzip", "GZIP", "x-gzip"):
        status, answer = server.ask(
            "POST",
            PATH,
            gzip.compress(ROW),
            headers={"Content-Encoding": encoding},
        )
        assert (status, answer) == (200, {"predictions": [[3.0, 4.0]]})
    status, _ = server.ask(
        "POST", PATH, ROW, headers={"Content-Encoding": "identity"}
    )
    assert status == 200


def test_a_body_is_bounded_after_decompression(tiny_base):
    with served_models.serving(tiny_base, max_bytes=1000) as server:

        def send(content):
            headers = {"Content-Encoding": "gzip"}
            return server.ask("POST", PATH, content, headers=headers)

        row = ROW + b" " * (1000 - len(ROW))
        assert send(gzip.compress(row))[0] == 200
        too_large = (
            413,
            {"error": "The body must have at most 1,000 bytes."},
        )
        assert send(gzip.compress(row + b" ")) == too_large
        # 100 MB in less than the limit of bytes.
        bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
        content = bomb.compress(gzip.compress(b" " * 10**8)) + bomb.flush()
        assert len(content) < 1000
        inner = zlib.decompress(content, 31)
        limits = limits_lib.Limits(
            token="", max_bytes=1000, max_requests=1, body_seconds=1
        )
        with pytest.raises(StatusError, match="at most 1,000 bytes"):
            limits._decompress(inner)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        ROW,
        gzip.compress(ROW)[:-1],
        gzip.compress(ROW)[:-6] + b"\0\0\0\0\0\0",
        gzip.compress(ROW) + b"x",
        gzip.compress(ROW) * 2,
        zlib.compress(ROW),
    ],
    ids=["empty", "plain", "cut", "sum", "more", "twice", "zlib"],
)
def test_a_body_that_is_not_one_stream_of_gzip(content, server):
    headers = {"Content-Encoding": "gzip"}
    assert server.ask("POST", PATH, content, headers=headers) == (
        400,
        {
            "error": "The body must be one complete gzip stream, as its "
            "`Content-Encoding` says."
        },
    )


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
def test_other_encodings_are_refused(encoding, server):
    answer = server.wait(
        server.send("POST", PATH, ROW, headers={"Content-Encoding": encoding})
    )
    assert (answer.status_code, answer.json()) == (
        415,
        {
            "error": "The `Content-Encoding` must be `gzip` or `identity`. "
            f"Received: {encoding!r}."
        },
    )
    assert answer.headers["accept-encoding"] == "gzip"


def test_a_host_name_that_is_not_the_servers(tiny_base):
    with served_models.serving(tiny_base) as server:

        async def ask(method, path, host):
            headers = {"Host": host}
            return await server.send(method, path, ROW, headers=headers)

        for method, path in (
            ("GET", "/"),
            ("GET", "/v1/models/tiny"),
            ("POST", PATH),
            ("OPTIONS", PATH),
            ("GET", served_models.METRICS),
        ):
            answer = server.wait(ask(method, path, "evil.example:8501"))
            assert (answer.status_code, answer.json()) == (
                403,
                {
                    "error": "`evil.example:8501` is not a host name of this "
                    "server. Start it with `--allowed_hosts=evil.example`, or "
                    "with a token."
                },
            )
        assert server.wait(ask("POST", PATH, "tiny:80")).status_code == 200
        answer = server.wait(ask("POST", PATH, "a b"))
        assert (answer.status_code, answer.json()) == (
            400,
            {
                "error": "The header `Host` must be a host name, or a name and "
                "a port. Received: 'a b'."
            },
        )
    # A page with another name does not know the token.
    with served_models.serving(tiny_base, token="s3cret") as server:
        assert server.wait(ask("GET", "/", "evil.example")).status_code == 200
        answer = server.wait(ask("POST", PATH, "evil.example"))
        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ([("content-length", "31"), ("transfer-encoding", "chunked")], "1.1"),
        ([("transfer-encoding", "chunked")], "1.0"),
    ],
    ids=["both", "chunks_in_http_1_0"],
)
def test_two_lengths_are_refused_and_nothing_is_read(
    headers, version, tiny_base
):
    async def scenario(server):
        client = Client(server, headers, http_version=version)
        await client.done
        assert (client.status, client.num_read) == (400, 0)
        assert client.text == (
            '{"error":"A request must have one length: `Content-Length`, or '
            '`Transfer-Encoding` in HTTP/1.1."}'
        )
        assert client.headers["connection"] == "close"

    with served_models.serving(tiny_base) as server:
        server.wait(scenario(server))


def test_pages_of_named_origins_can_read_answers(guarded, monkeypatch):
    named = settings.Settings(cors_origins=("https://app.example.com",))
    app = http_server.with_cors(guarded.app, named)
    assert type(app) is starlette.middleware.cors.CORSMiddleware
    assert (
        http_server.with_cors(guarded.app, settings.Settings()) is guarded.app
    )
    monkeypatch.setattr(guarded, "app", app)

    def send(method, origin, **headers):
        answer = guarded.wait(
            guarded.send(
                method, PATH, ROW, headers=headers | {"Origin": origin}
            )
        )
        allowed = answer.headers.get("access-control-allow-origin")
        return answer.status_code, allowed

    question = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    token = {"Authorization": "Bearer s3cret"}
    app, other = "https://app.example.com", "https://evil.example"
    assert send("OPTIONS", app, **question) == (200, app)
    assert send("OPTIONS", other, **question) == (400, None)
    assert send("POST", app, **token) == (200, app)
    assert send("POST", other, **token) == (200, None)
    # The page sees that it needs a token.
    assert send("POST", app) == (401, app)


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
    assert "__MODEL_" not in answer.text
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
                model_name="a\n",
                port=65536,
                max_concurrent_requests=0,
                keep_alive_seconds=0,
                allowed_hosts=("a.example", "b.example:80"),
                cors_origins=("https://a.example", "https://b.example/"),
            )
        )
    assert str(error.value).splitlines() == [
        "`--port` must be at least 0 and at most 65535. Received: 65536.",
        "`--max_concurrent_requests` must be at least 1. Received: 0.",
        "`--keep_alive_seconds` must be at least 1. Received: 0.",
        "`--model_base_path` must be a directory of numbered versions, such as "
        f"WORKDIR/export/NAME. Received: {str(tmp_path / 'none')!r}.",
        "`--model_name` must have at least one character, and no control "
        "characters. Received: 'a\\n'.",
        "`--allowed_hosts` must be names or addresses without port, such as "
        "models.example.com,10.0.0.7,[fd00::7], or *. Received: "
        "'b.example:80'.",
        "`--cors_origins` must be origins as browsers send them, in lower case "
        "and without path, such as https://app.example.com or "
        "http://localhost:3000, or *. Received: 'https://b.example/'.",
    ]


@pytest.mark.parametrize("name", ["mail.v2", "my mails", "почта", "a/b:c"])
def test_all_printable_names_are_possible(name, tmp_path):
    settings.validate(
        settings.Settings(model_base_path=str(tmp_path), model_name=name)
    )
    quoted = urllib.parse.quote(name, safe="")
    address = f"/v1/models/{quoted}/versions/7:predict"
    assert paths.to_run(address) == paths.Address(name, 7, None, "predict")
    assert rest._URL.fullmatch(f"http://localhost:8501/v1/models/{quoted}")


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

        with http_server.bind(settings.Settings(port=0)) as listener:
            server = await loop.create_server(Protocol, sock=listener)
            _, writer = await asyncio.open_connection(*listener.getsockname())
            async with server:
                is_on = await accepted
                writer.close()
        return is_on

    assert asyncio.run(accept()) == 1
