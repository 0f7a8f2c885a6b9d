"""The process of a server: from its files to its last request."""

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
from trainers.server import batching
from trainers.server import limits
from trainers.server import model_versions
from trainers.server import prometheus as prometheus_lib
from trainers.serving import config_protos

_LOGGER = logging.getLogger(__name__)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(settings, ready=lambda url: None):
    """Serves one model until SIGTERM or SIGINT.

    The first signal lets running requests end, and then returns. The second
    ends the process at once, and so does the end of `stop_seconds`: a run of a
    model cannot be interrupted.

    Args:
        settings: `Settings`.
        ready: Called with the URL of the model as soon as it answers.

    Raises:
        ConfigError: There is no such model, a file is wrong, or the port is
            taken.
        RunError: No version could be loaded.
    """
    end = threading.Timer(settings.stop_seconds + 1, _end)
    end.daemon = True
    # Handlers stay until the loop has ended, and with it all threads.
    with contextlib.ExitStack() as stack:
        stack.callback(end.cancel)
        asyncio.run(_serve(settings, ready, end, stack))


def _end():
    _LOGGER.warning("what still runs is cut off")
    os._exit(0)


async def _serve(settings, ready, end, stack):
    stop = _stop_by_signals(end, stack)
    base_path = pathlib.Path(settings.model_base_path).absolute()
    name = settings.name
    metrics = prometheus_lib.Metrics(name)
    scheduler = batching.Scheduler(
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
                "listening on %s without a token: whoever reaches it may use "
                "it. --token_file sets one.",
                settings.host,
            )
        await versions.poll()
        if not versions.is_available():
            raise RunError(f"no version in {base_path} could be loaded.")
        host, port = listener.getsockname()[:2]
        host = f"[{host}]" if ":" in host else host
        url = f"http://{host}:{port}/v1/models/{name}"

        def say():
            if not stop.is_set():
                ready(url)

        server = _Server(app, settings, say)
        tasks = [
            asyncio.create_task(versions.watch()),
            asyncio.create_task(server.exit_on(stop)),
        ]
        await server.serve(sockets=[listener])
        for task in tasks:
            task.cancel()
    # Here, while the end is watched, and not when Python ends.
    await asyncio.to_thread(scheduler.close)


class _Server(uvicorn.Server):
    """Leaves the signals to us: uvicorn ends with them as its exit code."""

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
        """Captures none."""
        return contextlib.nullcontext()

    async def startup(self, sockets=None):
        """Says when connections are taken."""
        try:
            await super().startup(sockets)
        except OSError as error:  # Another one was faster.
            raise _no_address(self._settings, error) from None
        self._ready()

    async def exit_on(self, stop):
        """Begins to end when an event is set."""
        await stop.wait()
        _LOGGER.info("stopping: running requests end")
        self.should_exit = True


def _stop_by_signals(end, stack):
    """Returns the event that the first signal sets; it also starts a timer.

    The handlers are not the loop's: the timer and a second signal work even
    while a model holds up the loop.

    Args:
        end: Timer.
        stack: `ExitStack` that restores the handlers.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask(number):
        end.start()
        loop.call_soon_threadsafe(stop.set)

    two_signals = signals.TwoSignals(ask, signals.end_at_once)
    stack.enter_context(two_signals.handled())
    return stop


def _file(given, default):
    """Returns the path of a file, or of one that need not be there.

    Raises:
        ConfigError: It was asked for, and is not there.
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
    """Returns the socket, which takes connections only later.

    Raises:
        ConfigError: The address is not of this machine, or taken.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named, or asyncio does not take it for TCP and leaves Nagle's algorithm
    # on: the second segment of an answer would wait 40 ms for the first's ACK.
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
