"""Where this package keeps what later runs can use again."""

import os
import pathlib

from tfmodels import local_paths


def cache_home():
    """Returns the path of the cache directory, which may not exist."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    # Without a home directory, `~` is a directory below the current one.
    return pathlib.Path(
        local_paths.expanded(os.path.join(home, "tfmodels-trainers"))
    )
