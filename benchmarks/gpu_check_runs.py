"""Runs the commands of `gpu_checks.py`, each in its own process."""

import dataclasses
import os
import runpy
import signal
import subprocess
import sys
import time

# Exit code of a run that a signal stopped after a checkpoint.
STOPPED = 75
# Of each half of the GPU. Several small runs share it.
HALF_MEGABYTES = 3_000


class CheckError(Exception):
    """A check failed. The message says how."""


@dataclasses.dataclass(frozen=True)
class Job:
    """A run of the command.

    Attributes:
        config: str. Its `--config`.
        settings: Tuple of str. Other settings, without `--config.`.
        is_split: bool. Whether the device is split into two.
        stop: `signal.Signals` that ends the run after some steps. It is then
            resumed. `None` lets it run.
        compiles: bool. Whether XLA compiles the step; `None` means the default.
    """

    config: str
    settings: tuple
    is_split: bool = False
    stop: signal.Signals | None = None
    compiles: bool | None = None


class Runs:
    """Runs jobs in processes, each job once."""

    def __init__(self, device, directory, executor):
        """Makes the runs.

        Args:
            device: str. `cpu` or `gpu`.
            directory: `pathlib.Path`. For the work directories.
            executor: Executor with a thread for each process.
        """
        self._device = device
        self._directory = directory
        self._executor = executor
        self._futures = {}

    def start(self, job, number=0):
        """Returns a future of the work directory of a job.

        Args:
            job: `Job`.
            number: int. The same job with another number runs again.
        """
        key = (job, int(number))
        if key not in self._futures:
            workdir = self._directory / f"run{len(self._futures)}"
            self._futures[key] = self._executor.submit(self._run, job, workdir)
        return self._futures[key]

    def _run(self, job, workdir):
        words = [f"--config={job.config}", f"--workdir={workdir}"]
        words += [f"--config.{setting}" for setting in job.settings]
        program = ["-m", "trainers.train"]
        if job.compiles is not None:
            choice = "always" if job.compiles else "never"
            words.append(f"--config.trainer.jit_compile={choice}")
        if job.is_split:
            words.append("--config.trainer.strategy=mirrored")
            if self._device == "cpu":
                words.append("--config.trainer.num_logical_cpus=2")
            else:
                program = [__file__]
        command = [*program, *words]
        if job.stop is not None:
            _stop(command, workdir, job.stop)
        self.command(command)
        return workdir

    def command(self, words, environment=None):
        """Runs Python with arguments; returns what it writes to stdout.

        Raises:
            CheckError: It fails.
        """
        run = subprocess.run(
            [sys.executable, *words],
            env=environment,
            capture_output=True,
            text=True,
        )
        if run.returncode:
            raise CheckError(_end_of(run.stderr, run.returncode))
        return run.stdout


def _stop(words, workdir, number):
    """Starts a run and ends it with a signal after its third checkpoint."""
    process = subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while process.poll() is None and _last_step(workdir) < 60:
            time.sleep(0.05)
        process.send_signal(number)
        code = process.wait()
    finally:
        process.kill()
    expected = {signal.SIGTERM: STOPPED, signal.SIGKILL: -signal.SIGKILL}
    if code != expected[number]:
        raise CheckError(f"exit code {code} after {number.name}")


def _last_step(workdir):
    names = [path.name for path in workdir.glob("checkpoints/step-*")]
    # Directories that are being written have a suffix.
    steps = [name.removeprefix("step-") for name in names]
    return max((int(step) for step in steps if step.isdigit()), default=0)


def _end_of(text, code):
    lines = [line for line in text.splitlines() if line.strip()]
    return f"exit code {code}: {' / '.join(lines[-2:])[:500]}"


def train_on_two_gpus(arguments):
    """Runs the command with the first GPU split into two.

    Args:
        arguments: List of str. Flags of `trainers.train`.
    """
    # TensorFlow cannot split a GPU whose memory grows.
    os.environ.pop("TF_FORCE_GPU_ALLOW_GROWTH", None)
    from trainers.runtime import startup

    startup.import_tensorflow()
    import tensorflow as tf

    half = tf.config.LogicalDeviceConfiguration(memory_limit=HALF_MEGABYTES)
    gpu = tf.config.list_physical_devices("GPU")[0]
    tf.config.set_logical_device_configuration(gpu, [half, half])
    sys.argv = ["trainers.train", *arguments]
    runpy.run_module("trainers.train", run_name="__main__")


if __name__ == "__main__":
    train_on_two_gpus(sys.argv[1:])
