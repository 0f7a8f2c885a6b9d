"""Runs each side of a comparison in its own process.

The threads of one side do not disturb the other.
"""

import concurrent.futures
import multiprocessing
import os
import pathlib
import resource
import time

# The timed function, in the process of a side.
_answer = None


class Side:
    """A process with one side of a comparison.

    Attributes:
        name: str. Name in the printed table.
    """

    def __init__(self, name, load, *arguments, waits=True):
        """Starts the process.

        Args:
            name: str. Name in the printed table.
            load: Function that is called in the process. It returns the
                function to time.
            *arguments: Arguments of `load`.
            waits: bool. Whether to wait until `load` has returned. Otherwise,
                the first call waits.
        """
        self.name = name
        self._process = _executor()
        self._loading = self._process.submit(_start, load, *arguments)
        if waits:
            self.wait()

    def wait(self):
        """Waits until `load` has returned; raises what it raised."""
        self._loading.result()

    def __call__(self, values):
        """Calls the timed function in the process.

        Args:
            values: Argument of the function.

        Returns:
            Tuple of the seconds, measured in the process, and the result.
        """
        self.wait()
        return self._process.submit(_timed, values).result()

    def resident(self):
        """Returns the resident memory of the process in bytes."""
        return resident(self._process.submit(os.getpid).result())

    def close(self):
        """Ends the process."""
        self._process.shutdown()


def _start(load, *arguments):
    global _answer
    _answer = load(*arguments)


def _timed(values):
    start = time.perf_counter()
    answer = _answer(values)
    return time.perf_counter() - start, answer


def in_process(function, *arguments):
    """Calls a function in a new process and returns its result."""
    with _executor() as executor:
        return executor.submit(function, *arguments).result()


def _executor():
    context = multiprocessing.get_context("spawn")
    return concurrent.futures.ProcessPoolExecutor(1, mp_context=context)


def resident(pid):
    """Returns the resident memory of a process in bytes."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return int(fields["VmRSS"].split()[0]) * 1024


def most_memory():
    """Returns the peak of the memory of this process in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
