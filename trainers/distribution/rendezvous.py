"""Lets the workers of a run find each other before TensorFlow starts.

TensorFlow waits without a limit, at a place where Python receives no signals,
and takes any gRPC server for a worker. Here each worker listens at its own
address and greets the others until all have greeted it. A greeting contains the
addresses of `TF_CONFIG` and the index. A worker leaves when no other one needs
its answer any more, so a server of TensorFlow belongs to another run.
"""

import contextlib
import dataclasses
import errno
import json
import logging
import socket
import socketserver
import threading
import time

from trainers.errors import RunError

_RETRY_SECONDS = 0.2
_LOG_AFTER_SECONDS = 5.0  # Then log which workers are missing.
# The worker of an earlier start can still hold the port of a new one. It needs
# up to 10 s to notice that another worker was lost.
_STRANGER_SECONDS = 30.0
_ANSWER_SECONDS = 2.0
# A worker that has the answer says so at once, but a machine on which many
# start can stop it for a while. If nobody waited, it would not come again.
_MET_SECONDS = 60.0
_MARK = "tfmodels-trainers"
_MET = b"met\n"
_LONGEST = 1 << 20  # Bytes of a greeting.


def meet(cluster, timeout_seconds):
    """Waits until all workers of a `Cluster` have started.

    Args:
        cluster: `Cluster`.
        timeout_seconds: float. Longest time to wait.

    Raises:
        RunError: The port of this worker is in use, another worker did not
            come in time, or something else answers at its address.
    """
    to_greet = set(range(cluster.num_workers)) - {cluster.index}
    start = time.monotonic()
    since = {}  # When a stranger first answered, by index.
    is_logged = False
    with _listening(cluster) as greeted_by:
        while True:
            answers = {i: _greet(cluster, i) for i in sorted(to_greet)}
            to_greet = {i for i, a in answers.items() if not a.is_worker}
            to_come = set(range(cluster.num_workers)) - {cluster.index}
            to_come -= greeted_by
            if not to_greet and not to_come:
                return
            now = time.monotonic()
            since = {
                i: since.get(i, now) for i in to_greet if answers[i].stranger
            }
            is_late = now - start > timeout_seconds
            for index, first in since.items():
                if is_late or now - first > _STRANGER_SECONDS:
                    raise _stranger_error(cluster, index, answers[index])
            if is_late:
                raise RunError(
                    f"not all {cluster.num_workers} workers of `TF_CONFIG` "
                    "started within --config.trainer.start_timeout_seconds="
                    f"{timeout_seconds:g}. "
                    + _missing_words(cluster, answers, to_greet, to_come)
                )
            if now - start > _LOG_AFTER_SECONDS and not is_logged:
                logging.getLogger(__name__).info(
                    "waiting for %s", _names(cluster, to_greet | to_come)
                )
                is_logged = True
            time.sleep(_RETRY_SECONDS)


def _names(cluster, indices):
    return ", ".join(
        f"worker {i} at {cluster.addresses[i]}" for i in sorted(indices)
    )


def _missing_words(cluster, answers, to_greet, to_come):
    """Returns who did not answer, and who answered but did not greet."""
    sentences = []
    silent = {i for i in to_greet if answers[i].is_silent}
    if missing := to_greet - silent:
        sentences.append(f"No answer from: {_names(cluster, missing)}.")
    if silent:
        sentences.append(
            "Something accepts connections, but does not answer, at: "
            f"{_names(cluster, silent)}."
        )
    if unheard := to_come - to_greet:
        own = cluster.addresses[cluster.index]
        sentences.append(
            f"No connection to this worker at {own} from: "
            f"{_names(cluster, unheard)}."
        )
    return " ".join(sentences)


def _stranger_error(cluster, index, answer):
    return RunError(
        "`TF_CONFIG` must have the same `cluster` in all workers, another "
        "`index` in each, and ports that nothing else uses. Received: at the "
        f"address of {_names(cluster, [index])}, {answer.stranger}."
    )


@dataclasses.dataclass(frozen=True)
class _Answer:
    """What answers at the address of another worker.

    Attributes:
        is_worker: bool. Whether it is that worker.
        is_silent: bool. Whether it accepts a connection and says nothing.
        stranger: str. What else it is, in words; empty if unknown.
    """

    is_worker: bool = False
    is_silent: bool = False
    stranger: str = ""


