"""One worker process on this machine: its TF_CONFIG, its lines, its end."""

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

# Looked up here, as a process that was just forked had better not.
_PRCTL = ctypes.CDLL(None).prctl
_PR_SET_PDEATHSIG = 1
_STDERR = threading.Lock()


def free_ports(count, avoid=()):
    """Returns distinct ports of 127.0.0.1 that nobody uses.

    Args:
        count: How many.
        avoid: Ports that are not to be among them.
    """
    ports = []
    with contextlib.ExitStack() as stack:
        while len(ports) < count:
            # Held until all are found: the system gives no port twice.
            holder = stack.enter_context(socket.socket())
            holder.bind(("127.0.0.1", 0))
            port = holder.getsockname()[1]
            if port not in avoid:
                ports.append(port)
    return ports


def tf_config(ports, index):
    """Returns the TF_CONFIG of a worker, as JSON."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": cluster, "task": task})


class WorkerProcess:
    """A process in a session of its own; to be started by the main thread.

    The system kills it when that thread ends, whatever ended it.

    Attributes:
        index: Its number; worker 0 is the chief.
        code: Exit code, or minus the signal that ended it, or `None`.
    """

    def __init__(self, command, ports, index):
        self.index = index
        self.code = None
        # Re-entrant, as the handler of a signal sends some too.
        self._reaping = threading.RLock()
        self._threads = []
        # By default each of them would use all cores.
        num_threads = max(1, len(os.sched_getaffinity(0)) // len(ports))
        self._process = subprocess.Popen(
            command,
            env={"TF_NUM_INTRAOP_THREADS": str(num_threads)}
            | os.environ
            | {"TF_CONFIG": tf_config(ports, index)},
            stdin=subprocess.DEVNULL,
            # Stdout is the launcher's, unchanged: the chief alone prints
            # there, and scripts read it.
            stderr=subprocess.PIPE,
            # Ctrl-C in a terminal is for the launcher.
            start_new_session=True,
            preexec_fn=functools.partial(_end_with, os.getpid()),
        )

    def __str__(self):
        """Returns its name, and once it has ended how."""
        if self.code is None:
            return f"worker {self.index}"
        if self.code >= 0:
            return f"worker {self.index} ended with the code {self.code}"
        names = {number.value: number.name for number in signal.Signals}
        name = names.get(-self.code, f"the signal {-self.code}")
        return f"worker {self.index} was ended by {name}"

    def watch(self, ended):
        """Copies its lines from now on, and calls `ended(self)` at its end."""
        for target, *args in [(self._copy_lines,), (self._reap, ended)]:
            thread = threading.Thread(target=target, args=args, daemon=True)
            thread.start()
            self._threads.append(thread)

    def send(self, number):
        """Sends a signal, SIGKILL also to what it has started."""
        with self._reaping:
            if self.code is None:
                kill = os.killpg if number == signal.SIGKILL else os.kill
                kill(self._process.pid, number)

    def join(self):
        """Waits for its end, and until its last line is written."""
        for thread in self._threads:
            thread.join()

    def _reap(self, ended):
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        with self._reaping:
            # What it started and left. Until it is reaped its number, which
            # is the group's too, is nobody else's.
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
                # Others may hold the pipe open; what it wrote itself is there
                # by its end.
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
    """Opens those that are closed, lest a pipe or file gets their number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def say(line):
    """Writes a line of the launcher's own to stderr."""
    _write(line.encode() + b"\n")


def _write(data):
    """Writes whole lines to stderr, and goes on without it if it is gone."""
    with _STDERR, contextlib.suppress(OSError):
        while data:
            data = data[os.write(2, data) :]


def _end_with(parent):
    """Lets the system kill this process with the thread that started it."""
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # It ended before.
        os._exit(1)
