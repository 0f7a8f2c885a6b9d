"""Lets the workers of a run wait for each other before TensorFlow starts.

TensorFlow waits without a limit, at a place where Python receives no signals.
Here each worker listens at its own address and connects to the addresses of the
others until all have answered. The answer comes from this module, or from
TensorFlow, which uses the same port afterwards.
"""

import contextlib
import errno
import logging
import socket
import time

from trainers.errors import RunError

_RETRY_SECONDS = 0.2
_LOG_AFTER_SECONDS = 5.0  # Then log which workers are missing.


def meet(cluster, timeout_seconds):
    """Waits until all workers of a `Cluster` have started.

    Args:
        cluster: `Cluster`.
        timeout_seconds: float. Longest time to wait.

    Raises:
        RunError: The port of this worker is in use, or another worker did not
            answer in time.
    """
    missing = {
        index: address
        for index, address in enumerate(cluster.addresses)
        if index != cluster.index
    }
    start = time.monotonic()
    is_logged = False
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
                    "started within --config.trainer.start_timeout_seconds="
                    f"{timeout_seconds:g}. No answer from: {names}."
                )
            if waited > _LOG_AFTER_SECONDS and not is_logged:
                logging.getLogger(__name__).info("waiting for %s", names)
                is_logged = True
            time.sleep(_RETRY_SECONDS)


@contextlib.contextmanager
def _listening(address, num_others):
    host, port = _parts(address)
    # This machine may not know the name that others use for it.
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
        # The operating system accepts the connections; workers retry them.
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
