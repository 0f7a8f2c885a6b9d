"""Runs the training command in processes that are forked after the imports.

    python worker_driver.py

Each answers a line of JSON on stdin with a line on stdout. To start a process,
and get its number:

    words    the command line after `python -m trainers.train`
    environ  environment variables
    cwd      its current directory
    workdir  directory whose file operations are logged
    code     Python that is executed first, which is where faults are put in
    stdout, stderr, log    files for what it writes, and for the operations

To get its exit code, minus the number of a signal, or null where it runs on:

    wait     the number of a process
    seconds  how long to wait at most
"""

import json
import os
import runpy
import signal
import sys
import time
import traceback

import driver  # noqa: E402


def _create(file):
    return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


def _train(request):
    """Does what `python -m trainers.train` does; ends the process."""
    # Of shells, jobs in the background inherit that they ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["cwd"])
    # A user has not set it: the command has to be quiet by itself.
    del os.environ["TF_CPP_MIN_LOG_LEVEL"]
    os.environ.update(request["environ"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(_create(request["stdout"]), 1)
    os.dup2(_create(request["stderr"]), 2)
    sys.argv = ["trainers.train", *request["words"]]
    exec(request["code"], {"__name__": "fault"})
    sys.addaudithook(driver.Watch(request["workdir"], request["log"], []))
    try:
        runpy.run_module("trainers.train", run_name="__main__", alter_sys=True)
    except SystemExit:
        raise
    except BaseException:
        traceback.print_exc()
        sys.exit(1)
    sys.exit(0)


def _wait(process, seconds):
    """Returns an exit code, or `None` where the process runs on."""
    end = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            return None
        time.sleep(0.01)


def _serve():
    # As `startup` does, which comes too late for what is imported here.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Imported, and not run: a process that is forked has its own devices.
    import tensorflow  # noqa: F401

    from trainers.serving import exporter  # noqa: F401
    from trainers.training import trainer  # noqa: F401

    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        if "wait" in request:
            answer = _wait(request["wait"], request["seconds"])
        elif not (answer := os.fork()):
            _train(request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()
