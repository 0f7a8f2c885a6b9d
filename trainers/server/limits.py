"""Limits requests: host, token, encoding, size, number and time."""

import asyncio
import contextlib
import hmac
import zlib

from starlette.datastructures import Headers

from trainers.server import hosts
from trainers.server import statuses

# Bytes and seconds. The server reads and discards this much of a refused
# request, so that a client that is still sending can read the answer. One that
# sends nothing for some time has stopped.
_DISCARDED_BYTES = 256 * 2**20
_DISCARDING_SECONDS = 5.0
_SILENT_SECONDS = 2.0
# Most characters of a header in an error. A host name has at most 253, and the
# error says how to allow it.
_QUOTED = 100
_QUOTED_HOST = 253
_GZIP = ("gzip", "x-gzip")


class Limits:
    """Limits of requests. A broken limit raises a `StatusError`.

    As a context manager, an object counts a running request.

    >>> limits = Limits(token="", max_bytes=99, max_requests=1, body_seconds=20)
    >>> with limits, limits:
    ...     print("two requests at a time")
    Traceback (most recent call last):
    ...
    trainers.server.statuses.StatusError: The server answers at most 1 ...
    """

    def __init__(
        self,
        *,
        token,
        max_bytes,
        max_requests,
        body_seconds,
        allowed_hosts=hosts.LOOPBACK,
    ):
        """Sets the limits.

        Args:
            token: str. Token that clients must send; empty if they need none.
            max_bytes: int. Largest body in bytes, also after decompression.
            max_requests: int. Most requests that are read or answered at the
                same time.
            body_seconds: float. Longest time until a body is complete.
            allowed_hosts: Collection of str. Host names that clients without a
                token can use, see `hosts.is_allowed`.
        """
        self._token = token.encode()
        self._max_bytes = max_bytes
        self._max_requests = max_requests
        self._body_seconds = body_seconds
        self._allowed_hosts = frozenset(map(hosts.normal, allowed_hosts))
        self._num_requests = 0

    def check_host(self, scope):
        """Refuses a request with a host name that is not the server's.

        A server with a token needs no such rule: a web page does not know the
        token.

        Args:
            scope: dict. Scope of the ASGI connection.

        Raises:
            StatusError: The host name is not allowed.
        """
        if self._token or hosts.is_allowed(scope, self._allowed_hosts):
            return
        host, name = Headers(scope=scope)["host"], hosts.of(scope)
        if name == hosts.MALFORMED:
            raise statuses.invalid(
                "The header `Host` must be a host name, or a name and a port. "
                f"Received: {host[:_QUOTED]!r}."
            )
        raise statuses.StatusError(
            "PERMISSION_DENIED",
            f"`{host[:_QUOTED_HOST]}` is not a host name of this server. Start "
            f"it with `--allowed_hosts={name[:_QUOTED_HOST]}`, or with a "
            "token.",
        )

    def check_token(self, scope):
        """Refuses a request without the token.

        Args:
            scope: dict. Scope of the ASGI connection.

        Raises:
            StatusError: The token is missing or wrong.
        """
        given = Headers(scope=scope).get("authorization", "").encode("latin-1")
        scheme, _, token = given.partition(b" ")
        is_right = hmac.compare_digest(token.strip(), self._token)
        if self._token and not (scheme.lower() == b"bearer" and is_right):
            raise statuses.StatusError(
                "UNAUTHENTICATED",
                "This server needs a token: `Authorization: Bearer TOKEN`.",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def __enter__(self):
        """Counts a request that starts; refuses one above the limit."""
        if self._num_requests >= self._max_requests:
            raise statuses.StatusError(
                "RESOURCE_EXHAUSTED",
                f"The server answers at most {self._max_requests} requests at "
                "a time. Try again.",
                headers={"Retry-After": "1"},
            )
        self._num_requests += 1

    def __exit__(self, *exception):
        """Counts a request that ends."""
        self._num_requests -= 1

    async def read(self, body):
        """Reads a whole body.

        Args:
            body: `Body`.

        Returns:
            bytes, decompressed.

        Raises:
            StatusError: The body is too large, arrives too slowly, or has an
                unknown encoding. If its announced length is too large, nothing
                is read.
            ConnectionError: The client closed the connection.
        """
        if body.encoding not in ("", "identity", *_GZIP):
            raise statuses.StatusError(
                "INVALID_ARGUMENT",
                "The `Content-Encoding` must be `gzip` or `identity`. "
                f"Received: {body.encoding[:_QUOTED]!r}.",
                http=415,
                headers={"Accept-Encoding": "gzip"},
            )
        if body.length > self._max_bytes:
            raise self._too_large()
        chunks, size = [], 0
        try:
            async with asyncio.timeout(self._body_seconds):
                while body.has_more:
                    chunks.append(await body.read())
                    size += len(chunks[-1])
                    if size > self._max_bytes:
                        raise self._too_large()
        except TimeoutError:
            raise statuses.StatusError(
                "DEADLINE_EXCEEDED",
                f"The body did not arrive within {self._body_seconds:g} "
                "seconds.",
                http=408,
            ) from None
        content = b"".join(chunks)
        if body.encoding in _GZIP:
            return await asyncio.to_thread(self._decompress, content)
        return content

    def _decompress(self, content):
        stream = zlib.decompressobj(wbits=31)  # A gzip header is required.
        try:
            # Stops there: a small body can contain terabytes.
            found = stream.decompress(content, self._max_bytes + 1)
        except zlib.error:
            found = None
        if found is not None and len(found) > self._max_bytes:
            raise self._too_large()
        if found is None or not stream.eof or stream.unused_data:
            raise statuses.invalid(
                "The body must be one complete gzip stream, as its "
                "`Content-Encoding` says."
            )
        return found

    def _too_large(self):
        return statuses.StatusError(
            "INVALID_ARGUMENT",
            f"The body must have at most {self._max_bytes:,} bytes.",
            http=413,
        )


class Body:
    """The body of a request.

    Attributes:
        length: int. Announced length in bytes; 0 if none was announced.
        encoding: str. `Content-Encoding` in lower case; empty without one.
        has_more: bool. Whether the body is not yet complete.
    """

    def __init__(self, scope, receive):
        """Creates the body of a request.

        Args:
            scope: dict. Scope of the ASGI connection.
            receive: ASGI coroutine that returns the next event.
        """
        headers = Headers(scope=scope)
        self.length = int(headers.get("content-length", "0"))
        self.encoding = ",".join(headers.getlist("content-encoding"))
        self.encoding = self.encoding.strip().lower()
        self.has_more = True
        # A request without these headers has no body.
        self._is_announced = self.length > 0 or "transfer-encoding" in headers
        # A proxy before the server may read another length. The rest
        # could then be a request of another client.
        self._is_ambiguous = "transfer-encoding" in headers and (
            "content-length" in headers or scope.get("http_version") == "1.0"
        )
        # `Expect: 100-continue`: the client sends no body after a refusal.
        self._is_discarded = not self._is_ambiguous and "expect" not in headers
        self._scope = scope
        self._receive = receive

    def check_length(self):
        """Refuses a request that announces its length in two ways.

        Raises:
            StatusError: The request has both headers, or chunks in HTTP/1.0.
        """
        if self._is_ambiguous:
            raise statuses.StatusError(
                "INVALID_ARGUMENT",
                "A request must have one length: `Content-Length`, or "
                "`Transfer-Encoding` in HTTP/1.1.",
                headers={"Connection": "close"},
            )

    async def read(self):
        """Returns the next bytes of the body.

        Raises:
            ConnectionError: The client closed the connection.
        """
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        self.has_more = message.get("more_body", False)
        self._is_announced |= self.has_more
        return message.get("body", b"")

    async def answer(self, response, send):
        """Sends a response at once, also if the body is not complete.

        Then it reads and discards the rest of the body for a while. A client
        that is cut off while it sends might never see the answer.

        Args:
            response: Starlette `Response`.
            send: ASGI coroutine that sends an event.
        """
        if not (self._is_announced and self.has_more):
            await response(self._scope, self._receive, send)
            return
        response.headers["Connection"] = "close"
        await send(
            {
                "type": "http.response.start",
                "status": response.status_code,
                "headers": response.raw_headers,
            }
        )
        part = {"type": "http.response.body", "body": response.body}
        await send(part | {"more_body": True})
        if self._is_discarded and response.status_code != 408:
            await self._discard()
        await send({"type": "http.response.body"})

    async def _discard(self):
        size = 0
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(_DISCARDING_SECONDS):
                while self.has_more and size < _DISCARDED_BYTES:
                    async with asyncio.timeout(_SILENT_SECONDS):
                        size += len(await self.read())
