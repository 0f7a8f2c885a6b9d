"""Imports TensorFlow once, and forks a process for each command.

    python fork_server.py LISTENER ADDRESS

LISTENER is the number of an open socket, ADDRESS the path that it is bound to.
`commands` starts this server and is its client. Each connection is one process:
it sends a request of JSON with three open files, stdin, stdout and stderr, and
gets the number of the process, and its exit code when it has ended:

    module  what `python -m` would run, or "" for the code alone
    words   the command line after it
    env     environment variables
    cwd     current directory
    umask   mask of the modes of new files, or -1 for that of the server
    code    Python that is executed first, which is where faults are put in

The server ends at the end of its stdin, with all that it has forked.
"""

import gc
import json
import os
import runpy
import select
import signal
import socket
import sys

import commands
import driver  # noqa: F401


def _import(address):
    """Imports what commands import, and runs nothing of TensorFlow.

    A process that is forked may still choose devices then.
    """
    # As `startup` does, which comes too late for what is imported here.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    import keras_nlp  # noqa: F401
    import sklearn.metrics  # noqa: F401
    import tensorflow_datasets.public_api  # noqa: F401
    import tensorflow_text  # noqa: F401

    from trainers.evaluation import evaluator  # noqa: F401
    from trainers.prediction import rows  # noqa: F401
    from trainers.server import process  # noqa: F401
    from trainers.serving import exporter  # noqa: F401
    from trainers.serving.proof import checker
    from trainers.training import trainer  # noqa: F401

    client = commands.Client(address)
    started = checker._run

    def run(directory, python, *words):
        """The proof of an export is another process of this server."""
        if python != sys.executable:
            return started(directory, python, *words)
        env = os.environ | {"CUDA_VISIBLE_DEVICES": "-1"}
        return client.run(*words, env=env)

    checker._run = run
    # Objects of modules are never garbage: what is shared stays shared.
    gc.collect()
    gc.freeze()


def _become(request, streams):
    """Does what the command does; ends the process as Python ends."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Of shells, jobs in the background inherit that they ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["cwd"])
    if request["umask"] != -1:
        os.umask(request["umask"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = [request["module"], *request["words"]]
    sys.path[0] = request["cwd"]
    exec(request["code"], {"__name__": "__main__"})
    if request["module"]:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
    sys.exit()


def _serve(listener):
    running = {}
    while True:
        ready, _, _ = select.select([0, listener, *running], [], [])
        if 0 in ready:
            break
        for ended in set(ready) & set(running):
            connection, process = running.pop(ended)
            os.close(ended)
            _, status = os.waitpid(process, 0)
            _answer(connection, os.waitstatus_to_exitcode(status))
            connection.close()
        if listener in ready:
            connection, _ = listener.accept()
            text, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
            if not text:  # Who connected has been killed.
                connection.close()
                continue
            process = os.fork()
            if not process:
                for other in (listener, connection):
                    other.close()
                for number, (other, _) in running.items():
                    os.close(number)
                    other.close()
                _become(json.loads(text), streams)
            for stream in streams:
                os.close(stream)
            _answer(connection, process)
            running[os.pidfd_open(process)] = connection, process
    for _, process in running.values():
        os.kill(process, signal.SIGKILL)


def _answer(connection, number):
    try:
        connection.send(str(number).encode())
    except OSError:  # Who asked has been killed.
        pass


if __name__ == "__main__":
    _import(sys.argv[2])
    _serve(socket.socket(fileno=int(sys.argv[1])))
