"""Atomic writes of killed and concurrent processes."""

import os
import signal
import subprocess
import sys

from small_files import publish
from waiting import waiting

from trainers.runtime import atomic

# It has written half of a directory when it waits.
WRITER = """
import pathlib, sys
from trainers.runtime import atomic
parent, name = pathlib.Path(sys.argv[1]), sys.argv[2]
with atomic.temporary_dir(parent, name) as path:
    (path / "a.txt").write_text("one")
    print("ready", flush=True)
    sys.stdin.read()
    atomic.publish(path, parent / name, {})
"""


def kill(process):
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_a_killed_process_leaves_no_final_directory(tmp_path):
    with waiting(WRITER, tmp_path, "final") as process:
        kill(process)
    assert os.listdir(tmp_path) == [f"final.tmp-{process.pid}"]
    # The next process is not disturbed.
    final = publish(tmp_path, {"a.txt": b"two"})
    assert (final / "a.txt").read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["final"]


def test_what_a_killed_process_left_is_removed(tmp_path):
    with waiting(WRITER, tmp_path, "final") as process:
        path = tmp_path / f"final.tmp-{process.pid}"
        atomic.remove_abandoned(tmp_path)
        assert (path / "a.txt").read_text() == "one"
        kill(process)
    assert path.is_dir()
    atomic.remove_abandoned(tmp_path)
    assert os.listdir(tmp_path) == []


def test_what_a_living_process_writes_is_left_to_it(tmp_path):
    with waiting(WRITER, tmp_path, "other") as process:
        publish(tmp_path, {"a.txt": b"two"})
        assert sorted(os.listdir(tmp_path)) == [
            "final",
            f"other.tmp-{process.pid}",
        ]
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert sorted(os.listdir(tmp_path)) == ["final", "other"]
    atomic.verify(tmp_path / "other")


def test_writers_at_once_never_lose_a_directory(tmp_path):
    """Each removes what it takes for abandoned, all the time."""
    program = (
        "import pathlib, sys\n"
        "from trainers.runtime import atomic\n"
        "parent, name = pathlib.Path(sys.argv[1]), sys.argv[2]\n"
        "for number in range(150):\n"
        "    final = parent / f'{name}-{number}'\n"
        "    with atomic.temporary_dir(parent, name) as path:\n"
        "        (path / 'a.txt').write_text(f'{name} {number}')\n"
        "        atomic.remove_abandoned(parent)\n"
        "        atomic.publish(path, final, {})\n"
        "    if number % 2:\n"
        "        atomic.remove(final)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), name],
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in "abc"
    ]
    for process in processes:
        _, stderr = process.communicate(timeout=120)
        assert (process.returncode, stderr) == (0, "")
    left = [f"{name}-{n}" for name in "abc" for n in range(0, 150, 2)]
    assert sorted(os.listdir(tmp_path)) == sorted(left)
    for name in left:
        atomic.verify(tmp_path / name)
        text = (tmp_path / name / "a.txt").read_text()
        assert text == name.replace("-", " ")
