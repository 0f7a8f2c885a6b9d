"""Files and directories that are complete or not there.

A directory is written under a temporary name beside its final one, synced,
given a manifest with SHA-256 sums, renamed, and its parent synced. A process
that dies on the way leaves `NAME.tmp-<pid>`, which nothing reads, and which
the next one that writes there removes.
"""

import contextlib
import errno
import fcntl
import hashlib
import itertools
import json
import os
import pathlib
import re
import shutil

from trainers.errors import RunError

MANIFEST = "manifest.json"
_OF_DAMAGE = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EINVAL,
    errno.EIO,
)
# What a directory is called while another takes its place.
REPLACED = ".replaced"
_OWN_SUM = "sha256_of_the_rest"


def write_text(path, text):
    """Replaces a text file in one step."""
    temporary = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        sync(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)  # It is there after an error.
    sync(path.parent)


@contextlib.contextmanager
def temporary_dir(parent, name):
    """Yields a directory to fill; removes it if it was not published."""
    parent = pathlib.Path(parent)
    parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(parent)
    # In containers, living processes may have equal numbers.
    for number in itertools.count(os.getpid()):
        path = parent / f"{name}.tmp-{number}"
        try:
            path.mkdir()
        except FileExistsError:
            continue
        # Held while this process lives, so that no other removes the
        # directory. One that looked before it was held may have done so.
        lock = _locked(path, wait=True)
        if lock is not None and path.exists():
            break
        if lock is not None:
            os.close(lock)
    try:
        yield path
    finally:
        os.close(lock)
        shutil.rmtree(path, ignore_errors=True)


def remove(path):
    """Removes a published directory; a half-removed one has another name."""
    doomed = path.with_name(f"{path.name}.old.tmp-{os.getpid()}")
    _erase(path.rename(doomed))


def _erase(path):
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def temporaries(parent):
    """Returns what has a temporary name: files and directories."""
    if not parent.is_dir():
        return []
    # Not `notes.tmp-old.txt`, which is somebody's own.
    return [
        path
        for path in parent.iterdir()
        if re.fullmatch(r".*\.tmp-[0-9]+", path.name, re.DOTALL)
    ]


def remove_abandoned(parent):
    """Removes temporary directories whose process is dead."""
    for path in temporaries(parent):
        lock = _locked(path, wait=False) if path.is_dir() else None
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)


@contextlib.contextmanager
def lock(directory):
    """Keeps others that lock a directory waiting meanwhile."""
    descriptor = _locked(directory, wait=True)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _locked(path, *, wait):
    """Returns an open descriptor that holds the lock of a directory.

    `None` where another process holds it, or removed the directory.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        # Some network file systems have no locks: nothing is removed there.
        if not wait:
            os.close(descriptor)
            return None
    return descriptor


def publish(path, final, facts, manifest=MANIFEST, *, replace=False):
    """Seals a filled directory and gives it its final name.

    Args:
        path: Directory from `temporary_dir`.
        final: Name in the same file system.
        facts: Dict written into the manifest, beside sizes and sums.
        manifest: Name of the manifest file in the directory.
        replace: Whether a `final` that exists gives way. A process that dies
            at that moment leaves it as NAME.replaced.

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
    facts = facts | {"files": files}
    text = json.dumps(facts | {_OWN_SUM: _sum_of(facts)}, indent=2) + "\n"
    (path / manifest).write_text(text, encoding="utf-8")
    for file in path.rglob("*"):
        sync(file)
    sync(path)
    if replace and final.exists():
        replaced = final.with_name(f"{final.name}{REPLACED}")
        final.rename(replaced)
        os.rename(path, final)
        sync(final.parent)
        remove(replaced)
    else:
        os.rename(path, final)
        sync(final.parent)


def verify(path, manifest=MANIFEST):
    """Returns the facts of a published directory.

    Raises:
        RunError: The manifest is missing, or a file is not what it was.
    """
    facts, files = read_manifest(path, manifest)
    for name, (_, expected) in files.items():
        file = path / name
        if not _is_whole(file, path, expected):
            raise RunError(f"{file}: missing or damaged.")
    return facts


def is_of_damage(error):
    """Returns whether an exception says something about what was read.

    Others, such as too many open files, are of the machine.
    """
    if isinstance(error, OSError):
        return error.errno is None or error.errno in _OF_DAMAGE
    return not isinstance(error, MemoryError)


def _is_whole(file, directory, expected):
    try:
        # A name with `..` in it would be some other file.
        is_inside = file.resolve().is_relative_to(directory.resolve())
        return is_inside and file.is_file() and _sha256(file) == expected
    except (OSError, ValueError, RuntimeError) as error:
        # No name of a file; a loop of links; a disk that cannot read it.
        if is_of_damage(error):
            return False
        raise


def read_manifest(path, manifest=MANIFEST):
    """Returns `(facts, {file name: (bytes, sha256)})`, checking no file.

    Raises:
        RunError: The manifest is missing or not one.
    """
    try:
        facts = json.loads((path / manifest).read_text(encoding="utf-8"))
        if facts.pop(_OWN_SUM) != _sum_of(facts):
            raise ValueError("it does not fit its own sum")
        files = {
            name: (int(f["bytes"]), str(f["sha256"]))
            for name, f in facts.pop("files").items()
        }
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        if not is_of_damage(error):
            raise
        raise RunError(f"{path}: no readable manifest: {error}") from None
    return facts, files


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


def _sum_of(facts):
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _sha256(file):
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sync(path):
    """Returns when a file, or the names in a directory, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
