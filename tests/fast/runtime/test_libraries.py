"""The start-up guard against libraries that were not tested."""

from importlib import metadata

import pytest

from trainers.errors import ConfigError
from trainers.runtime import libraries

INSTALLED = {"numpy": "2.1.3", "keras": "3.15.1", "tensorflow": "2.21.0rc1"}


def version_of(name):
    if name not in INSTALLED:
        raise metadata.PackageNotFoundError(name)
    return INSTALLED[name]


def problem_of(*requirements):
    with pytest.raises(ConfigError) as error:
        libraries.check(requirements, version_of)
    return str(error.value)


def test_what_is_installed_here_was_tested():
    assert libraries.check() is None


@pytest.mark.parametrize(
    "requirement",
    [
        "numpy<3,>=2.1",
        "numpy==2.1.3",
        "numpy",
        # A release candidate counts by its number.
        "tensorflow<2.22,>=2.21.0rc0",
        'numpy>=9; extra == "bench"',
        'nothing>=1; extra == "test"',
        'nothing>=1; python_version < "3"',
    ],
)
def test_a_version_in_its_range_passes(requirement):
    assert libraries.check([requirement], version_of) is None


@pytest.mark.parametrize(
    "requirement, message",
    [
        (
            "numpy<3,>=2.2",
            "Versions: numpy 2.1.3 is installed, <3,>=2.2 was tested. "
            "Run: pip install 'numpy<3,>=2.2'",
        ),
        (
            "keras<3.15",
            "Versions: keras 3.15.1 is installed, <3.15 was tested. "
            "Run: pip install 'keras<3.15'",
        ),
        (
            "tensorflow>=2.21",
            "Versions: tensorflow 2.21.0rc1 is installed, >=2.21 was tested. "
            "Run: pip install 'tensorflow>=2.21'",
        ),
        (
            "nothing>=1",
            "Versions: nothing is not installed, >=1 was tested. "
            "Run: pip install 'nothing>=1'",
        ),
        (
            'numpy>=9; python_version > "3"',
            "Versions: numpy 2.1.3 is installed, >=9 was tested. "
            "Run: pip install 'numpy>=9'",
        ),
    ],
)
def test_a_version_outside_its_range_is_refused(requirement, message):
    assert problem_of(requirement) == message


def test_all_wrong_versions_are_mended_by_one_command():
    assert problem_of("numpy>=9", "keras>=3", "nothing<2,>=1") == (
        "Versions: numpy 2.1.3 is installed, >=9 was tested; nothing "
        "is not installed, <2,>=1 was tested. "
        "Run: pip install 'numpy>=9' 'nothing<2,>=1'"
    )


def test_every_requirement_names_the_lowest_version_that_was_tested():
    requirements = metadata.requires(libraries.DISTRIBUTION)
    assert len(requirements) > 10
    assert [r for r in requirements if ">=" not in r] == []
