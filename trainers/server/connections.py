"""Bounds connections: their number, the time of a head and of an answer.

uvicorn reads and writes HTTP. It waits without end for a request whose head is
not complete, and for a client that does not read its answer.

References:
    `uvicorn/protocols/http/h11_impl.py`.
"""

import contextlib
import dataclasses
import json
import logging

import h11
from uvicorn.protocols.http import h11_impl

_LOGGER = logging.getLogger(__name__)
# Seconds. A client that reads nothing of its answer for this long is cut off.
STALLED_SECONDS = 30.0
# A refused client gets this long to read its answer. Without this time, the
# answer could be lost: the reset for unread bytes overtakes it.
_REFUSAL_SECONDS = 1.0
# Most refused connections that are open. For a further one, the one that had
# the longest time is closed.
MOST_REFUSED = 256
_REASONS = {
    400: "Bad Request",
    408: "Request Timeout",
    503: "Service Unavailable",
}


@dataclasses.dataclass
class ConnectionLimits:
    """Limits of all connections of a server.

    Attributes:
        max_connections: int. Most open connections.
        head_seconds: float. Longest time until the head of a request is
            complete.
        stalled_seconds: float. Longest time in which a client reads nothing of
            its answer.
        most_refused: int. Most refused connections that are open.
        refused: Dict whose keys are these connections, the oldest first.
    """

    max_connections: int
    head_seconds: float
    stalled_seconds: float = STALLED_SECONDS
    most_refused: int = MOST_REFUSED
    refused: dict = dataclasses.field(default_factory=dict)


class Protocol(h11_impl.H11Protocol):
    """A connection with limits."""

    def __init__(self, *arguments, limits, **named):
        """Creates the protocol of a new connection.

        Args:
            *arguments: Of uvicorn.
            limits: `ConnectionLimits`.
            **named: Of uvicorn.
        """
        super().__init__(*arguments, **named)
        self.logger = _LOGGER
        self._limits = limits
        self._is_refused = False
        self._head_timer = None
        self._progress_timer = None

    def connection_made(self, transport):
        """Refuses a connection above the limit."""
        super().connection_made(transport)
        # `pause_writing` is then called for every byte that has to wait.
        transport.set_write_buffer_limits(high=0)
        if len(self.connections) > self._limits.max_connections:
            self._refuse()
        else:
            self._watch_head()

    def connection_lost(self, exc):
        """Ends all timers."""
        self._limits.refused.pop(self, None)
        self._head_timer = _cancelled(self._head_timer)
        self._progress_timer = _cancelled(self._progress_timer)
        super().connection_lost(exc)

    def data_received(self, data):
        """Reads a part of a request."""
        if self._is_refused:
            return
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self):
        """Prepares the next request of the connection."""
        # After the call below, it can be the state of the next request.
        if self.conn.their_state is h11.SEND_BODY:
            # No limit of time applies to the unread rest of a body.
            self.transport.close()
        super().on_response_complete()
        self._watch_head()

    def pause_writing(self):
        """Watches whether the client reads its answer."""
        super().pause_writing()
        self._watch_progress(None)

    def send_400_response(self, msg):
        """Answers a request that is not HTTP, and closes the connection."""
        has_begun = self.cycle is not None and self.cycle.response_started
        if has_begun and not self.cycle.response_complete:
            self.transport.close()
        else:
            self._end(400, msg)

    def _watch_head(self):
        """Starts the time of a head that is not complete."""
        is_waiting = (
            self.conn.their_state is h11.IDLE
            and not self.transport.is_closing()
            # Between two requests, the time of keep-alive counts.
            and (self.cycle is None or self.conn.trailing_data[0])
        )
        if not is_waiting:
            self._head_timer = _cancelled(self._head_timer)
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(
                self._limits.head_seconds, self._end_head
            )

    def _end_head(self):
        if self.conn.trailing_data[0]:
            seconds = self._limits.head_seconds
            self._end(
                408,
                f"The head of the request did not arrive within {seconds:g} "
                "seconds.",
            )
        self.transport.close()

    def _watch_progress(self, before):
        """Cuts the client off if it reads nothing."""
        size = self.transport.get_write_buffer_size()
        self._progress_timer = _cancelled(self._progress_timer)
        if before is not None and size >= before:
            _LOGGER.warning("a client that does not read its answer is cut off")
            self.transport.abort()
        elif size:
            self._progress_timer = self.loop.call_later(
                self._limits.stalled_seconds, self._watch_progress, size
            )

    def _refuse(self):
        limits = self._limits
        _LOGGER.warning(
            "a connection is refused: %d are open (--max_connections)",
            limits.max_connections,
        )
        self.connections.discard(self)
        self._is_refused = True
        # Each client is answered. What it sends is read and dropped, since
        # unread bytes would make the close a reset.
        limits.refused[self] = None
        if len(limits.refused) > limits.most_refused:
            oldest = next(iter(limits.refused))
            del limits.refused[oldest]
            oldest.transport.abort()
        self._write(503, "The server has too many connections. Try again.")
        with contextlib.suppress(OSError):  # The client is gone.
            self.transport.write_eof()
        self._head_timer = self.loop.call_later(
            _REFUSAL_SECONDS, self.transport.abort
        )

    def _end(self, status, words):
        self._write(status, words)
        self.transport.close()

    def _write(self, status, words):
        body = json.dumps({"error": words})
        self.transport.write(
            f"HTTP/1.1 {status} {_REASONS[status]}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
            f"{body}".encode("ascii")
        )


def _cancelled(timer):
    if timer is not None:
        timer.cancel()
