"""Imports TensorFlow once, and forks a process for each command.

    python fork_server.py LISTENER ADDRESS

LISTENER is the descriptor of an open socket, ADDRESS the path of the socket.
`commands` starts this server and is its client. Each connection is a process.
The client sends a JSON request with three open files: stdin, stdout, stderr. It
receives the id of the process, and later its exit code. The request contains:

    module  module for `python -m`, or "" to run only `code`
    words   command line after the module
    env     environment variables
    cwd     current directory
    umask   mask of the modes of new files, or -1 for the mask of the server
    code    Python code that is executed first, for example to inject faults

When its stdin ends, the server kills all forked processes and ends.
"""

import gc
import json
import os
import select
import signal
import socket
import sys

import commands
import driver  # noqa: F401
import forked


def _import(address):
    """Imports the modules of all commands without running TensorFlow.

    Therefore a forked process can still choose devices.
    """
    # `startup` sets this too, but too late for the imports below.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    import autograph_guard
    import keras_nlp  # noqa: F401
    import sklearn.metrics  # noqa: F401
    import tensorflow_datasets.public_api  # noqa: F401
    import tensorflow_text  # noqa: F401
    from tensorflow.python.autograph.impl import api

    from trainers.evaluation import evaluator  # noqa: F401
    from trainers.prediction import rows  # noqa: F401
    from trainers.server import process  # noqa: F401
    from trainers.serving import exporter  # noqa: F401
    from trainers.training import trainer  # noqa: F401

    api._convert_actual = autograph_guard.watched(_refuse_autograph)
    commands.fork_checks(commands.Client(address).run)
    # The collector would copy shared pages: exclude all objects of modules.
    gc.collect()
    gc.freeze()


def _refuse_autograph(name):
    """Ends a command at a function that AutoGraph converts."""
    print(f"AutoGraph converts {name}", file=sys.stderr, flush=True)
    os._exit(1)


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
            if not text:  # The client was killed.
                connection.close()
                continue
            process = os.fork()
            if not process:
                for other in (listener, connection):
                    other.close()
                for number, (other, _) in running.items():
                    os.close(number)
                    other.close()
                for number, stream in enumerate(streams):
                    os.dup2(stream, number)
                    os.close(stream)
                forked.become(json.loads(text))
            for stream in streams:
                os.close(stream)
            _answer(connection, process)
            running[os.pidfd_open(process)] = connection, process
    for _, process in running.values():
        os.kill(process, signal.SIGKILL)


def _answer(connection, number):
    try:
        connection.send(str(number).encode())
    except OSError:  # The client was killed.
        pass


if __name__ == "__main__":
    _import(sys.argv[2])
    _serve(socket.socket(fileno=int(sys.argv[1])))
