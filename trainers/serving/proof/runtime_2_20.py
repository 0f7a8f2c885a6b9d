"""An environment with the libraries that TensorFlow Serving 2.20 is built with.

    <cache>/serving-2.20-<hash>/bin/python      its interpreter
    <cache>/serving-2.20-<hash>/versions.txt    what is installed in it

The cache is `~/.cache/tfmodels-trainers`, or below `$XDG_CACHE_HOME`. The hash
is of what is installed and of the Python that runs it. The directory is
filled under a temporary name and renamed: what has the name is complete.
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
# Arguments of one `pip install` each. Of the second, the dependencies are
# there, but under other names: `tensorflow` for `tensorflow-cpu`.
_INSTALLS = (
    # Upper bounds: what was tried, as TensorFlow 2.20 gives none.
    (f"tensorflow-cpu=={TENSORFLOW}", "numpy>=2.1,<3", "protobuf>=5.28,<8"),
    (
        "--no-deps",
        f"tensorflow-text=={TENSORFLOW}",
        f"tensorflow-serving-api=={TENSORFLOW}",
    ),
)
_VERSIONS = "versions.txt"
_WAY_OUT = (
    "Run the same command again, or do without this proof: "
    "--config.export.check=session."
)


def interpreter(installs=_INSTALLS):
    """Returns the path of the environment's Python; installs it at first.

    Args:
        installs: Arguments of each `pip install`.

    Raises:
        RunError: pip failed; its last lines.
        ConfigError: The cache cannot be written to.
    """
    base = cache.cache_dir("")
    identity = json.dumps([installs, sys.version, sys.base_prefix])
    name = f"serving-2.20-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    final = base / name
    # Unlike `Path.is_file`, it answers for places that may not be looked at.
    if not os.path.isfile(final / _VERSIONS):
        try:
            _make(base, name, installs)
        except OSError as error:
            # The name is taken where another exporter was faster.
            if not os.path.isfile(final / _VERSIONS):
                raise ConfigError(
                    "`--config.export.check=serving_2_20` installs 1.7 GB in "
                    "the cache, which must be a place that can be written "
                    f"to; $XDG_CACHE_HOME names another. Received: "
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
        os.sync()  # 10,000 files, faster so than one by one.
        os.rename(path, base / name)
        atomic.sync(base)


def _pip(path, *words):
    """Runs pip in an environment; returns what it prints."""
    # Isolated: what $PYTHONPATH names is not installed there. Indices and
    # proxies, in pip's own variables and files, hold.
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
