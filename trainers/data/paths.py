"""From a flag to files, and from a file's name to its kind."""

import glob
import os
import pathlib

from tfmodels import package_paths
from trainers.errors import ConfigError

FOLDER = "text_folder"
_KINDS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".tfrecord": "tfrecord",
    ".tfrecords": "tfrecord",
}


def find_labelled(path, source, flag):
    """Returns `(file, kind)` pairs for what a flag names.

    Args:
        path: See `find`.
        source: Kind of the files, or `files` to go by their names.
        flag: What to call the path in an error.

    Raises:
        ConfigError: There is no such file, or it is not of a known kind.
    """
    return [
        (file, _checked_kind(file, source, flag)) for file in find(path, flag)
    ]


def find(path, flag, wanted="a file, folder or pattern that exists"):
    """Returns the files and folders that a path or a pattern names, sorted.

    Args:
        path: A path, or `package://PKG/FILE` for one inside an installed
            package. If there is no such file, a pattern like `part-*.csv`.
        flag: What to call the path in an error.
        wanted: What the flag must be, in words.

    Raises:
        ConfigError: There is no such file or package.
    """
    literal, pattern = _locate(path, flag)
    # No file has a NUL in its name, and `glob` fails on it.
    if "\0" not in path:
        if os.path.exists(literal):
            return [pathlib.Path(literal)]
        if found := sorted(glob.glob(pattern, recursive=True)):
            return [pathlib.Path(file) for file in found]
    raise ConfigError(f"`{flag}` must be {wanted}. Received: {path!r}.")


def _locate(path, flag):
    """Returns path and pattern, with the directory of a package before."""
    if not path.startswith("package://"):
        # A shell leaves the `~` of `--flag=~/x` alone.
        path = os.path.expanduser(path)
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


def kind_by_name(file):
    """Returns the kind that a file's name tells, or `None`."""
    name = file.name.lower().removesuffix(".gz")
    return _KINDS.get(os.path.splitext(name)[1])


def wrong_kind(flag, wanted, path, found):
    """Returns the error for a folder in place of a file, or the reverse."""
    return ConfigError(
        f"`{flag}` must be {wanted}. Received: {str(path)!r}, which is {found}."
    )


def _checked_kind(file, source, flag):
    is_folder = file.is_dir()
    if source == "files":
        kind = FOLDER if is_folder else kind_by_name(file)
        if kind is None:
            raise ConfigError(
                f"`{flag}` must be a folder, or end in one of "
                f"{', '.join(_KINDS)} (and .gz). Received: {str(file)!r}. "
                "Tell its kind with --config.data.source=csv."
            )
        return kind
    if is_folder and source != FOLDER:
        wanted = f"a file with --config.data.source={source}"
        raise wrong_kind(flag, wanted, file, "a folder")
    if not is_folder and source == FOLDER:
        wanted = f"a folder with --config.data.source={source}"
        raise wrong_kind(flag, wanted, file, "a file")
    return source


def resolve_path(path):
    """Returns the directory or file that `--config.data.path` names.

    Args:
        path: A path, or `package://PKG/DIR` for one inside an installed
            package.

    Raises:
        ConfigError: There is no such file or package.
    """
    try:
        file = package_paths.find(path)
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
