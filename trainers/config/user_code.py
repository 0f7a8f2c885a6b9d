"""The code of users: which files decide what a kind does."""

import ast
import hashlib
import pathlib
import sys
import warnings


def code_of(kind):
    """Returns what changes if the code of a kind changes, JSON-like.

    The code of this project changes only with its version, so the name is
    enough. A package of the user changes while he works on it.

    Args:
        kind: Class, or its `MODULE:NAME` after `load`.

    Returns:
        List of str: the path of the kind, and the SHA-256 sum of each file of
        `modules_of`.
    """
    path = kind
    if not isinstance(kind, str):
        path = f"{kind.__module__}:{kind.__qualname__}"
    return [path, *modules_of(kind).values()]


def modules_of(kind):
    """Returns the modules of the user that a kind consists of.

    These are the modules that define the kind and the classes that it is
    derived from, and the modules of the same top-level package that they
    import, also inside of functions. Modules of this project and of Python do
    not count, nor do those of other packages that are installed, nor imports by
    a name that is computed.

    The answer depends on files only, and not on what is imported so far: each
    process of a run finds the same.

    Args:
        kind: Class, or its `MODULE:NAME` after `load`.

    Returns:
        Dict by name of the module of the SHA-256 sum of its file. The names are
        sorted.
    """
    if isinstance(kind, str):
        waiting = [kind.partition(":")[0]]
    else:
        bases = getattr(kind, "__mro__", [kind])
        waiting = [base.__module__ for base in bases]
    own, found = waiting[0].partition(".")[0], {}
    while waiting:
        name = waiting.pop()
        file = None if name in found else _file_of_user(name, own)
        if file is not None:
            code = file.read_bytes()
            found[name] = hashlib.sha256(code).hexdigest()
            waiting += _imported(name, file, code)
    return dict(sorted(found.items()))


_NOT_OF_USERS = {
    "__main__",
    "tfmodels",
    "trainers",
    *sys.builtin_module_names,
    *sys.stdlib_module_names,
}


def _file_of_user(name, own):
    """Returns the file of a module, or `None`. Imports nothing.

    Args:
        name: str. Name of the module.
        own: str. Package that counts even if it is installed.
    """
    top, *rest = name.split(".")
    if top in _NOT_OF_USERS or top not in sys.modules:
        return None
    folders = getattr(sys.modules[top], "__path__", None)
    file = getattr(sys.modules[top], "__file__", None)
    if top != own and "site-packages" in pathlib.Path(file or "").parts:
        return None
    if folders is None or not rest:
        return pathlib.Path(file) if file and not rest else None
    for folder in folders:
        path = pathlib.Path(folder, *rest)
        for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
            if file.is_file():
                return file
    return None


def _imported(name, file, code):
    """Yields the modules that a module may import from its own package."""
    parts = name.split(".")
    # Python imports a package before a module in it.
    yield from (".".join(parts[:n]) for n in range(1, len(parts)))
    package = parts if file.name == "__init__.py" else parts[:-1]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warned at the import.
            nodes = list(ast.walk(ast.parse(code)))
    except (SyntaxError, ValueError):
        return  # For example a compiled module.
    for node in nodes:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1]
            start = [*(above if node.level else ()), node.module or ""]
            start = ".".join(filter(None, start))
            names = [start, *(f"{start}.{x.name}" for x in node.names)]
        else:
            continue
        for found in names:
            words = found.split(".")
            if words[0] == parts[0]:
                yield from (
                    ".".join(words[:n]) for n in range(1, len(words) + 1)
                )
