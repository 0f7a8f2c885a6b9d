"""Checks a path that is not a setting, such as `--workdir`."""

from tfmodels import local_paths
from trainers.errors import ConfigError


def checked(path, flag, schemes=(), is_written=False):
    """Returns a path with the home directory in place of `~`.

    Args:
        path: str or `pathlib.Path`.
        flag: str. Name of the path in the error message.
        schemes: Tuple of str. Addresses that are allowed, such as `package`.
        is_written: bool. Whether a run is written there.

    Returns:
        str.

    Raises:
        ConfigError: It is not a path on this machine.
    """
    path = str(path)
    if problem := local_paths.problem(path, schemes, is_written):
        raise ConfigError(f"`{flag}` must be {problem}. Received: {path!r}.")
    return local_paths.expanded(path)
