"""Publishes files and directories that are either complete or absent.

A directory is written under a temporary name beside its final name. Then it
gets a manifest with SHA-256 sums, is synced to disk, and is renamed. At the
end its parent directory is synced. A process that dies before the rename
leaves `NAME.tmp-<pid>`. Nothing reads that name, and the next process that
writes to the same parent removes it.
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
# Errors that come from a damaged file, not from the machine.
_DAMAGE_ERRORS = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EINVAL,
    errno.EIO,
)
# Suffix of a directory while another one replaces it.
REPLACED = ".replaced"
_OWN_SUM = "sha256_of_the_rest"


def write_text(path, text):
    """Replaces a text file in one step.

    Args:
        path: pathlib.Path. The file; it does not need to exist.
        text: str. Written in UTF-8.
    """
    temporary = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        sync(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)  # It exists after an error.
    sync(path.parent)


@contextlib.contextmanager
def temporary_dir(parent, name):
    """Yields a directory to fill; removes it if it was not published.

    Args:
        parent: Path. Created if it does not exist.
        name: str. Start of the temporary name.
    """
    parent = pathlib.Path(parent)
    parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(parent)
    # In containers, running processes can have the same number.
    for number in itertools.count(os.getpid()):
        path = parent / f"{name}.tmp-{number}"
        try:
            path.mkdir()
        except FileExistsError:
            continue
        # This process holds the lock until it ends, so that no other process
        # removes the directory. Another one can have removed it before.
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
    """Removes a published directory.

    The directory is renamed first. If the process dies during the removal, no
    incomplete directory keeps the published name.

    Args:
        path: pathlib.Path.
    """
    doomed = path.with_name(f"{path.name}.old.tmp-{os.getpid()}")
    _erase(path.rename(doomed))


def _erase(path):
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def temporaries(parent):
    """Returns the files and directories that have a temporary name.

    Args:
        parent: pathlib.Path. It does not need to exist.
    """
    if not parent.is_dir():
        return []
    # Not `notes.tmp-old.txt`, which a user may have written.
    return [
        path
        for path in parent.iterdir()
        if re.fullmatch(r".*\.tmp-[0-9]+", path.name, re.DOTALL)
    ]


def remove_abandoned(parent):
    """Removes temporary directories whose process is dead.

    Args:
        parent: pathlib.Path. It does not need to exist.
    """
    for path in temporaries(parent):
        lock = _locked(path, wait=False) if path.is_dir() else None
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)


@contextlib.contextmanager
def lock(directory):
    """Holds the lock of a directory; other processes that lock it wait.

    Args:
        directory: pathlib.Path. If it does not exist, nothing is locked.
    """
    descriptor = _locked(directory, wait=True)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _locked(path, *, wait):
    """Returns an open descriptor that holds the lock of a directory.

    Returns `None` if another process holds it or removed the directory.
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
        # Some network file systems have no locks. Nothing is removed there.
        if not wait:
            os.close(descriptor)
            return None
    return descriptor


def publish(path, final, facts, manifest=MANIFEST, *, replace=False):
    """Writes the manifest of a filled directory and renames the directory.

    Args:
        path: pathlib.Path. Directory from `temporary_dir`.
        final: pathlib.Path. Final name, in the same file system.
        facts: dict. Written into the manifest, beside sizes and sums.
        manifest: str. Name of the manifest file in the directory.
        replace: bool. Whether to replace a `final` that exists. A process
            that dies during the replacement leaves it as `NAME.replaced`.

    Raises:
        OSError: `final` exists and is not empty, and `replace` is false.
    """
    files = {
        file.relative_to(path).as_posix(): {
            "bytes": file.stat().st_size,
            "sha256": _sha256(file),
        }
        for file in sorted(path.rglob("*"))
        # An existing manifest is not part of the content.
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
    """Compares the files of a published directory with its manifest.

    Args:
        path: pathlib.Path. The directory.
        manifest: str. Name of the manifest file in it.

    Returns:
        dict. The facts in the manifest, without the list of files.

    Raises:
        RunError: The manifest or a file is missing or damaged.
    """
    facts, files = read_manifest(path, manifest)
    for name, (_, expected) in files.items():
        file = path / name
        if not _is_whole(file, path, expected):
            raise RunError(f"{file}: missing or damaged.")
    return facts


def is_of_damage(error):
    """Returns whether an exception means that the file read is damaged.

    Other exceptions, such as too many open files, come from the machine.

    Args:
        error: Exception. Raised while a file was read.

    Returns:
        bool.
    """
    if isinstance(error, OSError):
        return error.errno is None or error.errno in _DAMAGE_ERRORS
    return not isinstance(error, MemoryError)


def _is_whole(file, directory, expected):
    try:
        # A name with `..` could point to a file outside the directory.
        is_inside = file.resolve().is_relative_to(directory.resolve())
        return is_inside and file.is_file() and _sha256(file) == expected
    except (OSError, ValueError, RuntimeError) as error:
        # Not a file name, a loop of links, or an error of the disk.
        if is_of_damage(error):
            return False
        raise


def read_manifest(path, manifest=MANIFEST):
    """Reads a manifest; does not check the files in it.

    Args:
        path: pathlib.Path. The published directory.
        manifest: str. Name of the manifest file in it.

    Returns:
        `(facts, files)`: the facts as a dict, and `{file name: (bytes,
        sha256)}`.

    Raises:
        RunError: The manifest is missing or damaged.
    """
    try:
        facts = json.loads((path / manifest).read_text(encoding="utf-8"))
        if facts.pop(_OWN_SUM) != _sum_of(facts):
            raise ValueError("it does not match its own sum")
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

    A version is a directory with a decimal name, as for TensorFlow Serving.

    Args:
        directory: pathlib.Path. It does not need to exist.
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
    """Waits until a file, or the names in a directory, are on disk.

    Args:
        path: Path of the file or directory.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
