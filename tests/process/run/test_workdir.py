"""Locks of work directories between processes."""

import os
import signal
import socket

from refusals import lock_refusal
from waiting import waiting

from trainers.run.workdir import Workdir

# It has the lock while it waits.
HOLDER = """
import sys
from trainers.run.workdir import Workdir
with Workdir(sys.argv[1]).lock():
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_second_holder_is_refused_and_told_of_the_first(tmp_path):
    with waiting(HOLDER, tmp_path) as process:
        for _ in range(2):
            assert lock_refusal(tmp_path) == (
                "`--workdir` must not be in use by another trainer. "
                f"Received: {str(tmp_path)!r}, held by process {process.pid} "
                f"on {socket.gethostname()}."
            )
        process.communicate(timeout=60)
        assert process.returncode == 0
    with Workdir(tmp_path).lock():
        assert (tmp_path / "lock").read_text() == (
            f"process {os.getpid()} on {socket.gethostname()}\n"
        )


def test_a_refused_one_touches_nothing(tmp_path):
    with waiting(HOLDER, tmp_path):
        (tmp_path / "config.json.tmp-1").write_text("being written")
        lock_refusal(tmp_path)
        assert (tmp_path / "config.json.tmp-1").read_text() == "being written"


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    with waiting(HOLDER, tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        with Workdir(tmp_path).lock():
            pass


def test_a_lock_without_a_process_id_is_a_lock(tmp_path):
    with waiting(HOLDER, tmp_path):
        (tmp_path / "lock").write_text(" \n")
        assert lock_refusal(tmp_path) == (
            "`--workdir` must not be in use by another trainer. "
            f"Received: {str(tmp_path)!r}, held by unknown."
        )
