"""Processes with what is compared, each undisturbed by threads of another."""

import concurrent.futures
import multiprocessing
import os
import pathlib
import resource
import time

# Of a process that is measured.
_answer = None


class Side:
    """A process with a model, undisturbed by threads of another."""

    def __init__(self, name, load, *arguments):
        """Starts it.

        Args:
            name: For people.
            load: Called there with the arguments, which returns a function;
                that one is what is timed.
            *arguments: Its arguments.
        """
        self.name = name
        self._process = _executor()
        self._process.submit(_start, load, *arguments).result()

    def __call__(self, values):
        """Returns seconds, as that process measures them, and the answer."""
        return self._process.submit(_timed, values).result()

    def resident(self):
        """Returns the bytes of memory that it has."""
        return resident(self._process.submit(os.getpid).result())

    def close(self):
        """Ends it."""
        self._process.shutdown()


def _start(load, *arguments):
    global _answer
    _answer = load(*arguments)


def _timed(values):
    start = time.perf_counter()
    answer = _answer(values)
    return time.perf_counter() - start, answer


def in_process(function, *arguments):
    """Returns what a function returns in a process that ends with it."""
    with _executor() as executor:
        return executor.submit(function, *arguments).result()


def _executor():
    context = multiprocessing.get_context("spawn")
    return concurrent.futures.ProcessPoolExecutor(1, mp_context=context)


def resident(pid):
    """Returns the bytes of memory that a process has at the moment."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return int(fields["VmRSS"].split()[0]) * 1024


def most_memory():
    """Returns the bytes that this process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
