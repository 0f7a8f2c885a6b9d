"""Compares the installed libraries with the versions that were tested."""

import platform
from importlib import metadata

from packaging.requirements import Requirement

from trainers.errors import ConfigError

DISTRIBUTION = "tfmodels-trainers"


def installed():
    """Returns the library versions that can change the bits of a result.

    Returns:
        dict. Version by name: `python`, `tensorflow`, `keras`, `numpy`.
    """
    names = ("tensorflow", "keras", "numpy")
    versions = {name: metadata.version(name) for name in names}
    return {"python": platform.python_version()} | versions


def check(requirements=None, version_of=metadata.version):
    """Compares installed versions with the ranges in `setup.cfg`.

    Args:
        requirements: List of str, such as `numpy>=2,<3`. `None` means the
            requirements of the installed distribution.
        version_of: Function from the name of a distribution to its version.

    Raises:
        ConfigError: A version is missing or outside its range. One line names
            each such version and the command that fixes it.
    """
    if requirements is None:
        try:
            requirements = metadata.requires(DISTRIBUTION)
        except metadata.PackageNotFoundError:
            raise ConfigError(
                f"`{DISTRIBUTION}` is not installed in this environment. "
                "Run: pip install -e ."
            ) from None
    wrong, fixes = [], []
    for requirement in map(Requirement, requirements):
        if requirement.marker and not requirement.marker.evaluate(
            {"extra": ""}
        ):
            continue  # Belongs to an extra.
        name, tested = requirement.name, requirement.specifier
        try:
            version = version_of(name)
            if tested.contains(version, prereleases=True):
                continue
            found = f"{name} {version} is installed"
        except metadata.PackageNotFoundError:
            found = f"{name} is not installed"
        wrong.append(f"{found}, {tested} was tested")
        fixes.append(f"'{name}{tested}'")
    if wrong:
        raise ConfigError(
            f"Versions: {'; '.join(wrong)}. Run: pip install {' '.join(fixes)}"
        )
