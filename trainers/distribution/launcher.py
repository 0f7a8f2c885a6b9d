"""Starts, restarts and stops the workers of one training on this machine."""

import contextlib
import os
import queue
import re
import signal
import time

from trainers.distribution import worker_process
from trainers.errors import ConfigError
from trainers.runtime import signals

# After a failure, the other workers usually notice it, log why, and end.
GRACE_SECONDS = 10.0
# Enough to save a checkpoint. A second signal ends the workers at once.
STOP_SECONDS = 60.0


def split(words):
    """Splits the words of a command line at `--`.

    Args:
        words: List of str.

    Returns:
        Two lists of str: the words of the launcher and those of trainers.train.

    Raises:
        ConfigError: `--` does not appear exactly once, or a flag is on the
            wrong side of it.
    """
    if words.count("--") != 1:
        raise ConfigError(
            "`--` must appear once, between the flags of the launcher and "
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
                raise ConfigError(f"`{word}` must come {place} `--`.")
    return own, others


def check(num_workers, max_restarts):
    """Checks the settings of `run` and the environment.

    Args:
        num_workers: int, or `None` if the flag is missing.
        max_restarts: int, or `None` if the flag is missing.

    Raises:
        ConfigError: A setting is missing or out of range, or this process is
            itself a worker.
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
    """Runs workers until all succeed, or until the restarts are used up.

    If one worker fails, all workers are restarted. SIGTERM and SIGINT reach the
    workers as SIGTERM. A second signal kills the workers and ends this process
    at once, with exit code 128 + its number. Call it in the main thread.

    Args:
        command: List of str. Command line of a worker.
        num_workers: int.
        stopped_code: int. Exit code of workers that were stopped by a signal.
        final_codes: Tuple of int. Other exit codes after which no restart
            helps.
        max_restarts: int. How often to restart the workers after a failure.
        restart_words: List of str. Words added to `command` in a restart.
        grace_seconds: float. How long the other workers get to end after one
            has failed.
        stop_seconds: float. How long all workers get to end after a signal.

    Returns:
        int. Exit code: 0, `stopped_code`, or the code of the worker that failed
        first. 1 if a signal ended that worker.
    """
    worker_process.open_standard_streams()
    ports, added_words = [], []
    with _StopRequest().handled() as request:
        for restart in range(1, max_restarts + 2):
            # Late messages of the old workers must not reach the new ones.
            ports = worker_process.free_ports(num_workers, avoid=ports)
            with _started([*command, *added_words], ports, request) as workers:
                failed = _wait_for(
                    workers, request, stopped_code, grace_seconds, stop_seconds
                )
            if failed is None:
                return 0  # Even if a signal arrived at the last moment.
            if request.name or failed.code == stopped_code:
                return stopped_code
            if failed.code in final_codes or restart > max_restarts:
                break
            worker_process.say(
                f"{failed}; restarting all, {restart} of {max_restarts}"
            )
            # For example, `resume=auto` replaces the `resume=never` of a user.
            added_words = restart_words
    after = f", after {restart - 1} restarts" if restart > 1 else ""
    worker_process.say(f"error: {failed}{after}.")
    return failed.code if failed.code > 0 else 1


class _StopRequest(signals.TwoSignals):
    """Passes signals and ended workers to the launcher.

    Attributes:
        events: Queue. Gets `None` at the first signal, and each worker that
            ends.
        workers: List of `WorkerProcess`. The second signal kills them.
    """

    def __init__(self):
        super().__init__(lambda number: self.events.put(None), self._kill)
        self.events = queue.SimpleQueue()
        self.workers = []

    def _kill(self, number):
        # At once, even if the launcher is blocked in a write to stderr.
        for worker in self.workers:
            worker.send(signal.SIGKILL)
        signals.end_at_once(number)


@contextlib.contextmanager
def _started(command, ports, request):
    """Yields one worker for each port; kills them at the end."""
    workers = request.workers = []
    try:
        for index in range(len(ports)):
            workers.append(worker_process.WorkerProcess(command, ports, index))
        # Only now: a process with threads should not fork.
        for worker in workers:
            worker.watch(request.events.put)
        yield workers
    finally:
        for worker in workers:
            worker.send(signal.SIGKILL)
        for worker in workers:
            worker.join()


def _wait_for(workers, request, stopped_code, grace_seconds, stop_seconds):
    """Waits until all end; returns the first that failed, or `None`."""
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
                "signal kills them"
            )
            continue
        running.remove(ended)
        if ended.code and not failed:
            failed = ended
            # Workers that a signal stopped can still write a checkpoint.
            is_stop = ended.code == stopped_code
            seconds = stop_seconds if is_stop else grace_seconds
            deadline = deadline or time.monotonic() + seconds
    return failed
