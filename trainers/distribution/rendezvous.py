"""The workers of a run wait for each other, before TensorFlow does.

TensorFlow waits without an end, and in a place where Python hears no signals.
Here each worker listens at its own address, and knocks at those of the others
until all have answered: this program, or already TensorFlow, which takes the
same port next.
"""

import contextlib
import errno
import logging
import socket
import time

from trainers.errors import RunError

_SECONDS_BETWEEN = 0.2
_MORE_THAN_SOME = 5.0  # Seconds after which one says whom one waits for.


def meet(cluster, timeout_seconds):
    """Returns when all workers of a `Cluster` have been there.

    Args:
        cluster: `Cluster`.
        timeout_seconds: Longest time to wait.

    Raises:
        RunError: The port of this worker is in use, or others did not come.
    """
    missing = {
        index: address
        for index, address in enumerate(cluster.addresses)
        if index != cluster.index
    }
    start = time.monotonic()
    is_told = False
    with _listening(cluster.addresses[cluster.index], len(missing)):
        while True:
            missing = {i: a for i, a in missing.items() if not _answers(a)}
            if not missing:
                return
            waited = time.monotonic() - start
            names = ", ".join(f"worker {i} at {a}" for i, a in missing.items())
            if waited > timeout_seconds:
                raise RunError(
                    f"not all {cluster.num_workers} workers of `TF_CONFIG` "
                    "came within --config.trainer.start_timeout_seconds="
                    f"{timeout_seconds:g}. No answer from: {names}."
                )
            if waited > _MORE_THAN_SOME and not is_told:
                logging.getLogger(__name__).info("waiting for %s", names)
                is_told = True
            time.sleep(_SECONDS_BETWEEN)


@contextlib.contextmanager
def _listening(address, num_others):
    host, port = _parts(address)
    # The name of this machine can be one that only others know it by.
    is_local = host == "localhost" or host.startswith("127.")
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host if is_local else "", port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise RunError(
                "`TF_CONFIG` must give this worker a port that is free. "
                f"Received: {address}: {error.strerror}."
            ) from None
        # The system answers, as often as each of the others may knock.
        listener.listen(2 * num_others + 8)
        yield


def _answers(address):
    try:
        socket.create_connection(_parts(address), timeout=2).close()
    except OSError:
        return False
    return True


def _parts(address):
    host, _, port = address.rpartition(":")
    return host, int(port)
