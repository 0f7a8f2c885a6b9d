"""Paths inside installed packages: `package://PKG/DIR`."""

import importlib.util
import os
import pathlib

_SCHEME = "package://"


def find(path):
    """Returns a path, with `package://PKG/DIR` turned into the directory's.

    Args:
        path: str.

    Raises:
        LookupError: The package is not installed, or is a single module.
    """
    if not path.startswith(_SCHEME):
        # A shell leaves the `~` of `--flag=~/x` alone.
        return pathlib.Path(os.path.expanduser(path))
    package, _, inside = path.removeprefix(_SCHEME).partition("/")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    # A module that is a file has no directory to look in.
    if spec is None or not spec.submodule_search_locations:
        raise LookupError(f"no installed package {package!r}")
    return pathlib.Path(spec.submodule_search_locations[0]) / inside
