"""19: exporters that die, and exporters at once."""

import errno
import os
import pathlib
import resource
import shutil
import signal

import fault_runs
import pytest

from trainers.config import files
from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.runtime import atomic
from trainers.serving import bundle
from trainers.serving import exporter as exporter_lib
from trainers.serving.proof import checker

# Dies where the version would get its name.
_KILL = """
import os, signal, sys
def hook(event, args):
    if event == "os.rename" and str(args[1]).endswith("/export/mnist_mlp/1"):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
"""


@pytest.fixture
def finished(reference_workdir, tmp_path):
    """A run that is trained and not exported."""
    return shutil.copytree(reference_workdir, tmp_path / "run")


def versions(workdir):
    """Returns what is there of versions, whole or not."""
    found = (workdir / "export/mnist_mlp").iterdir()
    return sorted(path.name for path in found if path.is_dir())


def test_an_exporter_killed_before_the_rename_leaves_no_version(
    finished, run_words, user_env, monkeypatch
):
    run = fault_runs.run(user_env, _KILL, run_words)
    assert run.returncode == -signal.SIGKILL, run.stderr
    (left,) = versions(finished)
    assert left.startswith("version.tmp-")
    # It was whole, with its manifest, but for its name.
    atomic.verify(finished / "export/mnist_mlp" / left, exporter_lib.MANIFEST)
    monkeypatch.setattr(checker, "check", lambda *args, **kwargs: None)
    config = files.load(str(finished / "config.json"))
    assert exporter_lib.export_once(config, finished).name == "1"
    assert versions(finished) == ["1"]
    # The existing version is returned again.
    assert exporter_lib.export_once(config, finished).name == "1"
    assert versions(finished) == ["1"]


def test_two_exporters_at_once_make_two_versions(finished, user_env):
    words = [f"--workdir={finished}"]
    processes = [
        fault_runs.start(user_env, "", words, "trainers.export")
        for _ in range(2)
    ]
    try:
        answers = [process.communicate(timeout=240) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], answers
    assert [stderr for _, stderr in answers] == ["", ""]
    paths = [pathlib.Path(stdout.strip()) for stdout, _ in answers]
    assert sorted(path.name for path in paths) == versions(finished)
    assert versions(finished) == ["1", "2"]
    facts = [atomic.verify(path, exporter_lib.MANIFEST) for path in paths]
    assert facts[0]["weights_sha256"] == facts[1]["weights_sha256"]


def test_a_damaged_version_is_not_taken_for_the_export(finished, monkeypatch):
    monkeypatch.setattr(checker, "check", lambda *args, **kwargs: None)
    config = files.load(str(finished / "config.json"))
    first = exporter_lib.export_once(config, finished)
    (first / "saved_model.pb").write_bytes(b"cut")
    assert exporter_lib.export_once(config, finished).name == "2"


def limit_files(size):
    """Forbids files above a size; returns what undoes it."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_no_version_where_its_bundle_has_no_place(finished, monkeypatch):
    monkeypatch.setattr(checker, "check", lambda *args, **kwargs: None)
    config = files.load(str(finished / "config.json"))
    card = finished / "export/mnist_mlp/MODEL_CARD.md"
    card.mkdir(parents=True)
    for exporter in (exporter_lib.export_best, exporter_lib.export_once):
        with pytest.raises(ConfigError) as error:
            exporter(config, finished)
        assert str(error.value).endswith(f" Received: {str(card)!r}.")
        assert versions(finished) == ["MODEL_CARD.md"]
    card.rmdir()
    # The disk is full once the version itself is written.
    original, undo = exporter_lib._fingerprint, []

    def limit_and_fingerprint(path):
        undo.append(limit_files(100_000))
        return original(path)

    monkeypatch.setattr(exporter_lib, "_fingerprint", limit_and_fingerprint)
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            exporter_lib.export_best(config, finished)
    finally:
        undo.pop()()
    assert list(card.parent.iterdir()) == []


def test_a_published_version_whose_bundle_fails_is_completed(
    finished, monkeypatch
):
    monkeypatch.setattr(checker, "check", lambda *args, **kwargs: None)
    config = files.load(str(finished / "config.json"))
    original = bundle.write

    def write(base, workdir):
        undo = limit_files(1000)
        try:
            original(base, workdir)
        finally:
            undo()

    monkeypatch.setattr(bundle, "write", write)
    version = finished / "export/mnist_mlp/1"
    with pytest.raises(RunError) as error:
        exporter_lib.export_best(config, finished)
    assert str(error.value) == (
        f"{version} is published and whole, but the files beside it are not "
        f"complete: [Errno {errno.EFBIG}] {os.strerror(errno.EFBIG)}. Another "
        "export makes another version; `python -m trainers.train` with the "
        "flags of the run completes this one."
    )
    monkeypatch.undo()
    assert exporter_lib.export_once(config, finished) == version
    assert sorted(path.name for path in version.parent.iterdir()) == [
        "1",
        "MODEL_CARD.md",
        "batching.config",
        "models.config",
        "monitoring.config",
        "request.json",
    ]


def test_a_setting_that_may_change_makes_no_second_version(
    finished, monkeypatch
):
    """It has no part in what is exported."""
    monkeypatch.setattr(checker, "check", lambda *args, **kwargs: None)
    config = files.load(str(finished / "config.json"))
    exporter_lib.export_once(config, finished)
    config.trainer.keep_checkpoints += 1
    config.trainer.save_every_steps = 7
    exporter_lib.export_once(config, finished)
    assert versions(finished) == ["1"]
