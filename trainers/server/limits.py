"""What a client may do: with which token, how much, how slowly."""

import asyncio
import contextlib
import hmac

from starlette.datastructures import Headers

from trainers.server import statuses

# Of a refused request, this much is read and thrown away, so that a client
# that still sends can read the answer.
_DISCARDED_BYTES = 256 * 2**20
_DISCARDING_SECONDS = 5.0


class Limits:
    """Rules for requests, each broken one a `StatusError`."""

    def __init__(self, *, token, max_bytes, max_requests, body_seconds):
        """Takes the bounds.

        Args:
            token: That clients must send; empty if they need none.
            max_bytes: Of a body.
            max_requests: That are read or answered at the same time.
            body_seconds: In which a body must have come.
        """
        self._token = token.encode()
        self._max_bytes = max_bytes
        self._max_requests = max_requests
        self._body_seconds = body_seconds
        self._num_requests = 0

    def check_token(self, scope):
        """Refuses a request without the token."""
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
        """Takes one of the places for requests."""
        if self._num_requests >= self._max_requests:
            raise statuses.StatusError(
                "RESOURCE_EXHAUSTED",
                f"{self._max_requests} requests are being answered, and no "
                "more are taken at a time. Try again.",
                headers={"Retry-After": "1"},
            )
        self._num_requests += 1

    def __exit__(self, *exception):
        """Gives the place back."""
        self._num_requests -= 1

    async def read(self, body):
        """Returns the bytes of a `Body`.

        Raises:
            StatusError: They are too many, which is seen before they are
                read, or come too slowly.
            ConnectionError: The client went away.
        """
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
                f"The body did not come within {self._body_seconds:g} seconds.",
                http=408,
            ) from None
        return b"".join(chunks)

    def _too_large(self):
        return statuses.StatusError(
            "INVALID_ARGUMENT",
            f"The body must have at most {self._max_bytes:,} bytes.",
            http=413,
        )


class Body:
    """What a client sends after the head of its request.

    Attributes:
        length: That it announced, in bytes; 0 if it did not.
        has_more: Whether there is something to read.
    """

    def __init__(self, scope, receive):
        """Takes two arguments of an ASGI application."""
        headers = Headers(scope=scope)
        self.length = int(headers.get("content-length", "0"))
        self.has_more = True
        # The client waits with the body, and sends none after a refusal.
        self._waits = "expect" in headers
        self._scope = scope
        self._receive = receive

    async def read(self):
        """Returns the next bytes.

        Raises:
            ConnectionError: The client went away.
        """
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        self.has_more = message.get("more_body", False)
        return message.get("body", b"")

    async def answer(self, response, send):
        """Sends a Starlette `Response`, at once, even if there is more to read.

        Then that is read and thrown away, for a while: a client that is cut off
        while it sends may never see the answer.
        """
        if not self.has_more or self._scope["method"] in ("GET", "HEAD"):
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
        if not self._waits and response.status_code != 408:
            await self._discard()
        await send({"type": "http.response.body"})

    async def _discard(self):
        size = 0
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(_DISCARDING_SECONDS):
                while self.has_more and size < _DISCARDED_BYTES:
                    size += len(await self.read())
