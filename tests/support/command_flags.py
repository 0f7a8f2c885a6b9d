"""The flags of one command, in the process of a test."""

import contextlib
import runpy
import sys

import pytest
from absl import flags as absl_flags
from absl.testing import flagsaver
from repository import ROOT

from trainers import flags


@contextlib.contextmanager
def defined(command):
    """Defines the flags of a command in a `with` block.

    Args:
        command: str. Name of its file.

    Yields:
        Dict of the names in the module of the command.
    """
    before = set(absl_flags.FLAGS)
    with pytest.MonkeyPatch.context() as patch, flagsaver.flagsaver():
        patch.setattr(sys, "argv", [command])
        # The command marks its flags that are paths, or like a setting.
        patch.setattr(flags, "_SCHEMES", dict(flags._SCHEMES))
        patch.setattr(flags, "_LIKE", dict(flags._LIKE))
        file = ROOT / "trainers" / f"{command}.py"
        try:
            yield runpy.run_path(str(file), run_name=command)
        finally:
            for name in set(absl_flags.FLAGS) - before:
                delattr(absl_flags.FLAGS, name)
