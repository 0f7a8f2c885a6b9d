"""Tokenized splits on disk, so that later runs start at once.

    <cache_dir>/<fingerprint>/arrays.npz     token ids, targets, places
    <cache_dir>/<fingerprint>/facts.json     the other facts
    <cache_dir>/<fingerprint>/manifest.json  SHA-256 sums of the two

The fingerprint is a hash of everything that determines the content. A directory
is written under another name and then renamed, so an incomplete one is never
read. A damaged directory does not match its sums and is written again.
"""

import hashlib
import json
import logging
import os
import pathlib
import shutil

import numpy as np

from tfmodels import local_paths
from trainers.errors import DataError
from trainers.errors import RunError
from trainers.runtime import atomic
from trainers.runtime.cache_home import cache_home

# Increase it when the arrays or the ops that make them change.
FORMAT_VERSION = 7
_ARRAYS = "arrays.npz"
# Not in the manifest, which has no sum of its own.
_FACTS = "facts.json"


def cache_dir(name):
    """Returns the directory of the cache, or `None` if there is none.

    Args:
        name: str. The value of `--config.data.cache_dir`. Empty means the
            default, `none` switches the cache off.
    """
    if name == "none":
        return None
    return pathlib.Path(local_paths.expanded(name)) if name else cache_home()


def fingerprint(files, facts):
    """Returns a hash of the content of files and of other facts.

    Args:
        files: List of `pathlib.Path` or str, in a fixed order.
        facts: Value that `json.dumps` accepts.

    Returns:
        str of 32 hexadecimal digits.

    Raises:
        DataError: A file cannot be read.
    """
    total = hashlib.sha256()
    total.update(json.dumps([FORMAT_VERSION, facts], sort_keys=True).encode())
    for file in files:
        try:
            with open(file, "rb") as stream:
                digest = hashlib.file_digest(stream, "sha256")
        except OSError as error:
            raise DataError(f"{file}: {error.strerror}") from None
        # Messages contain the name, and it determines the format.
        total.update(os.fsencode(file))  # It can be in any encoding.
        total.update(f"\0{digest.hexdigest()}\n".encode())
    return total.hexdigest()[:32]


def read(directory, name):
    """Returns the content of the cache, or `None` if it has none.

    Args:
        directory: `pathlib.Path`; `None` means no cache.
        name: str from `fingerprint`.

    Returns:
        `(arrays, facts)` as given to `write`, or `None`.
    """
    # Unlike `Path.is_dir`, `isdir` does not raise an error without permission.
    path = directory and directory / name
    if path is None or not os.path.isdir(path):
        return None
    try:
        atomic.verify(path)
        facts = json.loads((path / _FACTS).read_text(encoding="utf-8"))
        with np.load(path / _ARRAYS) as archive:
            return {key: archive[key] for key in archive.files}, facts
    except (RunError, OSError, ValueError, RecursionError) as error:
        logging.getLogger(__name__).warning(
            "the cache of tokenized data is damaged and is written again: %s",
            error,
        )
        shutil.rmtree(path, ignore_errors=True)
        return None


def write(directory, name, arrays, facts):
    """Writes arrays and facts to the cache. A failure is only a warning.

    Args:
        directory: `pathlib.Path`; `None` means no cache.
        name: str from `fingerprint`.
        arrays: Dict of `numpy.ndarray` by name.
        facts: Value that `json.dumps` accepts.
    """
    if directory is None:
        return
    try:
        with atomic.temporary_dir(directory, name) as path:
            np.savez(path / _ARRAYS, **arrays)
            (path / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
            atomic.publish(path, directory / name, {})
    except OSError as error:
        if not os.path.isdir(directory / name):  # Else another run wrote it.
            logging.getLogger(__name__).warning(
                "tokenized data could not be written to the cache: %s: %s. "
                "Name another directory with --config.data.cache_dir.",
                directory,
                error.strerror,
            )
