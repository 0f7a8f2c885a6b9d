"""Training processes that are killed, and a record of where."""

import collections
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time

import commands

# Number of signals by scenario and place, for the summary of the session.
RECORD = collections.defaultdict(collections.Counter)


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        code: Its exit code, or minus the number of a signal.
        operations: What it did to files in its work directory, in order.
        output: What it wrote to stdout and stderr.
    """

    code: int
    operations: list
    output: str

    @property
    def was_killed(self):
        """Whether SIGKILL ended it."""
        return self.code == -signal.SIGKILL

    @property
    def place(self):
        """The last file operation that began, for people."""
        return self.operations[-1] if self.operations else "start"


class Trainers:
    """Starts training processes, one at a time, with their output in files."""

    def __init__(self, scratch, env):
        self._files = {name: scratch / name for name in ("output", "log")}
        self._env = env

    def run(self, scenario, workdir, *, signals=(), patches=(), kill=None):
        """Runs the training command to its end and returns `Ended`.

        Args:
            scenario: `Scenario`.
            workdir: Path of the work directory.
            signals, patches: See `driver.watch`.
            kill: `Moment` at which it is killed from outside, or `None`.
        """
        output, log = self._files["output"], self._files["log"]
        log.write_text("")
        watched = str(workdir), str(log), list(signals), list(patches)
        if kill is not None:
            kill.begin(workdir)
        with (
            output.open("w") as stream,
            commands.start(
                "trainers.train",
                *scenario.words(workdir),
                env=self._env,
                code=f"import driver; driver.watch(*{watched!r})",
                stdout=stream,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            if kill is not None:
                kill.wait_and_kill(
                    process.pid, lambda: process.poll() is not None, output
                )
            code = process.wait()
        ended = Ended(
            code,
            log.read_text().splitlines(),
            output.read_text(errors="replace"),
        )
        record(scenario, ended, "outside, after " if kill else "before ")
        return ended


def command(scenario, workdir, env, *, cwd=None, umask=-1):
    """Runs the training command as a user does; returns the process."""
    return subprocess.run(
        [sys.executable, "-m", "trainers.train", *scenario.words(workdir)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=env,
        cwd=cwd,
        umask=umask,
    )


def killed_command(scenario, workdir, env, kill, output):
    """Runs the training command as a user does, kills it; returns `Ended`.

    Args:
        scenario: `Scenario`.
        workdir: Path of the work directory.
        env: dict.
        kill: `Moment`.
        output: File for stdout and stderr.
    """
    kill.begin(workdir)
    with output.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "trainers.train", *scenario.words(workdir)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=env,
        )
    kill.wait_and_kill(process.pid, lambda: process.poll() is not None, output)
    process.wait()
    ended = Ended(process.returncode, [], output.read_text(errors="replace"))
    record(scenario, ended, f"the command itself, {kill.sign}, ")
    return ended


def record(scenario, ended, words):
    """Counts a process that a signal ended, or that was asked to end."""
    if ended.was_killed:
        RECORD[scenario.name][f"SIGKILL {words}{ended.place}"] += 1
    elif ended.code == 75:
        RECORD[scenario.name]["SIGTERM, ended by itself"] += 1


class Moment:
    """A moment after a sign of life, at which a process is killed.

    How long a process lives decides where it is hit, and never whether a test
    passes: one that was faster has ended as it should.

    Attributes:
        sign: "line" (it writes a line), "saved" (a checkpoint appears or
            goes), "saving" (a temporary directory appears).
    """

    def __init__(self, sign, count, seconds):
        """Makes the moment.

        Args:
            sign: See above.
            count: How many times the sign is seen.
            seconds: What passes after the last.
        """
        self.sign = sign
        self._count = count
        self._seconds = seconds

    def begin(self, workdir):
        """Looks at the work directory before the process starts."""
        self._workdir = workdir
        self._before = self._look()

    def wait_and_kill(self, process, has_ended, output):
        """Kills a process at the moment, unless it has ended."""
        seen, before = 0, self._before
        while not has_ended():
            if self.sign == "line":
                seen = output.read_bytes().count(b"\n")
            elif (now := self._look()) != before:
                seen += self.sign == "saved" or bool(now - before)
                before = now
            if seen >= self._count:
                time.sleep(self._seconds)
                if not has_ended():
                    os.kill(process, signal.SIGKILL)
                return
            time.sleep(0.001)

    def _look(self):
        directory = self._workdir / "checkpoints"
        try:
            names = os.listdir(directory)
        except FileNotFoundError:
            return set()
        return {n for n in names if (".tmp-" in n) == (self.sign == "saving")}


def is_gone(pid):
    """Returns whether a process has ended, even if its exit code is unread."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return text.rpartition(")")[2].split()[0] in "ZX"
