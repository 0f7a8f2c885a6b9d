"""Runs the server, from reading its files to its last request."""

import asyncio
import contextlib
import logging
import os
import pathlib
import socket
import threading

import uvicorn

from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.runtime import signals
from trainers.server import app as app_lib
from trainers.server import batches
from trainers.server import limits
from trainers.server import model_versions
from trainers.server import prometheus as prometheus_lib
from trainers.server import queues
from trainers.serving import config_protos

_LOGGER = logging.getLogger(__name__)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(settings, ready=lambda url: None):
    """Serves one model until SIGTERM or SIGINT.

    After the first signal, the server answers running requests, and the
    function returns. A second signal ends the process at once. If requests
    still run `stop_seconds` after the first signal, the process also ends,
    because the run of a model cannot be interrupted.

    Args:
        settings: `settings.Settings`.
        ready: Callable with the URL of the model (str). It is called when the
            model answers.

    Raises:
        ConfigError: There is no such model, a file is wrong, or the port is in
            use.
        RunError: No version could be loaded.
    """
    exit_timer = threading.Timer(settings.stop_seconds + 1, _exit_now)
    exit_timer.daemon = True
    # The handlers stay until the loop and all its threads have ended.
    try:
        with _stop_by_signals(exit_timer) as stop:
            asyncio.run(_serve(settings, ready, stop))
    finally:
        exit_timer.cancel()


def _exit_now():
    _LOGGER.warning("requests that still run are cut off")
    os._exit(0)


async def _serve(settings, ready, stop):
    base_path = pathlib.Path(settings.model_base_path).absolute()
    name = settings.name
    metrics = prometheus_lib.Metrics(name)
    scheduler = queues.Scheduler(
        _read_batching(settings, base_path), metrics.count_batch
    )
    versions = model_versions.Versions(
        base_path,
        name,
        _file(settings.models_config, base_path / "models.config"),
        scheduler,
    )
    app = app_lib.App(
        versions,
        limits.Limits(
            token=settings.token,
            max_bytes=settings.max_request_megabytes * 2**20,
            max_requests=settings.max_concurrent_requests,
            body_seconds=settings.body_seconds,
        ),
        metrics,
        _metrics_path(settings, base_path),
    )
    with _bind(settings) as listener:
        if settings.host not in _LOOPBACK and not settings.token:
            _LOGGER.warning(
                "listening on %s without a token: every client that reaches "
                "this address can use the model. --token_file sets a token.",
                settings.host,
            )
        await versions.poll()
        if not versions.is_available():
            raise RunError(f"no version in {base_path} could be loaded.")
        host, port = listener.getsockname()[:2]
        host = f"[{host}]" if ":" in host else host
        url = f"http://{host}:{port}/v1/models/{name}"

        def report_ready():
            if not stop.is_set():
                ready(url)

        server = _Server(app, settings, report_ready)
        tasks = [
            asyncio.create_task(versions.watch()),
            asyncio.create_task(server.exit_on(stop)),
        ]
        await server.serve(sockets=[listener])
        for task in tasks:
            task.cancel()
    # Waits for the threads here, where the exit timer still runs, and not at
    # the exit of Python.
    await asyncio.to_thread(scheduler.close)


class _Server(uvicorn.Server):
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
                http="h11",
                ws="none",
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
        self._ready()

    async def exit_on(self, stop):
        """Waits for an event, then stops the server."""
        await stop.wait()
        _LOGGER.info("stopping after the running requests")
        self.should_exit = True


@contextlib.contextmanager
def _stop_by_signals(exit_timer):
    """Yields the event that the first signal sets; it also starts the timer.

    The handlers do not use the event loop. The timer and a second signal
    therefore work while a model blocks the loop.

    Args:
        exit_timer: `threading.Timer`.
    """
    stop = asyncio.Event()

    def request_stop(number):
        exit_timer.start()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # Before the loop runs, or after.
            stop.set()
        else:
            # Wakes the loop, which waits for its sockets.
            loop.call_soon_threadsafe(stop.set)

    two_signals = signals.TwoSignals(request_stop, signals.end_at_once)
    with two_signals.handled():
        yield stop


def _file(given, default):
    """Returns the given path of a file, or the default path.

    Raises:
        ConfigError: A path is given, and the file does not exist.
    """
    path = pathlib.Path(given) if given else default
    if given and not path.is_file():
        raise ConfigError(f"{path}: no such file.")
    return path


def _read_batching(settings, base_path):
    path = _file(settings.batching_config, base_path / "batching.config")
    return (
        batches.Parameters.read(path)
        if path.is_file()
        else (batches.Parameters())
    )


def _metrics_path(settings, base_path):
    path = _file(settings.monitoring_config, base_path / "monitoring.config")
    if not path.is_file():
        return None
    message = config_protos.read(path, config_protos.MonitoringConfig)
    prometheus = message.prometheus_config
    # The default of TensorFlow Serving.
    path = prometheus.path or "/monitoring/prometheus/metrics"
    return path if prometheus.enable else None


def _bind(settings):
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
