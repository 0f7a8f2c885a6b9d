"""Loads experiments from files: `configs/NAME.py` and `config.json`."""

import importlib.util
import pathlib
import re
import traceback

from trainers.config import experiment
from trainers.config import local_path
from trainers.config import overrides
from trainers.errors import ConfigError


def load(path):
    """Loads `FILE.py`, `FILE.py:VARIANT` or `config.json`.

    A file that does not exist is searched among the shipped configs, so that
    `configs/mnist_mlp.py` works in any directory.

    Args:
        path: str.

    Returns:
        `ExperimentConfig`. Its types are checked, its rules are not.

    Raises:
        ConfigError: The file or the variant does not exist; the file raises an
            error; its result has wrong types.
    """
    # The name of a directory can also contain a colon.
    match = re.fullmatch(r"(.*\.py):(.*)", path, re.DOTALL)
    name, variant = match.groups() if match else (path, "")
    file = _find(name)
    try:
        if file.suffix == ".json":
            config = experiment.from_json(file.read_bytes())
        else:
            config = _run(file, variant)
        experiment.check_types(config)
        return overrides.with_home(config)
    except (ConfigError, OSError) as error:
        raise ConfigError(
            f"`--config={path}` cannot be loaded: {error}"
        ) from error


def _run(file, variant):
    """Runs a user's file and returns the result of `get_config`."""
    spec = importlib.util.spec_from_file_location("experiment_config", file)
    try:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        config = module.get_config(variant)
    except Exception as error:
        # The file can raise any error. One line tells what and where.
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f.lineno for f in frames if f.filename == spec.origin]
        place = f"({file.name}, line {lines[-1]})" if lines else ""
        words = f"{type(error).__name__}: {error} {place}".split()
        raise ConfigError(" ".join(words)) from error
    if not isinstance(config, experiment.ExperimentConfig):
        raise ConfigError(
            "`get_config` must return an `ExperimentConfig`. "
            f"Received: {config!r}."
        )
    return config


def _config_dir():
    package = pathlib.Path(__file__).parents[1]
    installed = package / "configs"  # In a wheel, see setup.cfg.
    return installed if installed.is_dir() else package.parent / "configs"


def shipped():
    """Returns the names of the configs in the package."""
    return sorted(f"configs/{p.name}" for p in _config_dir().glob("*.py"))


def _find(name):
    file = pathlib.Path(local_path.checked(name, "--config"))
    if file.suffix not in (".py", ".json"):
        raise ConfigError(
            "`--config` must be a .py file or a `config.json`. "
            f"Received: {name!r}. Choices: {', '.join(shipped())}."
        )
    if file.is_file():
        return file
    shipped_file = _config_dir() / file.name
    if str(file.parent) in (".", "configs") and shipped_file.is_file():
        return shipped_file
    raise ConfigError(
        f"`--config` must be an existing file. Received: {name!r}. "
        f"Choices: {', '.join(shipped())}, or a file of yours."
    )