def _greeting(cluster):
    greeting = [_MARK, list(cluster.addresses), cluster.index]
    return json.dumps(greeting).encode() + b"\n"


def _parsed(data):
    """Returns `(addresses, index)` of a greeting, or `None`."""
    try:
        mark, addresses, index = json.loads(data)
        is_greeting = mark == _MARK and type(index) is int
        return (tuple(map(str, addresses)), index) if is_greeting else None
    except (ValueError, TypeError, RecursionError):
        return None


def _greet(cluster, index):
    """Greets another worker and returns its `_Answer`."""
    address = _parts(cluster.addresses[index])
    try:
        connection = socket.create_connection(address, _ANSWER_SECONDS)
    except OSError:
        return _Answer()
    with connection:
        if connection.getsockname() == connection.getpeername():
            return _Answer()  # The system connected the socket to itself.
        try:
            connection.sendall(_greeting(cluster))
            answer = _classify(cluster, index, _receive(connection))
            if answer.is_worker:
                connection.sendall(_MET)
            return answer
        except TimeoutError:
            return _Answer(is_silent=True)
        except OSError:
            return _Answer()


def _receive(connection):
    """Returns a line, or the first bytes of what is no greeting."""
    data, end = b"", time.monotonic() + _ANSWER_SECONDS
    while not data.endswith(b"\n") and len(data) < _LONGEST:
        # A program that sends byte by byte has no more time.
        connection.settimeout(max(end - time.monotonic(), 1e-3))
        more = connection.recv(65536)
        data += more
        if not more or not data.startswith(b"["):
            break
    return data


def _classify(cluster, index, data):
    if not data:
        return _Answer()
    if data[3:4] == b"\x04":  # The settings with which HTTP/2 begins.
        return _Answer(
            stranger="a gRPC server answers, such as that of another run"
        )
    found = _parsed(data)
    if found == (cluster.addresses, index):
        return _Answer(is_worker=True)
    if found is None:
        line = data[:80].splitlines()[0].decode("ascii", "replace")
        return _Answer(stranger=f"another program answers: {line!r}")
    addresses, other = found
    if addresses == cluster.addresses:
        return _Answer(stranger=f"worker {other} answers")
    words = ", ".join(addresses)[:200]
    return _Answer(stranger=f"a worker answers with the workers {words}")


@contextlib.contextmanager
def _listening(cluster):
    """Answers greetings in a `with` block.

    Yields:
        Set of int. The workers that have greeted and have the answer.
    """
    address = cluster.addresses[cluster.index]
    host, port = _parts(address)
    # This machine may not know the name that others use for it.
    is_local = host == "localhost" or host.startswith("127.")
    try:
        server = _Server((host if is_local else "", port), cluster)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise RunError(
            "`TF_CONFIG` must give this worker a port that is free. "
            f"Received: {address}: {error.strerror}."
        ) from None
    with server:
        thread = threading.Thread(
            target=server.serve_forever, args=(0.05,), daemon=True
        )
        thread.start()
        try:
            yield server.greeted_by
        finally:
            server.shutdown()


class _Server(socketserver.ThreadingTCPServer):
    """Answers greetings, each in a thread of its own."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address, cluster):
        self.cluster = cluster
        self.greeted_by = set()
        self.request_queue_size = 2 * cluster.num_workers + 8
        super().__init__(address, _Handler)

    def handle_error(self, request, client_address):
        """Ignores a connection that breaks; its worker tries again."""


class _Handler(socketserver.BaseRequestHandler):
    """Answers a greeting."""

    def handle(self):
        """Answers; counts a worker once it has the answer."""
        cluster = self.server.cluster
        found = _parsed(_receive(self.request))
        # A worker with another TF_CONFIG also needs an answer, for its error.
        if found is None:
            return
        self.request.settimeout(_MET_SECONDS)
        self.request.sendall(_greeting(cluster))
        addresses, index = found
        if self.request.recv(len(_MET)) == _MET:
            if addresses == cluster.addresses:
                self.server.greeted_by.add(index)


def _parts(address):
    host, _, port = address.rpartition(":")
    return host, int(port)
