"""What the tests of several workers share: processes, files, comparisons."""

import dataclasses
import json
import os
import subprocess
import time

import commands
import fault_runs
from repository import ROOT

from trainers.distribution import worker_process

STEPS_PER_EPOCH = 11
EPOCHS = 4
STEPS = EPOCHS * STEPS_PER_EPOCH
# Longest time for what takes a few seconds on an idle machine.
PATIENCE = 240
# Exports without the process that asks the export for an answer.
QUICK_EXPORT = """
from trainers.serving.proof import checker
checker.check = lambda *args, **kwargs: None
"""


def at_step(step, number):
    """Returns code that sends a signal to its process after a step."""
    return fault_runs.AT_STEP + f"at_step({step}, lambda: send({int(number)}))"


def write_data(file, **kwargs):
    """Writes images: the last batch has 3, and validation an odd number."""
    fault_runs.write_data(file, **{"sizes": (83, 21, 20)} | kwargs)


def words(file, workdir, *more):
    """Returns the flags of a small run with all that has a state."""
    return [
        f"--config={ROOT}/configs/mnist_mlp.py",
        *fault_runs.words(file, workdir)[1:],
        "--config.trainer.save_every_steps=4",
        "--config.trainer.save_every_seconds=0",
        *more,
    ]


def environ_of(ports, index):
    """Returns what the launcher would tell a worker."""
    threads = max(1, len(os.sched_getaffinity(0)) // len(ports))
    return {
        "TF_CONFIG": worker_process.tf_config(ports, index),
        "TF_NUM_INTRAOP_THREADS": str(threads),
    }


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a worker ended.

    Attributes:
        pid: Its number.
        code: Exit code, or minus the number of a signal.
        stdout: What it wrote.
        lines: Of stderr.
        operations: What it did to files in its work directory, in order.
    """

    pid: int
    code: int
    stdout: str
    lines: list
    operations: list

    @property
    def epochs(self):
        """The lines of epochs that it trained."""
        return [line for line in self.lines if line.startswith("epoch ")]


class Workers:
    """Starts workers, with their output in files."""

    def __init__(self, scratch, env):
        self._scratch = scratch
        self._env = env
        self._count = 0
        self._running = {}

    def end_all(self):
        """Ends workers that a failed test left."""
        for process, _ in self._running.values():
            process.kill()
            process.wait()
        self._running.clear()

    def start(self, all_words, environ, *, code="", cwd=ROOT, workdir=None):
        """Starts the training command; returns the number of the process.

        Args:
            all_words: Flags.
            environ: Environment variables.
            code: Python to be executed before.
            cwd: Current directory.
            workdir: Directory whose file operations are logged; `None` means
                that in the flags.
        """
        self._count += 1
        files = {
            name: self._scratch / f"{self._count}.{name}"
            for name in ("stdout", "stderr", "log")
        }
        if workdir is None:
            prefix = "--workdir="
            workdir = next(w for w in all_words if w.startswith(prefix))
            workdir = workdir.removeprefix(prefix)
        watched = str(workdir), str(files["log"])
        with files["stdout"].open("w") as out, files["stderr"].open("w") as err:
            process = commands.start(
                "trainers.train",
                *all_words,
                env=self._env | environ,
                cwd=cwd,
                code=f"{QUICK_EXPORT}{code}\n"
                f"import driver; driver.watch(*{watched!r})",
                stdout=out,
                stderr=err,
            )
        self._running[process.pid] = process, files
        return process.pid

    def stderr_of(self, pid):
        """Returns the path of what a worker writes."""
        return self._running[pid][1]["stderr"]

    def wait(self, pid, seconds=PATIENCE):
        """Returns how a worker `Ended`."""
        process, files = self._running[pid]
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        stderr = files["stderr"].read_text()
        assert code is not None, f"it runs on after {seconds} s:\n{stderr}"
        del self._running[pid]
        assert "Traceback" not in stderr, stderr
        return Ended(
            pid,
            code,
            files["stdout"].read_text(),
            stderr.splitlines(),
            files["log"].read_text().splitlines(),
        )

    def run(self, *words_of_workers, codes=("", ""), seconds=PATIENCE, **kw):
        """Runs two workers to their ends.

        Args:
            words_of_workers: Flags of all, or of each.
            codes: Python of each, see `start`.
            seconds: Longest time for the second, once the first has ended.
            kw: For `start`.
        """
        if len(words_of_workers) == 1:
            words_of_workers *= 2
        ports = worker_process.free_ports(2)
        pids = [
            self.start(words, environ_of(ports, index), code=code, **kw)
            for index, (words, code) in enumerate(
                zip(words_of_workers, codes, strict=True)
            )
        ]
        return [self.wait(pid, seconds) for pid in pids]

    def run_alone(self, all_words, **kw):
        """Runs one process without TF_CONFIG to its end; `kw` for `start`."""
        return self.wait(self.start(all_words, {"TF_CONFIG": ""}, **kw))


def numbers(workdir, name="history.json"):
    """Returns the leaves of a JSON file, but for times, by path."""
    found = {}

    def visit(path, tree):
        if isinstance(tree, dict):
            tree = [(k, v) for k, v in tree.items() if k not in _TIMES]
        elif isinstance(tree, list):
            tree = list(enumerate(tree))
        else:
            found[path] = tree
            return
        for key, value in tree:
            visit(f"{path}/{key}", value)

    visit("", json.loads((workdir / name).read_text()))
    return found


_TIMES = (
    "seconds",
    "epoch_seconds",
    "examples_per_second",
    "tokens_per_second",
    "input_wait_share",
)


def wait_until(condition, seconds=PATIENCE):
    """Waits for something to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
