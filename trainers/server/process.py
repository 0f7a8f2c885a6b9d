"""Runs the server, from reading its files to its last request."""

import asyncio
import contextlib
import gc
import logging
import os
import pathlib
import threading
import urllib.parse

from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.runtime import signals
from trainers.server import app as app_lib
from trainers.server import batches
from trainers.server import hosts
from trainers.server import http_server
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
            allowed_hosts=_allowed_hosts(settings),
        ),
        metrics,
        _metrics_path(settings, base_path),
    )
    asyncio.get_running_loop().set_exception_handler(http_server.log_exception)
    with http_server.bind(settings) as listener, http_server.quiet():
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
        # All characters of a name that have a meaning in an address.
        quoted = urllib.parse.quote(name, safe="")
        url = f"http://{host}:{port}/v1/models/{quoted}"

        def report_ready():
            if stop.is_set():
                return
            # Later collections of garbage skip the model and its libraries.
            # They are 360,000 objects: for 0.2 s, no request was answered.
            gc.collect()
            gc.freeze()
            ready(url)

        server = http_server.Server(
            http_server.with_cors(app, settings), settings, report_ready
        )
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


def _allowed_hosts(settings):
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return {*hosts.LOOPBACK, host, *settings.allowed_hosts}


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
