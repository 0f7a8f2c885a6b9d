"""Files in a directory of Hugging Face: where they are, what can be wrong."""

import json
import shlex

_POINTER = b"version https://git-lfs"


def find(path):
    """Returns the directory with the files of a model.

    Args:
        path: `pathlib.Path`. The directory itself, or a directory
            `models--ORG--NAME` of the cache of Hugging Face. There, the
            snapshot of the branch `main`, or the only one, is taken.

    Returns:
        `pathlib.Path`; `path` itself if it is not such a directory.
    """
    snapshots = path / "snapshots"
    if (path / "config.json").exists() or not snapshots.is_dir():
        return path
    branch = path / "refs" / "main"
    if branch.is_file():
        snapshot = snapshots / branch.read_text(encoding="utf-8").strip()
        if snapshot.is_dir():
            return snapshot
    found = [entry for entry in snapshots.iterdir() if entry.is_dir()]
    return found[0] if len(found) == 1 else path


def is_there(file):
    """Returns whether a file exists, with its content.

    Args:
        file: `pathlib.Path`.

    Raises:
        ValueError: The file is a pointer of Git LFS, or a link to a file that
            does not exist.
    """
    if file.is_symlink() and not file.exists():
        raise ValueError(
            f"{file.name} is a link to {file.readlink()}, which does not "
            "exist. Copy the file itself, or download it again."
        )
    if not file.is_file():
        return False
    with open(file, "rb") as stream:
        if stream.read(len(_POINTER)) == _POINTER:
            raise ValueError(
                f"{file.name} is a pointer of Git LFS, not the file itself. "
                f"Run `git -C {shlex.quote(str(file.parent))} lfs pull`"
            )
    return True


def read_json(file):
    """Returns the dict of a JSON file.

    Args:
        file: `pathlib.Path`.

    Raises:
        ValueError: The file is missing, cannot be read, is a pointer of Git
            LFS or is not a JSON object.
    """
    if not is_there(file):
        raise ValueError(f"it has no {file.name}")
    try:
        # Some editors write a byte order mark.
        facts = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{file.name} cannot be read: {error}") from None
    if not isinstance(facts, dict):
        raise ValueError(f"{file.name} must be a JSON object")
    return facts


def read_json_if_there(file):
    """Returns the dict of a JSON file; an empty dict if it is missing.

    Args:
        file: `pathlib.Path`.

    Raises:
        ValueError: See `read_json`.
    """
    return read_json(file) if is_there(file) else {}


def to_json(value):
    """Returns a value in the notation of JSON, for messages.

    Args:
        value: JSON-like.
    """
    return json.dumps(value, ensure_ascii=False)
