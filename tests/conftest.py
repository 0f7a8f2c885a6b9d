"""What all tests share: tiers, two CPU devices, and two small finished runs.

The first folder below `tests/` is the tier of a test:

    fast     starts no process and fits no model
    model    fits models in this process
    process  runs commands and servers
    fault    kills, stops and damages runs

A test with the marker `torture` takes many minutes and belongs to no tier.
"""

import fcntl
import functools
import gc
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

# Imports make a million objects and no garbage. To search them for garbage
# takes 3 of the 20 seconds until the first test, see `pytest_collection`.
gc.disable()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Tokenized data of tests does not belong in the user's cache.
_CACHE = tempfile.TemporaryDirectory()
os.environ["XDG_CACHE_HOME"] = _CACHE.name

import autograph_guard  # noqa: E402
import commands  # noqa: E402
import pytest  # noqa: E402
import tensorflow as tf  # noqa: E402
from tensorflow.python.autograph.impl import api  # noqa: E402
from tensorflow.python.framework import config as tf_config  # noqa: E402

# Before TensorFlow first runs; `mirrored` is tested on these.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)

# The smoke runs below check their exports in new processes, as users do.
# Looked up at each call: fast tests refuse to start processes.
commands.fork_checks(lambda *words, **kw: commands.run(*words, **kw))

# Shells let background jobs ignore SIGINT. Tests send it to this process, and
# to others, which inherit whether it is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

_TESTS = pathlib.Path(__file__).parent
_SLOW_FIRST = ["fault", "process", "model", "fast"]


def _tier(item):
    tier = item.path.relative_to(_TESTS).parts[0]
    if tier not in _SLOW_FIRST:
        raise pytest.UsageError(
            f"{item.path} must be in a tier: {', '.join(_SLOW_FIRST)}."
        )
    return tier


def pytest_ignore_collect(collection_path, config):
    """Skips the folders of other tiers for `-m TIER`.

    To import their tests takes as long as a hundred fast tests.
    """
    tier = config.option.markexpr
    if tier in _SLOW_FIRST and collection_path.parent == _TESTS:
        return collection_path.name in {*_SLOW_FIRST} - {tier} or None
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Marks each test with its tier; `-m torture` runs all fault tests too.

    Workers of pytest-xdist begin with the slow files, so that all end together.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: _SLOW_FIRST.index(_tier(item)))
    for item in items:
        tier = _tier(item)
        if not item.get_closest_marker("torture"):
            item.add_marker(tier)
        if config.option.markexpr == "torture" and tier == "fault":
            item.add_marker("torture")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection():
    """Lets Python collect garbage again, but never search what is imported."""
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def no_autograph(request, monkeypatch):
    """Fails a test in which AutoGraph converts a function of the project.

    That takes a command 0.5 to 1.4 s, and no function needs it. Fast tests may
    convert: they call single functions in graphs of their own.
    """
    if _tier(request.node) == "fast":
        yield
        return
    converted = []
    watched = autograph_guard.watched(converted.append)
    monkeypatch.setattr(api, "_convert_actual", watched)
    yield
    assert converted == [], autograph_guard.ADVICE


@pytest.fixture(autouse=True)
def any_kernels():
    """Switches off what a test left on: kernels that give equal bits.

    Random ops without a seed then raise, in whichever test comes next.
    """
    yield
    tf_config.disable_op_determinism()


# Users do not set it: the commands have to be quiet by themselves.
USER_ENV = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}


@pytest.fixture(scope="session")
def run_command():
    """Runs a command as `python -m WORDS`; returns the finished process.

    It is forked from a process that has imported TensorFlow, see `commands`.
    """
    return functools.partial(commands.run, env=USER_ENV)


@pytest.fixture(scope="session")
def user_env():
    """The environment of a user's process."""
    return USER_ENV


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Makes a directory of a name once, for all workers of pytest-xdist."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def get(name, make):
        """Returns the path, once `make(path)` has returned. Read-only."""
        path, done = root / name, root / f"{name}.done"
        with (root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                # Left by a failure, which would otherwise hide its reason.
                subprocess.run(["rm", "-rf", path], check=True)
                make(path)
                done.touch()
        return path

    return get


@pytest.fixture(scope="session")
def smoke_workdir(made_once):
    """The work directory of one `smoke` run on images. Read-only."""
    return made_once("smoke_mnist_mlp", _smoke_run)


@pytest.fixture(scope="session")
def smoke_text_workdir(made_once):
    """The work directory of one `smoke` run on texts. Read-only."""
    return made_once("smoke_bert_classifier", _smoke_run)


@pytest.fixture(scope="session")
def smoke_tagger_workdir(made_once):
    """The work directory of one `smoke` run on tagged texts. Read-only."""
    return made_once("smoke_bert_tagger", _forked_smoke_run)


@pytest.fixture(scope="session")
def smoke_label_workdir(made_once):
    """The work directory of one `smoke` run on many labels. Read-only."""
    return made_once("smoke_bert_multi_label", _forked_smoke_run)


def _smoke_run(workdir):
    """Runs the real command, with the real check of its export."""
    name, words = _smoke_words(workdir)
    run = subprocess.run(
        [sys.executable, "-m", *words],
        # Another order of sets than in the export of `test_reproducible`.
        env=USER_ENV | {"PYTHONHASHSEED": "2"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    _check_smoke(run, workdir, name)


def _forked_smoke_run(workdir):
    """The same, without the import of TensorFlow."""
    name, words = _smoke_words(workdir)
    _check_smoke(commands.run(*words, env=USER_ENV), workdir, name)


def _smoke_words(workdir):
    name = workdir.name.removeprefix("smoke_")
    config = f"--config=configs/{name}.py:smoke"
    return name, ("trainers.train", config, f"--workdir={workdir}")


def _check_smoke(run, workdir, name):
    assert run.returncode == 0, run.stderr
    assert pathlib.Path(run.stdout.strip()) == workdir / "export" / name / "1"


@pytest.fixture(scope="session")
def text_export(smoke_text_workdir):
    """The directory of versions of a model of texts."""
    return smoke_text_workdir / "export" / "bert_classifier"


@pytest.fixture(scope="session")
def image_export(smoke_workdir):
    """The directory of versions of a model of images."""
    return smoke_workdir / "export" / "mnist_mlp"


@pytest.fixture(scope="session")
def tagger_export(smoke_tagger_workdir):
    """The directory of versions of a model that finds entities."""
    return smoke_tagger_workdir / "export" / "bert_tagger"
