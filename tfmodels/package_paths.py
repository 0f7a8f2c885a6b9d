"""Paths inside installed packages: `package://PKG/DIR`."""

import importlib.util
import pathlib

_SCHEME = "package://"


def find(path):
    """Returns the path on disk of a path or of `package://PKG/DIR`.

    Args:
        path: str. A path, or `package://PKG/DIR`.

    Returns:
        `pathlib.Path`. It may not exist.

    Raises:
        LookupError: The package is not installed, or is a single module.
    """
    if not path.startswith(_SCHEME):
        return pathlib.Path(path)
    package, _, inside = path.removeprefix(_SCHEME).partition("/")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    # A package that is a single file has no directory.
    if spec is None or not spec.submodule_search_locations:
        raise LookupError(f"no installed package {package!r}")
    return pathlib.Path(spec.submodule_search_locations[0]) / inside
