"""Runs one worker process on this machine: TF_CONFIG, stderr, end."""

import contextlib
import ctypes
import functools
import json
import os
import select
import signal
import socket
import subprocess
import threading

# Looked up here: a process that was just forked should not do that.
_PRCTL = ctypes.CDLL(None).prctl
_PR_SET_PDEATHSIG = 1
_STDERR = threading.Lock()


def free_ports(count, avoid=()):
    """Returns different free ports of 127.0.0.1.

    Args:
        count: int. How many ports.
        avoid: List of int. Ports that the result must not contain.
    """
    ports = []
    with contextlib.ExitStack() as stack:
        while len(ports) < count:
            # Held until all are found, so that no port appears twice.
            holder = stack.enter_context(socket.socket())
            holder.bind(("127.0.0.1", 0))
            port = holder.getsockname()[1]
            if port not in avoid:
                ports.append(port)
    return ports


def tf_config(ports, index):
    """Returns the TF_CONFIG of a worker as JSON.

    Args:
        ports: List of int. One for each worker.
        index: int. Which worker.
    """
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": cluster, "task": task})


class WorkerProcess:
    """A worker process in a session of its own; the main thread starts it.

    The operating system kills the process when that thread ends for any reason.

    Attributes:
        index: int. Worker 0 is the chief.
        code: int. Exit code, or minus the number of the signal that ended it;
            `None` while it runs.
    """

    def __init__(self, command, ports, index):
        """Starts the process.

        Args:
            command: List of str. Command line.
            ports: List of int. One for each worker.
            index: int. Which worker this is.
        """
        self.index = index
        self.code = None
        # Re-entrant, because a signal handler also sends signals.
        self._reaping = threading.RLock()
        self._threads = []
        # By default each worker would use all cores.
        num_threads = max(1, len(os.sched_getaffinity(0)) // len(ports))
        self._process = subprocess.Popen(
            command,
            env={"TF_NUM_INTRAOP_THREADS": str(num_threads)}
            | os.environ
            | {"TF_CONFIG": tf_config(ports, index)},
            stdin=subprocess.DEVNULL,
            # Stdout is the launcher's own: only the chief prints there, and
            # scripts read it.
            stderr=subprocess.PIPE,
            # Ctrl-C in a terminal is for the launcher.
            start_new_session=True,
            preexec_fn=functools.partial(_end_with, os.getpid()),
        )

    def __str__(self):
        """Returns the worker's name, and how it ended if it has ended."""
        if self.code is None:
            return f"worker {self.index}"
        if self.code >= 0:
            return f"worker {self.index} ended with the code {self.code}"
        names = {number.value: number.name for number in signal.Signals}
        name = names.get(-self.code, f"the signal {-self.code}")
        return f"worker {self.index} was ended by {name}"

    def watch(self, ended):
        """Starts to copy the worker's stderr and to wait for its end.

        Args:
            ended: Called with the worker at its end, in another thread.
        """
        for target, *args in [(self._copy_lines,), (self._reap, ended)]:
            thread = threading.Thread(target=target, args=args, daemon=True)
            thread.start()
            self._threads.append(thread)

    def send(self, number):
        """Sends a signal; SIGKILL also ends processes that the worker started.

        Args:
            number: int. Number of the signal.
        """
        with self._reaping:
            if self.code is None:
                kill = os.killpg if number == signal.SIGKILL else os.kill
                kill(self._process.pid, number)

    def join(self):
        """Waits until the worker has ended and its last line is written."""
        for thread in self._threads:
            thread.join()

    def _reap(self, ended):
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        with self._reaping:
            # Kills what the worker started and left running. Until the worker
            # is reaped, no other process or group can get its number.
            self.send(signal.SIGKILL)
            self.code = self._process.wait()
        ended(self)

    def _copy_lines(self):
        prefix = f"[worker {self.index}] ".encode()
        rest = b""
        with self._process.stderr as pipe:
            poll = select.poll()
            poll.register(pipe, select.POLLIN)
            while True:
                # Other processes can hold the pipe open. What the worker itself
                # wrote is in the pipe when it ends.
                has_ended = self.code is not None
                if poll.poll(200):
                    data = os.read(pipe.fileno(), 65536)
                    if not data:
                        break
                    *lines, rest = (rest + data).split(b"\n")
                    _write(b"".join(prefix + line + b"\n" for line in lines))
                elif has_ended:
                    break
        if rest:
            _write(prefix + rest + b"\n")


def open_standard_streams():
    """Opens closed standard streams on /dev/null.

    Otherwise a pipe or a file would get the number of a standard stream.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def say(line):
    """Writes a line of the launcher to stderr.

    Args:
        line: str. Without the newline.
    """
    _write(line.encode() + b"\n")


def _write(data):
    """Writes whole lines to stderr; ignores that stderr is closed."""
    with _STDERR, contextlib.suppress(OSError):
        while data:
            data = data[os.write(2, data) :]


def _end_with(parent):
    """Lets the system kill this process when the parent thread ends."""
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # The parent has already ended.
        os._exit(1)
