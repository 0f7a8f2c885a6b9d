"""17: workers under the launcher, which starts all again."""

import os
import pathlib
import signal

import commands
import comparison
import pytest
import worker_runs
import worker_texts
from processes import is_gone

from trainers.run.workdir import Workdir


class Launcher:
    """`python -m trainers.launch` with two workers, to be used in a `with`.

    Its workers are forked. The launcher of docs/distribution.md starts new
    processes. `code` is Python to be executed before.
    """

    def __init__(self, all_words, env, folder, code=""):
        self._files = [folder / name for name in ("stdout", "stderr")]
        with self._files[0].open("w") as out, self._files[1].open("w") as err:
            self._process = commands.start(
                *("trainers.launch", "--num_workers=2", "--", *all_words),
                cwd=worker_runs.ROOT,
                env=env,
                code=f"{code}\nimport forked; forked.fork_workers()",
                stdout=out,
                stderr=err,
            )
        self.pids = []

    def __enter__(self):
        """Waits for both workers; the first is the chief."""
        worker_runs.wait_until(lambda: len(self.find()) == 2)
        return self

    def __exit__(self, *error):
        """Ends the launcher; the system ends its workers with it."""
        self._process.kill()
        self._process.wait()

    def find(self):
        """Returns the numbers of the workers, in the order of their start."""
        assert self._process.poll() is None, self.text()
        number = self._process.pid
        children = pathlib.Path(f"/proc/{number}/task/{number}/children")
        self.pids = [int(pid) for pid in children.read_text().split()]
        return self.pids

    def send(self, number):
        """Sends a signal to the launcher."""
        self._process.send_signal(number)

    def wait(self):
        """Returns exit code, stdout and the lines of stderr."""
        code = self._process.wait(timeout=worker_runs.PATIENCE)
        stdout, stderr = (file.read_text() for file in self._files)
        assert "Traceback" not in stderr, stderr
        return code, stdout, stderr.splitlines()

    def text(self):
        """Returns what it wrote to stderr so far."""
        return self._files[1].read_text()


def wait_for_checkpoint(launcher, workdir, at_least):
    """Waits until a checkpoint of so many steps is there."""

    def is_there():
        launcher.find()  # It fails where the launcher has ended.
        return max(Workdir(workdir).checkpoints.paths(), default=0) >= at_least

    worker_runs.wait_until(is_there)


def check_ended_well(ended, workdir, name):
    code, stdout, lines = ended
    assert code == 0, lines
    assert stdout == f"{workdir}/export/{name}/1\n"
    export = workdir / "export" / name
    assert [p.name for p in export.iterdir() if p.is_dir()] == ["1"]
    # The other is silent, unless it lost the chief.
    if not any(line.startswith("worker 0 was ended by") for line in lines):
        assert [x for x in lines if x.startswith("[worker 1] ")] == []


def check_restarted(lines, victim):
    assert (
        f"worker {victim} was ended by SIGKILL; restarting all, 1 of 3" in lines
    )
    assert sum("restarting all" in line for line in lines) == 1
    assert any(
        line.startswith("[worker 0] continuing from step ") for line in lines
    )


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="no /proc")
@pytest.mark.parametrize(
    "victim", [1, pytest.param(0, marks=pytest.mark.torture)]
)
def test_after_a_kill_all_go_on_to_the_same_end(
    victim, whole, data_file, tmp_path, user_env
):
    workdir = tmp_path / "run"
    words = worker_runs.words(data_file, workdir)
    with Launcher(words, user_env, tmp_path) as launcher:
        before = list(launcher.pids)
        wait_for_checkpoint(launcher, workdir, 4)
        os.kill(before[victim], signal.SIGKILL)
        ended = launcher.wait()
    check_ended_well(ended, workdir, "mnist_mlp")
    check_restarted(ended[2], victim)
    assert all(map(is_gone, before))
    comparison.check_same(whole[0], workdir)


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="no /proc")
def test_ctrl_c_ends_all_and_the_same_command_resumes(
    whole, data_file, tmp_path, user_env
):
    workdir = tmp_path / "run"
    words = worker_runs.words(data_file, workdir)
    with Launcher(words, user_env, tmp_path) as launcher:
        pids = list(launcher.pids)
        wait_for_checkpoint(launcher, workdir, 4)
        launcher.send(signal.SIGINT)
        code, stdout, lines = launcher.wait()
    assert all(map(is_gone, pids))
    assert (code, stdout) == (75, ""), lines
    asked = "SIGINT: asked the workers to end; a second signal kills them"
    assert asked in lines
    step = worker_runs.fault_runs.whole_steps(workdir)[0]
    stopped = [line for line in lines if "Stopped by" in line]
    assert {line.partition("]")[0] for line in stopped} == {
        "[worker 0",
        "[worker 1",
    }
    end = f" after step {step}; the same command resumes from there."
    assert all(line.endswith(end) for line in stopped), lines
    assert not (workdir / "export").exists()
    with Launcher(words, user_env, tmp_path) as launcher:
        ended = launcher.wait()
    check_ended_well(ended, workdir, "mnist_mlp")
    assert any(
        line.startswith(f"[worker 0] continuing from step {step} of 44: ")
        for line in ended[2]
    )
    comparison.check_same(whole[0], workdir)


# The undisturbed run has its tokens from the cache.
NO_CACHE = """
from trainers.data.texts import cache
cache.read = cache.write = lambda *arguments: None
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="no /proc")
def test_bert_resumes_after_a_kill_bit_identical(
    whole_texts, tmp_path, user_env
):
    """Dropout in attention and elsewhere; batches of texts by length.

    Each worker tokenizes, after it is connected with the other one.
    """
    workdir = tmp_path / "run"
    words = [*worker_texts.words(whole_texts), f"--workdir={workdir}"]
    code = worker_runs.fault_runs.NO_EXPORT + NO_CACHE
    with Launcher(words, user_env, tmp_path, code) as launcher:
        wait_for_checkpoint(launcher, workdir, 3)
        os.kill(launcher.pids[1], signal.SIGKILL)
        code, stdout, lines = launcher.wait()
    assert (code, stdout) == (0, "not exported\n"), lines
    check_restarted(lines, 1)
    comparison.check_same(whole_texts / "run", workdir)
