"""Programs for the PATH of scripts from documents.

`install` writes two:

    python   forks the command from the server of `commands`
    timeout  sends SIGTERM at the second epoch of a run, and not after a time
"""

import contextlib
import os
import pathlib
import shlex
import signal
import subprocess
import sys

import commands


def install(directory):
    """Writes the programs into a directory."""
    for name in ("python", "timeout"):
        words = [sys.executable, __file__, name, commands.address()]
        path = pathlib.Path(directory, name)
        path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        path.chmod(0o700)


def python(address, words):
    """Runs `python -m MODULE WORDS`; returns its exit code."""
    option, module, *words = words
    assert option == "-m", option
    process = commands.Client(address).start(
        module, *words, env=os.environ, stdin=0, stdout=1, stderr=2
    )

    def pass_on(number, frame):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    return process.wait()


def timeout(address, words):
    """Runs `timeout --preserve-status SECONDS COMMAND`; returns its code."""
    option, _, *words = words
    assert option == "--preserve-status", option
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        sys.stderr.write(line)
        if line.startswith("epoch 2/"):
            process.terminate()
    return process.wait()


if __name__ == "__main__":
    program = {"python": python, "timeout": timeout}[sys.argv[1]]
    code = program(sys.argv[2], sys.argv[3:])
    # As a shell shows the end by a signal.
    sys.exit(code if code >= 0 else 128 - code)
