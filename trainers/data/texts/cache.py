"""Tokenized splits on disk, so that later runs start at once.

    <cache_dir>/<fingerprint>/arrays.npz     token ids, row splits, labels
    <cache_dir>/<fingerprint>/facts.json     the other facts
    <cache_dir>/<fingerprint>/manifest.json  SHA-256 sums of the two

The name is a hash of all that decides the content. A directory is published
by renaming, so that a half-written one has another name; a damaged one does
not fit its sums and is made again.
"""

import hashlib
import json
import logging
import os
import pathlib
import shutil

import numpy as np

from trainers.errors import DataError
from trainers.errors import RunError
from trainers.runtime import atomic

# To be raised when the arrays or the ops that make them change.
FORMAT_VERSION = 1
_ARRAYS = "arrays.npz"
# Not in the manifest, which no sum protects.
_FACTS = "facts.json"


def cache_dir(name):
    """Returns the directory that `--config.data.cache_dir` names, or `None`."""
    if name == "none":
        return None
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    # Where nobody has a home, `~` stays what it is, and is made here.
    return pathlib.Path(
        os.path.expanduser(name or os.path.join(home, "tfmodels-trainers"))
    )


def fingerprint(files, facts):
    """Returns a hash of what files hold and of other facts.

    Args:
        files: Paths, in order.
        facts: JSON-like.

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
        # The name is in messages and decides the format.
        total.update(f"{file}\0{digest.hexdigest()}\n".encode())
    return total.hexdigest()[:32]


def read(directory, name):
    """Returns `(arrays, facts)` that `write` left, or `None`.

    Args:
        directory: `pathlib.Path` or `None`.
        name: From `fingerprint`.
    """
    # Unlike `Path.is_dir`, it answers for places that may not be looked at.
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
            "the cache of tokenized data is damaged and made again: %s", error
        )
        shutil.rmtree(path, ignore_errors=True)
        return None


def write(directory, name, arrays, facts):
    """Publishes arrays and JSON-like facts; a failure is but a warning."""
    if directory is None:
        return
    try:
        with atomic.temporary_dir(directory, name) as path:
            np.savez(path / _ARRAYS, **arrays)
            (path / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
            atomic.publish(path, directory / name, {})
    except OSError as error:
        if not os.path.isdir(directory / name):  # Else another run was faster.
            logging.getLogger(__name__).warning(
                "tokenized data could not be kept for the next run: %s: %s. "
                "Name another place with --config.data.cache_dir.",
                directory,
                error.strerror,
            )
