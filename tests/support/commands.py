"""Runs commands in processes that a server forks.

Each command is a separate process with its own streams, signals and exit code.
A fork saves the 4 s of importing TensorFlow, see `fork_server`.
"""

import atexit
import concurrent.futures
import contextlib
import functools
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import tempfile

_SERVER = pathlib.Path(__file__).with_name("fork_server.py")


class Process:
    """A forked process with the methods of `subprocess.Popen`.

    Attributes:
        args: Its command line.
        pid: Its process id.
        returncode: Exit code, minus the number of a signal, or `None` while it
            runs.
        stdin, stdout, stderr: Files for text, or `None`.
    """

    def __init__(self, args, connection, streams):
        self.args = args
        self._connection = connection
        # Empty if the server could not import its modules.
        self.pid = int(connection.recv(20))
        self.returncode = None
        self.stdin, self.stdout, self.stderr = streams

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._close()
        self.wait()

    def _close(self):
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def poll(self):
        """Returns the exit code, or `None` while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout=None):
        """Waits for the end of the process; returns its exit code."""
        if self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.returncode = int(self._connection.recv(20))
            self._connection.close()
        return self.returncode

    def communicate(self, input=None, timeout=None):  # noqa: A002
        """Waits for the end; returns the rest of stdout and stderr."""
        with concurrent.futures.ThreadPoolExecutor() as threads:
            texts = [
                threads.submit(stream.read)
                if stream and not stream.closed
                else None
                for stream in (self.stdout, self.stderr)
            ]
            if self.stdin and not self.stdin.closed:
                with contextlib.suppress(BrokenPipeError):
                    self.stdin.write(input or "")
                    self.stdin.close()
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()  # Ends the reading, too.
                raise
            texts = [text and text.result() for text in texts]
        self._close()
        return tuple(texts)

    def send_signal(self, number):
        """Sends a signal if the process still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        """Sends SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self):
        """Sends SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Client:
    """A client of the fork server at an address."""

    def __init__(self, address):
        self.address = address

    def start(
        self,
        module,
        *words,
        env,
        cwd=None,
        umask=-1,
        code="",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ):
        """Starts a command; returns `Process`.

        Args:
            module, words, env, umask, code: See `fork_server`.
            cwd: Current directory; `None` means that of this process.
            stdin, stdout, stderr: As for `subprocess.Popen`.
        """
        request = {
            "module": module,
            "words": list(words),
            "env": dict(env),
            "cwd": os.path.abspath(cwd or os.getcwd()),
            "umask": umask,
            "code": code,
        }
        with contextlib.ExitStack() as theirs:
            ours, files = [], []
            for mode, stream in zip(
                "wrr", (stdin, stdout, stderr), strict=True
            ):
                mine = None
                if stream == subprocess.PIPE:
                    ends = os.pipe()
                    stream, number = ends if mode == "w" else ends[::-1]
                    theirs.callback(os.close, stream)
                    mine = open(number, mode)
                elif stream == subprocess.DEVNULL:
                    stream = os.open(os.devnull, os.O_RDWR)
                    theirs.callback(os.close, stream)
                elif stream == subprocess.STDOUT:
                    stream = files[1]
                elif not isinstance(stream, int):
                    stream = stream.fileno()
                ours.append(mine)
                files.append(stream)
            # Connect last: the server waits for the request of each connection.
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            connection.connect(self.address)
            socket.send_fds(connection, [json.dumps(request).encode()], files)
        return Process([module, *words], connection, ours)

    def run(self, module, *words, input="", timeout=300, **kwargs):  # noqa: A002
        """Runs a command to its end; returns `subprocess.CompletedProcess`.

        Args:
            module, words: As for `start`.
            input: Text for stdin.
            timeout: Longest time in seconds.
            kwargs: For `start`.
        """
        kwargs = {"stdin": subprocess.PIPE} | kwargs
        with self.start(module, *words, **kwargs) as process:
            try:
                stdout, stderr = process.communicate(input, timeout)
            finally:
                process.kill()
        return subprocess.CompletedProcess(
            process.args, process.returncode, stdout, stderr
        )


def fork_checks(run_fn):
    """Checks exports in forked processes from now on, and not in new ones.

    Args:
        run_fn: `run` or `Client.run`.
    """
    from trainers.serving.proof import checker

    start = checker._run

    @functools.wraps(start)
    def run(directory, python, *words):
        # Another interpreter has other libraries.
        if python != sys.executable:
            return start(directory, python, *words)
        env = os.environ | {"CUDA_VISIBLE_DEVICES": "-1"}
        return run_fn(*words, env=env)

    checker._run = run


@functools.cache
def _client():
    """Starts the fork server at the first command of this process."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    directory = stack.enter_context(tempfile.TemporaryDirectory())
    address = os.path.join(directory, "server")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        # Requests wait until the server has imported its modules.
        listener.listen(100)
        words = [str(_SERVER), str(listener.fileno()), address]
        server = subprocess.Popen(
            [sys.executable, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
        )
    stack.enter_context(server)
    stack.callback(server.stdin.close)
    return Client(address)


def address():
    """Returns the address of the server, for a `Client` elsewhere."""
    return _client().address


def start(module, *words, **kwargs):
    """See `Client.start`."""
    return _client().start(module, *words, **kwargs)


def run(module, *words, **kwargs):
    """See `Client.run`."""
    return _client().run(module, *words, **kwargs)
