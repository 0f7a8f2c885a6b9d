"""Files and directories that are complete or not there.

A directory is written under a temporary name beside its final one, synced,
given a manifest with SHA-256 sums, renamed, and its parent synced. A process
that dies on the way leaves `NAME.tmp-<pid>`, which nothing reads.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil

from trainers.errors import RunError

MANIFEST = "manifest.json"


def write_text(path, text):
    """Replaces a text file in one step."""
    temporary = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        _sync(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)  # It is there after an error.
    _sync(path.parent)


@contextlib.contextmanager
def temporary_dir(parent, name):
    """Yields a directory to fill; removes it if it was not published."""
    path = pathlib.Path(parent) / f"{name}.tmp-{os.getpid()}"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def publish(path, final, facts, manifest=MANIFEST):
    """Seals a filled directory and gives it its final name.

    Args:
        path: Directory from `temporary_dir`.
        final: Name in the same file system.
        facts: Dict written into the manifest, beside sizes and sums.
        manifest: Name of the manifest file in the directory.

    Raises:
        OSError: `final` exists and is not empty.
    """
    files = {
        file.relative_to(path).as_posix(): {
            "bytes": file.stat().st_size,
            "sha256": _sha256(file),
        }
        for file in sorted(path.rglob("*"))
        # One of an earlier try under another name is not part of the content.
        if file.is_file() and file != path / manifest
    }
    text = json.dumps(facts | {"files": files}, indent=2) + "\n"
    (path / manifest).write_text(text, encoding="utf-8")
    for file in path.rglob("*"):
        _sync(file)
    _sync(path)
    os.rename(path, final)
    _sync(final.parent)


def verify(path, manifest=MANIFEST):
    """Returns the facts of a published directory.

    Raises:
        RunError: The manifest is missing, or a file is not what it was.
    """
    try:
        facts = json.loads((path / manifest).read_text(encoding="utf-8"))
        sums = {name: f["sha256"] for name, f in facts.pop("files").items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: no readable manifest: {error}") from None
    for name, expected in sums.items():
        file = path / name
        if not file.is_file() or _sha256(file) != expected:
            raise RunError(f"{file}: missing or damaged.")
    return facts


def numbered(directory):
    """Returns the versions in a directory, paths by number.

    As for TensorFlow Serving, a version is a directory with a decimal name.
    """
    if not directory.is_dir():
        return {}
    return {
        int(path.name): path
        for path in directory.iterdir()
        if re.fullmatch("[0-9]+", path.name) and path.is_dir()
    }


def _sha256(file):
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
