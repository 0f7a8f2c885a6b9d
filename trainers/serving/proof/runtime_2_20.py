"""Installs an environment with the libraries of TensorFlow Serving 2.20.

    <cache>/serving-2.20-<hash>/bin/python      its interpreter
    <cache>/serving-2.20-<hash>/versions.txt    its installed packages

The cache is `~/.cache/tfmodels-trainers`, or a directory below
`$XDG_CACHE_HOME`. The hash is computed from the packages to install and from
the version of Python. The directory is filled under a temporary name and then
renamed. A directory with the final name is therefore complete.
"""

import hashlib
import json
import logging
import os
import subprocess
import sys
import venv

from trainers.data.texts import cache
from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.runtime import atomic

TENSORFLOW = "2.20.0"
# The first release for Python 3.13 has the same ops.
_TEXT = "2.20.1" if sys.version_info >= (3, 13) else TENSORFLOW
# Arguments of one `pip install` each. The second needs `--no-deps`: its
# packages depend on `tensorflow`, and `tensorflow-cpu` is installed.
_INSTALLS = (
    # TensorFlow 2.20 sets no upper bounds. These are the versions tried here.
    (f"tensorflow-cpu=={TENSORFLOW}", "numpy>=2.1,<3", "protobuf>=5.28,<8"),
    (
        "--no-deps",
        f"tensorflow-text=={_TEXT}",
        f"tensorflow-serving-api=={TENSORFLOW}",
    ),
)
_VERSIONS = "versions.txt"
_WAY_OUT = (
    "Run the same command again, or switch this check off: "
    "--config.export.check=session."
)


def interpreter(installs=_INSTALLS):
    """Returns the interpreter of the environment; installs it if missing.

    Args:
        installs: tuple of tuples of str. Arguments of each `pip install`.

    Returns:
        `pathlib.Path` of the interpreter.

    Raises:
        RunError: pip failed. The message contains its last lines.
        ConfigError: The cache cannot be written to.
    """
    base = cache.cache_dir("")
    identity = json.dumps([installs, sys.version, sys.base_prefix])
    name = f"serving-2.20-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    final = base / name
    # Unlike `Path.is_file`, this returns False without permission to look.
    if not os.path.isfile(final / _VERSIONS):
        try:
            _make(base, name, installs)
        except OSError as error:
            # Another exporter can have created the directory first.
            if not os.path.isfile(final / _VERSIONS):
                raise ConfigError(
                    "`--config.export.check=serving_2_20` installs 1.7 GB "
                    "into the cache, which must be writable. Set "
                    "$XDG_CACHE_HOME to use another directory. Received: "
                    f"{str(base)!r}: {error.strerror}."
                ) from None
    return final / "bin" / "python"


def _make(base, name, installs):
    logging.getLogger(__name__).info(
        "installing TensorFlow %s for the check, once: %s",
        TENSORFLOW,
        base / name,
    )
    with atomic.temporary_dir(base, name) as path:
        try:
            venv.create(path, with_pip=True)
        except subprocess.CalledProcessError as error:
            raise _error(f"{sys.executable} -m venv", error.output) from None
        for arguments in installs:
            _pip(path, "install", *arguments)
        (path / _VERSIONS).write_text(_pip(path, "freeze"), encoding="utf-8")
        os.sync()  # Faster than 10,000 single files.
        os.rename(path, base / name)
        atomic.sync(base)


def _pip(path, *words):
    """Runs pip in an environment and returns its output."""
    # `-I`: packages on $PYTHONPATH do not count as installed. Indices and
    # proxies from pip's own variables and files still apply.
    command = [str(path / "bin" / "python"), "-I", "-m", "pip", *words]
    run = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if run.returncode:
        raise _error(f"pip {' '.join(words)}", run.stdout)
    return run.stdout


def _error(command, output):
    if isinstance(output, bytes):
        output = output.decode(errors="replace")
    last = "\n  ".join((output or "").strip().splitlines()[-10:])
    return RunError(
        "the environment of `--config.export.check=serving_2_20` could not be "
        f"made; no version was published. {_WAY_OUT}\n{command}:\n  {last}"
    )
