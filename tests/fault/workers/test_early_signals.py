"""A signal before training begins ends a worker at once: nothing is lost."""

import os
import shutil
import signal

import comparison
import worker_runs

from trainers.distribution import worker_process

STOPPED = "Stopped by SIGTERM; the same command resumes the run."
# TensorFlow's own handler, which it sets when it connects, ignores SIGTERM.
WHILE_LOADING = """
import os, signal
from trainers import tasks
load_splits = tasks.load_splits
def ask_and_load(*args):
    os.kill(os.getpid(), signal.SIGTERM)
    return load_splits(*args)
tasks.load_splits = ask_and_load
"""


def test_a_worker_that_waits_for_others_ends_on_request(
    workers, data_file, tmp_path
):
    ports = worker_process.free_ports(2)
    pid = workers.start(
        worker_runs.words(data_file, tmp_path / "run"),
        worker_runs.environ_of(ports, 0),
    )
    stderr = workers.stderr_of(pid)
    waiting = f"waiting for worker 1 at 127.0.0.1:{ports[1]}\n"
    worker_runs.wait_until(
        lambda: stderr.exists() and waiting in stderr.read_text()
    )
    os.kill(pid, signal.SIGTERM)
    ended = workers.wait(pid)
    assert (ended.code, ended.stdout) == (75, "")
    assert ended.lines[-1] == STOPPED


def test_workers_that_load_data_end_on_request(workers, data_file, tmp_path):
    all_words = worker_runs.words(data_file, tmp_path / "run")
    ended = workers.run(all_words, codes=(WHILE_LOADING, WHILE_LOADING))
    for worker in ended:
        assert (worker.code, worker.lines[-1]) == (75, STOPPED), ended
    assert worker_runs.fault_runs.whole_steps(tmp_path / "run") == []


WHILE_EXPORTING = """
import time
from trainers.serving import exporter
def wait_for_a_signal(*args):
    print("exporting", file=sys.stderr, flush=True)
    time.sleep(60)
import sys
exporter.export_once = wait_for_a_signal
"""


def test_workers_end_on_request_while_the_chief_exports(
    workers, whole, data_file, tmp_path
):
    """Of a run that is trained and not exported yet."""
    workdir = shutil.copytree(whole[0], tmp_path / "run")
    shutil.rmtree(workdir / "export")
    all_words = worker_runs.words(data_file, workdir)
    ports = worker_process.free_ports(2)
    pids = [
        workers.start(
            all_words,
            worker_runs.environ_of(ports, index),
            code=WHILE_EXPORTING,
        )
        for index in range(2)
    ]
    stderr = workers.stderr_of(pids[0])
    worker_runs.wait_until(
        lambda: stderr.exists() and "exporting\n" in stderr.read_text()
    )
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    for pid in pids:
        ended = workers.wait(pid)
        assert (ended.code, ended.lines[-1]) == (75, STOPPED), ended
    chief, other = workers.run(all_words)
    assert [chief.code, other.code] == [0, 0], [chief, other]
    assert chief.epochs == []
    comparison.check_same(whole[0], workdir)
