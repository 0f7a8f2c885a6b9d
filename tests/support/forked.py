"""What a forked process does to behave like a new one."""

import atexit
import logging
import os
import runpy
import signal
import sys
import threading
import traceback

from trainers.distribution import worker_process


def become(request):
    """Runs a command in this process, and exits if the command does.

    Other errors go through, for Python to report.

    Args:
        request: Dict of module, words, env, cwd, umask and code, see
            `fork_server`.
    """
    try:
        _run(request)
    except SystemExit as error:
        _exit(error)


def _run(request):
    # Background jobs of shells inherit an ignored SIGINT.
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


def _exit(error):
    """Ends the process as Python does after `SystemExit`, but sooner.

    Python would free all objects. That copies the pages of all modules and
    takes 0.2 s.
    """
    code = error.code or 0
    if not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except OSError as problem:
        # Only Python itself reports it; it exits with 120.
        raise error from problem
    sys.stderr.flush()
    os._exit(code)


class _Forked:
    """A worker with what the launcher uses of `subprocess.Popen`."""

    def __init__(
        self, command, *, env, stdin, stderr, start_new_session, preexec_fn
    ):
        assert (stdin, stderr) == (-3, -1) and start_new_session
        assert command[:2] == [sys.executable, "-m"]
        ours, theirs = os.pipe()
        # The launcher has no threads when it starts workers.
        self.pid = os.fork()
        if not self.pid:
            os.setsid()
            preexec_fn()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(theirs, 2)
            # The pipes of the launcher and of other workers.
            os.closerange(3, 1024)
            # What a new program would not inherit.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            logging.getLogger("trainers").handlers.clear()
            sys.modules.pop(command[2], None)
            request = {"module": command[2], "words": command[3:], "env": env}
            try:
                become(request | {"cwd": os.getcwd(), "umask": -1, "code": ""})
            except BaseException:
                # The launcher, whose stack this is, must not handle it.
                traceback.print_exc()
                os._exit(1)
        os.close(theirs)
        self.stderr = open(ours, "rb", buffering=0)

    def wait(self):
        """Waits for the end of the process; returns its exit code."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class _Subprocess:
    """Replaces the module `subprocess` for the launcher."""

    DEVNULL, PIPE, Popen = -3, -1, _Forked


def fork_workers():
    """Lets the launcher of this process fork its workers.

    New processes would each import TensorFlow for 4 s.
    """
    worker_process.subprocess = _Subprocess
