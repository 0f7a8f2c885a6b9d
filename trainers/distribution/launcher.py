"""The workers of one training on this machine: start, restart, stop, end."""

import contextlib
import os
import queue
import re
import signal
import time

from trainers.distribution import worker_process
from trainers.errors import ConfigError
from trainers.runtime import signals

# After one failed, the others usually notice, say why and end by themselves.
GRACE_SECONDS = 10.0
# Enough for a checkpoint; whoever has less patience sends a second signal.
STOP_SECONDS = 60.0


def split(words):
    """Returns the launcher's words and, after `--`, those of trainers.train.

    Raises:
        ConfigError: `--` does not stand there once, or a flag on the wrong
            side of it.
    """
    if words.count("--") != 1:
        raise ConfigError(
            "`--` must stand once, between the flags of the launcher and "
            f"those of trainers.train. Received: {words.count('--')} times. "
            "Example: --num_workers=2 -- --config=FILE --workdir=DIR"
        )
    index = words.index("--")
    own, others = words[:index], words[index + 1 :]
    for place, part, names in (
        ("after", own, "(no)?config|workdir"),
        ("before", others, "num_workers|max_restarts"),
    ):
        for word in part:
            if re.match(rf"--?({names})\b", word):
                raise ConfigError(f"`{word}` must stand {place} `--`.")
    return own, others


def check(num_workers, max_restarts):
    """Checks the settings of `run` and the environment.

    Raises:
        ConfigError: One is missing or out of range, or this process is itself
            a worker.
    """
    bounds = {
        "num_workers": (num_workers, 1),
        "max_restarts": (max_restarts, 0),
    }
    for name, (value, least) in bounds.items():
        if value is None or value < least:
            received = "nothing" if value is None else value
            raise ConfigError(
                f"`--{name}` must be at least {least}. Received: {received}."
            )
    if os.environ.get("TF_CONFIG"):
        raise ConfigError(
            "`TF_CONFIG` must not be set, as the launcher sets it for each "
            f"worker. Received: {os.environ['TF_CONFIG']!r}. Unset it, or "
            "start trainers.train if this machine is one of a cluster."
        )


def run(
    command,
    num_workers,
    *,
    stopped_code,
    final_codes=(),
    max_restarts=3,
    restart_words=(),
    grace_seconds=GRACE_SECONDS,
    stop_seconds=STOP_SECONDS,
):
    """Runs workers until all ended well, or one failed once too often.

    If one fails, all are started again. SIGTERM and SIGINT are handed on as
    SIGTERM; a second one kills the workers and ends this process at once, with
    128 + its number. To be called in the main thread.

    Args:
        command: Words of a worker's command line.
        num_workers: How many to start.
        stopped_code: Exit code of workers that ended on request.
        final_codes: Further exit codes after which a restart is no use.
        max_restarts: How often a failure is answered with a restart.
        restart_words: Further words for workers that are started again.
        grace_seconds: Time for the others to end after one has failed.
        stop_seconds: Time for all to end on request.

    Returns:
        An exit code: 0, `stopped_code`, or that of the worker that failed
        first, 1 if a signal ended it.
    """
    worker_process.open_standard_streams()
    ports, again = [], []
    with _StopRequest().handled() as request:
        for restart in range(1, max_restarts + 2):
            # Late messages of the workers before must not reach the new ones.
            ports = worker_process.free_ports(num_workers, avoid=ports)
            with _started([*command, *again], ports, request) as workers:
                failed = _wait_for(
                    workers, request, stopped_code, grace_seconds, stop_seconds
                )
            if failed is None:
                return 0  # Even if somebody asked in the last moment.
            if request.name or failed.code == stopped_code:
                return stopped_code
            if failed.code in final_codes or restart > max_restarts:
                break
            worker_process.say(
                f"{failed}; restarting all, {restart} of {max_restarts}"
            )
            # It is this run that goes on, whatever was asked of it at first.
            again = restart_words
    after = f", after {restart - 1} restarts" if restart > 1 else ""
    worker_process.say(f"error: {failed}{after}.")
    return failed.code if failed.code > 0 else 1


class _StopRequest(signals.TwoSignals):
    """The signals that request the launcher to end.

    Attributes:
        events: Queue that gets `None` with the first signal, and each worker
            that ended.
        workers: Those that the second signal kills.
    """

    def __init__(self):
        super().__init__(lambda number: self.events.put(None), self._kill)
        self.events = queue.SimpleQueue()
        self.workers = []

    def _kill(self, number):
        # At once, even while the launcher waits for a reader of its stderr.
        for worker in self.workers:
            worker.send(signal.SIGKILL)
        signals.end_at_once(number)


@contextlib.contextmanager
def _started(command, ports, request):
    """Yields a worker a port, and leaves none of them behind."""
    workers = request.workers = []
    try:
        for index in range(len(ports)):
            workers.append(worker_process.WorkerProcess(command, ports, index))
        # Only now, as a process with threads had better not fork.
        for worker in workers:
            worker.watch(request.events.put)
        yield workers
    finally:
        for worker in workers:
            worker.send(signal.SIGKILL)
        for worker in workers:
            worker.join()


def _wait_for(workers, request, stopped_code, grace_seconds, stop_seconds):
    """Waits for the end of all; returns the first that failed, or `None`."""
    running, failed, deadline = list(workers), None, None
    while running:
        try:
            ended = request.events.get(
                timeout=deadline and max(0.0, deadline - time.monotonic())
            )
        except queue.Empty:
            deadline = None
            for worker in running:
                worker.send(signal.SIGKILL)
                if request.name:
                    worker_process.say(
                        f"{worker} did not end in time and gets SIGKILL"
                    )
            continue
        if ended is None:
            for worker in running:
                worker.send(signal.SIGTERM)
            deadline = deadline or time.monotonic() + stop_seconds
            worker_process.say(
                f"{request.name}: asked the workers to end; a second "
                "one kills them"
            )
            continue
        running.remove(ended)
        if ended.code and not failed:
            failed = ended
            # Stopped ones may still write a checkpoint.
            is_stop = ended.code == stopped_code
            seconds = stop_seconds if is_stop else grace_seconds
            deadline = deadline or time.monotonic() + seconds
    return failed
