"""What all tests share: two CPU devices, and one small finished run."""

import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Tokenized data of tests is no business of the user's cache.
_CACHE = tempfile.TemporaryDirectory()
os.environ["XDG_CACHE_HOME"] = _CACHE.name

import pytest  # noqa: E402
import tensorflow as tf  # noqa: E402

# Before TensorFlow first runs; `mirrored` is tested on these.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Runs the samples, too, where somebody asks for all with `-m torture`."""
    if config.option.markexpr == "torture":
        for item in items:
            if item.path.parent.name in ("faults", "torture"):
                item.add_marker("torture")


# A user has not set it: the commands have to be quiet by themselves.
USER_ENV = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}


def _run_command(*words, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=cwd,
        env=USER_ENV,
        stdin=subprocess.DEVNULL,
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
    """The work directory of one run of the `smoke` variant. Read-only."""
    workdir = tmp_path_factory.mktemp("smoke") / "run"
    run = _run_command(
        "trainers.train",
        "--config=configs/mnist_mlp.py:smoke",
        f"--workdir={workdir}",
    )
    assert run.returncode == 0, run.stderr
    version = pathlib.Path(run.stdout.strip())
    assert version == workdir / "export" / "mnist_mlp" / "1"
    return workdir
