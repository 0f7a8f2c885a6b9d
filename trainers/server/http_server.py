"""Listens to an address with uvicorn, within limits."""

import contextlib
import functools
import logging
import resource
import socket

import uvicorn
from starlette.middleware import cors

from trainers.errors import ConfigError
from trainers.server import connections
from trainers.server import quiet_logs
from trainers.server import statuses

_LOGGER = logging.getLogger(__name__)
# Connections that wait in the kernel until they are accepted.
_BACKLOG = 1024
# Connections that asyncio accepts at once, before any of them can be refused.
# If it is out of files, it logs and starts as many timers.
_ACCEPTED_AT_ONCE = 32
# Files of the process besides connections: libraries, the model, the log,
# connections that are being accepted.
_OTHER_FILES = 256 + connections.MOST_REFUSED
# Seconds for which a browser need not ask again.
_CORS_SECONDS = 600
_LOGGED_BY_REQUESTS = (connections.__name__, statuses.__name__)


class Server(uvicorn.Server):
    """A uvicorn server without signal handlers.

    uvicorn's own handlers would exit with the code of the signal.
    """

    def __init__(self, app, settings, ready):
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                loop="asyncio",
                http=functools.partial(
                    connections.Protocol,
                    limits=connections.ConnectionLimits(
                        _max_connections(settings.max_connections),
                        settings.head_seconds,
                        most_refused=_most_refused(),
                    ),
                ),
                ws="none",
                backlog=_ACCEPTED_AT_ONCE,
                timeout_keep_alive=settings.keep_alive_seconds,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=settings.stop_seconds,
            )
        )
        self._settings = settings
        self._ready = ready

    def capture_signals(self):
        """Captures no signals."""
        return contextlib.nullcontext()

    async def startup(self, sockets=None):
        """Starts to listen and calls `ready`."""
        try:
            await super().startup(sockets)
        except OSError as error:  # Another process took the port.
            raise _no_address(self._settings, error) from None
        for each in sockets:
            each.listen(_BACKLOG)
        self._ready()

    async def exit_on(self, stop):
        """Waits for an event, then stops the server."""
        await stop.wait()
        _LOGGER.info("stopping after the running requests")
        self.should_exit = True


def bind(settings):
    """Returns the bound socket. It does not listen yet.

    Raises:
        ConfigError: The machine does not have this address, or the port is in
            use.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # IPPROTO_TCP: without it, asyncio does not recognise a TCP socket and
    # leaves Nagle's algorithm on. The second segment of an answer would then
    # wait 40 ms for the ACK of the first.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise _no_address(settings, error) from None
    return listener


def _no_address(settings, error):
    return ConfigError(
        "`--host` and `--port` must be an address of this machine, and a "
        f"port that is free. Received: {settings.host!r}, "
        f"{settings.port}: {error.strerror}."
    )


def with_cors(app, settings):
    """Returns an application that other web pages can use, if any may."""
    if not settings.cors_origins:
        return app
    return cors.CORSMiddleware(
        app,
        allow_origins=settings.cors_origins,
        allow_methods=("GET", "POST"),
        allow_headers=("Authorization", "Content-Encoding", "Content-Type"),
        max_age=_CORS_SECONDS,
    )


def _max_connections(wanted):
    """Returns how many connections may be open.

    Raises the limit of open files as far as the process may.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _OTHER_FILES
    infinite = resource.RLIM_INFINITY
    if soft != infinite and soft < needed:
        soft = needed if hard == infinite else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    found = wanted if soft == infinite else _within(soft, wanted)
    if found < wanted:
        _LOGGER.warning(
            "`--max_connections` is %d in place of %d: the process may open "
            "only %d files. Set --max_connections=%d, or let it open %d: root "
            "can, with `ulimit -n %d` before the command.",
            *(found, wanted, soft, found, needed, needed),
        )
    return found


def _within(files, wanted):
    """Returns how many connections are possible with this many files."""
    return min(wanted, max(files - _OTHER_FILES, files // 2))


def _most_refused():
    """Returns how many refused connections may be open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return connections.MOST_REFUSED
    return min(soft // 5, connections.MOST_REFUSED)  # A half is accepted.


@contextlib.contextmanager
def quiet():
    """Drops repetitions of messages that clients can cause at will."""
    once = quiet_logs.OncePerPeriod()
    names = ("uvicorn.error", "asyncio", __name__, *_LOGGED_BY_REQUESTS)
    for name in names:
        logging.getLogger(name).addFilter(once)
    try:
        yield
    finally:
        for name in names:
            logging.getLogger(name).removeFilter(once)


def log_exception(loop, context):
    """Logs what asyncio cannot raise; out of files is one line."""
    message, error = context.get("message", ""), context.get("exception")
    if "accept() out of system resource" in message:
        _LOGGER.warning("no connection can be accepted: %s.", error.strerror)
    elif "_start_serving" in message and isinstance(error, ValueError):
        pass  # It tries to accept again, and the server has stopped.
    else:
        loop.default_exception_handler(context)
