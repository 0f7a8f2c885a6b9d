"""Keeps a second trainer out of a work directory: the file `lock` in it.

The operating system releases the lock when the process ends for any reason. The
file stays, and says which process had the lock last.
"""

import contextlib
import fcntl
import logging
import os
import socket

from trainers.errors import ConfigError

_NAME = "lock"


def check_free(directory):
    """Checks that no other trainer holds the lock, if there is one.

    Args:
        directory: `pathlib.Path` of the work directory.

    Raises:
        ConfigError: Another trainer holds the lock.
    """
    if (directory / _NAME).exists():
        with _opened(directory) as file:
            _take(file, directory)  # Closing the file releases the lock.


@contextlib.contextmanager
def held(directory):
    """Holds the lock in a `with` block.

    Args:
        directory: `pathlib.Path` of the work directory.

    Raises:
        ConfigError: Another trainer holds the lock.
    """
    with _opened(directory) as file:
        _take(file, directory)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield


def _opened(directory):
    return (directory / _NAME).open("a+", encoding="utf-8")


def _take(file, directory):
    """Locks the open lock file, or raises `ConfigError`."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read(200).strip() or "unknown"
        raise ConfigError(
            "`--workdir` must not be in use by another trainer. "
            f"Received: {str(directory)!r}, held by {holder}."
        ) from None
    except OSError as error:
        logging.getLogger(__name__).warning(
            "%s cannot be locked (%s): make sure that no two trainers "
            "use it at the same time.",
            directory,
            error.strerror,
        )
