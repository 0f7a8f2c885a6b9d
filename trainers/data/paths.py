"""From a flag to files, and from the name of a file to its kind."""

import glob
import os
import pathlib

from tfmodels import package_paths
from trainers.config import local_path
from trainers.config.kinds import SUFFIXES
from trainers.data.texts import file_kinds
from trainers.errors import ConfigError

FOLDER = "text_folder"
_ANY = " --config.data.source=files reads both."


def find_labelled(path, data, flag):
    """Returns the files that a path names, each with its kind.

    Args:
        path: str. See `find`.
        data: `TextDataConfig`. The source `files` derives the kind from the
            name of each file.
        flag: str. Name of the path in error messages.

    Returns:
        List of `(pathlib.Path, str)`.

    Raises:
        ConfigError: There is no such file, or its kind is unknown.
    """
    return [
        (file, _checked_kind(file, data, flag)) for file in find(path, flag)
    ]


def find(path, flag, wanted="a file, folder or pattern that exists"):
    """Returns the files and folders that a path or a pattern names, sorted.

    Args:
        path: str. A path, or `package://PKG/FILE` for a file inside an
            installed package. If no such file exists, the path is a pattern
            like `part-*.csv`.
        flag: str. Name of the path in error messages.
        wanted: str. The rule for the flag, in words.

    Returns:
        List of `pathlib.Path`, not empty.

    Raises:
        ConfigError: There is no such file or package.
    """
    path = local_path.checked(path, flag, ("package",))
    literal, pattern = _locate(path, flag)
    # The name of a file cannot contain NUL, and `glob` fails on it.
    if "\0" not in path:
        if os.path.exists(literal):
            return [pathlib.Path(literal)]
        if found := sorted(glob.glob(pattern, recursive=True)):
            return [pathlib.Path(file) for file in found]
    raise ConfigError(f"`{flag}` must be {wanted}. Received: {path!r}.")


def _locate(path, flag):
    """Returns path and pattern, both with the directory of the package."""
    if not path.startswith("package://"):
        return path, path
    package, _, inside = path.removeprefix("package://").partition("/")
    try:
        root = str(package_paths.find(f"package://{package}"))
    except LookupError:
        raise ConfigError(
            f"`{flag}` must be package://PKG/FILE with an installed package "
            f"PKG. Received: {path!r}."
        ) from None
    return (
        os.path.join(root, inside),
        os.path.join(glob.escape(root), inside),
    )


def wrong_kind(flag, wanted, path, found, advice=""):
    """Returns the error for a folder instead of a file, or the reverse.

    Args:
        flag: str. Name of the path in the message.
        wanted: str. The rule for the flag, in words.
        path: str or `pathlib.Path`.
        found: str. "a file" or "a folder".
        advice: str. What follows the message.

    Returns:
        `ConfigError`.
    """
    return ConfigError(
        f"`{flag}` must be {wanted}. Received: {str(path)!r}, which is {found}."
        f"{advice}"
    )


def _checked_kind(file, data, flag):
    source, is_folder = data.source, file.is_dir()
    if source == "files":
        kind = FOLDER if is_folder else file_kinds.kind_of(file)
        allowed = file_kinds.allowed(data)
        if kind not in allowed:
            suffixes = [s for s, of in SUFFIXES.items() if of in allowed]
            start = "be a folder, or end" if FOLDER in allowed else "end"
            raise ConfigError(
                f"`{flag}` must {start} in one of {', '.join(suffixes)} (and "
                f".gz, .bz2, .xz, .zip). Received: {str(file)!r}. "
                f"{_other_words(kind, file, data)}"
            )
        return kind
    if is_folder and source != FOLDER:
        wanted = f"a file with --config.data.source={source}"
        raise wrong_kind(flag, wanted, file, "a folder", _ANY)
    if not is_folder and source == FOLDER:
        wanted = f"a folder with --config.data.source={source}"
        raise wrong_kind(flag, wanted, file, "a file", _ANY)
    return source


def _other_words(kind, file, data):
    """Returns what to do about a file of an unknown or another kind."""
    if kind is None:
        return file_kinds.unknown_words(file, data)
    if kind == FOLDER and not data.per_token:
        return (
            "It is a folder, in which a file is one text. Write both texts of "
            "a pair into one row of a table, such as a .csv file."
        )
    if data.per_token:
        what = "a folder" if kind == FOLDER else f"a file of the kind {kind}"
        return (
            f"It is {what}, which has no words with tags and no spans. Write "
            "texts with spans to a .jsonl file."
        )
    return (
        f"Files of the kind {kind} have a tag for each word. To learn tags, "
        "begin with --config=configs/bert_tagger.py."
    )


def resolve_path(path):
    """Returns the directory or file that `--config.data.path` names.

    Args:
        path: str. A path, or `package://PKG/DIR` for a directory inside an
            installed package.

    Returns:
        `pathlib.Path`. It exists.

    Raises:
        ConfigError: There is no such file or package.
    """
    place = local_path.checked(path, "--config.data.path", ("package",))
    try:
        file = package_paths.find(place)
    except LookupError:
        raise ConfigError(
            "`--config.data.path` must be package://PKG/DIR with an "
            f"installed package PKG. Received: {path!r}."
        ) from None
    if not os.path.exists(file):
        raise ConfigError(
            f"`--config.data.path` must exist. Received: {path!r}."
        )
    return file
