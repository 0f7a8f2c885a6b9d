"""7: work directories that cannot be written to, and those in use."""

import os
import signal
import socket
import subprocess
import time

import fault_runs
import pytest
from fault_runs import AT_STEP
from fault_runs import NO_EXPORT

# Says that it is at step 13, and waits for a line.
_PAUSED = (
    AT_STEP
    + NO_EXPORT
    + """
def pause():
    print("paused", flush=True)
    sys.stdin.readline()
at_step(13, pause)
"""
)


def error_line(workdir, reason):
    return (
        "error: `--workdir` must be a directory that can be written to. "
        f"Received: '{workdir}': {reason}.\n"
    )


@fault_runs.needs_mount
@pytest.mark.parametrize("is_new", [True, False], ids=["new", "halfway"])
def test_a_read_only_disk_is_refused_before_any_work(
    is_new, tmp_path, halfway, data_file, user_env
):
    workdir = halfway / "new" if is_new else halfway
    before = fault_runs.tree(halfway)
    made = fault_runs.command(
        user_env, "trainers.train", "", fault_runs.words(data_file, workdir)
    )
    script = f'mount --bind -o ro {halfway} {halfway} || exit 99\n"$@"'
    run = subprocess.run(
        ["unshare", "-rm", "bash", "-c", script, "bash", *made["args"]],
        env=user_env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert run.stderr == error_line(workdir, "Read-only file system")
    assert (run.returncode, run.stdout) == (2, "")
    assert fault_runs.tree(halfway) == before


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc")
def test_proc_is_refused(data_file, run_command):
    run = run_command(
        "trainers.train", *fault_runs.words(data_file, "/proc/run")
    )
    assert run.stderr == error_line("/proc/run", "No such file or directory")
    assert (run.returncode, run.stdout) == (2, "")


@pytest.mark.parametrize(
    "name, reason", [("file", "File exists"), ("file/run", "Not a directory")]
)
def test_a_file_is_refused(name, reason, tmp_path, data_file, run_command):
    (tmp_path / "file").write_bytes(b"other content")
    run = run_command(
        "trainers.train", *fault_runs.words(data_file, tmp_path / name)
    )
    assert run.stderr == error_line(tmp_path / name, reason)
    assert (run.returncode, run.stdout) == (2, "")
    assert (tmp_path / "file").read_bytes() == b"other content"


def test_what_is_missing_is_made(tmp_path, data_file, reference):
    workdir = tmp_path / "a b" / "ü" / "run"
    fault_runs.train(fault_runs.words(data_file, workdir))
    assert fault_runs.outcome(workdir) == reference


@pytest.fixture
def paused(run_words, user_env, tmp_path):
    """A trainer that is paused at step 13 and has locked the work directory."""
    checkpoint = tmp_path / "run" / "checkpoints" / "step-00000010"
    with fault_runs.start(
        user_env, _PAUSED, run_words, stdin=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout.readline() == "paused\n"
            # It is written beside the training.
            while not checkpoint.exists():
                assert process.poll() is None
                time.sleep(0.05)
            yield process
        finally:
            process.kill()


def test_a_second_trainer_is_refused_and_the_first_unharmed(
    paused, tmp_path, run_words, run_command, reference
):
    before = fault_runs.tree(tmp_path / "run")
    second = run_command("trainers.train", *run_words)
    assert second.stderr == (
        "error: `--workdir` must not be in use by another trainer. Received: "
        f"'{tmp_path}/run', held by process {paused.pid} on "
        f"{socket.gethostname()}.\n"
    )
    assert (second.returncode, second.stdout) == (2, "")
    assert fault_runs.tree(tmp_path / "run") == before
    stdout, stderr = paused.communicate("continue\n", timeout=240)
    assert (paused.returncode, stdout) == (0, "not exported\n"), stderr
    assert fault_runs.outcome(tmp_path / "run") == reference


def test_a_killed_trainer_holds_nothing(
    paused, tmp_path, run_words, reference, caplog
):
    paused.send_signal(signal.SIGKILL)
    paused.wait(60)
    with caplog.at_level("INFO", logger="trainers"):
        fault_runs.train(run_words)
    assert (
        "continuing from step 10 of 40: epoch 2 of 4, step 0 of 10"
        in caplog.messages
    )
    assert fault_runs.outcome(tmp_path / "run") == reference
    assert fault_runs.leftovers(tmp_path / "run") == []
