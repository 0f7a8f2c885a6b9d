"""What all tests share: tiers, two CPU devices, and two small finished runs.

The first folder below `tests/` is the tier of a test:

    fast     starts no process and fits no model
    model    fits models in this process
    process  runs commands and servers
    fault    kills, stops and damages runs

A test with the marker `torture` takes many minutes and belongs to no tier.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Tokenized data of tests does not belong in the user's cache.
_CACHE = tempfile.TemporaryDirectory()
os.environ["XDG_CACHE_HOME"] = _CACHE.name

import pytest  # noqa: E402
import tensorflow as tf  # noqa: E402

# Before TensorFlow first runs; `mirrored` is tested on these.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)

_TESTS = pathlib.Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Marks each test with its tier; `-m torture` runs all fault tests too."""
    for item in items:
        tier = item.path.relative_to(_TESTS).parts[0]
        if not item.get_closest_marker("torture"):
            item.add_marker(tier)
        if config.option.markexpr == "torture" and tier == "fault":
            item.add_marker("torture")


# Users do not set it: the commands have to be quiet by themselves.
USER_ENV = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}


def _run_command(*words, cwd=None, stdin=None):
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=cwd,
        env=USER_ENV,
        input=stdin or "",
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="session")
def run_command():
    """Runs `python -m WORDS` and returns the finished process."""
    return _run_command


@pytest.fixture(scope="session")
def user_env():
    """The environment of a user's process."""
    return USER_ENV


@pytest.fixture(scope="session")
def smoke_workdir(tmp_path_factory):
    """The work directory of one `smoke` run on images. Read-only."""
    return _smoke_run(tmp_path_factory, "mnist_mlp")


@pytest.fixture(scope="session")
def smoke_text_workdir(tmp_path_factory):
    """The work directory of one `smoke` run on texts. Read-only."""
    return _smoke_run(tmp_path_factory, "bert_classifier")


def _smoke_run(tmp_path_factory, name):
    workdir = tmp_path_factory.mktemp(f"smoke_{name}") / "run"
    run = _run_command(
        "trainers.train",
        f"--config=configs/{name}.py:smoke",
        f"--workdir={workdir}",
    )
    assert run.returncode == 0, run.stderr
    assert pathlib.Path(run.stdout.strip()) == workdir / "export" / name / "1"
    return workdir


@pytest.fixture(scope="session")
def text_export(smoke_text_workdir):
    """The directory of versions of a model of texts."""
    return smoke_text_workdir / "export" / "bert_classifier"


@pytest.fixture(scope="session")
def image_export(smoke_workdir):
    """The directory of versions of a model of images."""
    return smoke_workdir / "export" / "mnist_mlp"
