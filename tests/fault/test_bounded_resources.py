"""23: memory, open files and threads over many rounds in one process."""

import gc
import os
import pathlib
import shutil
import threading

import fault_runs
import pytest

from trainers.config import files as files_lib
from trainers.run.workdir import Workdir
from trainers.serving import exporter
from trainers.serving.proof import checker

pytestmark = pytest.mark.skipif(
    not os.path.isdir("/proc/self/fd"), reason="no /proc"
)


def resources():
    """Returns resident bytes, open files, and threads of this process."""
    gc.collect()
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return (
        pages * os.sysconf("SC_PAGE_SIZE"),
        len(os.listdir("/proc/self/fd")),
        threading.active_count(),
        len(os.listdir("/proc/self/task")),
    )


def check_growth(before, after, megabytes):
    memory, files, threads, tasks = (
        b - a for a, b in zip(before, after, strict=True)
    )
    assert memory < megabytes * 1e6
    assert files <= 2
    assert threads <= 0
    # TensorFlow's pools may still be filling.
    assert tasks <= 8


@pytest.mark.parametrize(
    "rounds", [40, pytest.param(200, marks=pytest.mark.torture)]
)
def test_checkpoints_and_evaluations_cost_nothing_that_stays(
    rounds, tmp_path, data_file, monkeypatch
):
    found, original = {}, Workdir.write_history

    def write_history(self, epochs):
        original(self, epochs)
        found[len(epochs)] = resources() if len(epochs) % 10 == 0 else None

    monkeypatch.setattr(Workdir, "write_history", write_history)
    fault_runs.train(
        fault_runs.words(
            data_file,
            tmp_path / "run",
            f"--config.trainer.epochs={rounds}",
            "--config.data.global_batch_size=80",
        )
    )
    assert fault_runs.whole_steps(tmp_path / "run") == [rounds, rounds - 1]
    # A graph or a figure kept each round would be 5 MB or more a round.
    check_growth(found[20], found[rounds], megabytes=1.5 * (rounds - 20))


@pytest.mark.parametrize(
    "rounds", [8, pytest.param(200, marks=pytest.mark.torture)]
)
def test_exports_cost_nothing_that_stays(
    rounds, reference_workdir, tmp_path, monkeypatch
):
    workdir = shutil.copytree(reference_workdir, tmp_path / "run")
    # The process that it starts is gone when it is done.
    monkeypatch.setattr(checker, "check", lambda *args, **kwargs: None)
    config = files_lib.load(str(workdir / "config.json"))
    found = []
    for _ in range(rounds):
        exporter.export_best(config, workdir)
        found.append(resources())
    warm = rounds // 4
    check_growth(found[warm], found[-1], megabytes=3 * (rounds - warm))


def test_runs_that_are_stopped_cost_nothing_that_stays(run_words):
    """Signals have a thread and a pipe of their own."""
    fault_runs.stopped(run_words, 1, 3)
    before = resources()
    fault_runs.stopped(run_words, 7, 12, 19, 22)
    after = resources()
    check_growth(before, after, megabytes=100)
