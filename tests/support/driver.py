"""What is done to a training command in a process of `fork_server`."""

import os
import re
import signal
import sys

# Operations that open, create, replace, shorten or remove a file.
OPERATIONS = (
    "open",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.truncate",
    "shutil.rmtree",
)
# Position of the argument with a directory to which the path is relative.
_DIR_FD = {"os.mkdir": 2, "os.remove": 1, "os.rmdir": 1}


def operation(event, args, workdir):
    """Returns an operation in words, with its step and without; or `None`."""
    if event not in OPERATIONS or isinstance(args[0], int):
        return None
    path = os.fsdecode(args[0])
    directory = args[_DIR_FD[event]] if event in _DIR_FD else -1
    if directory not in (-1, None):
        path = os.path.join(os.readlink(f"/proc/self/fd/{directory}"), path)
    if path != workdir and not path.startswith(workdir + "/"):
        return None
    if event == "open":
        writes = args[2] & (os.O_WRONLY | os.O_RDWR)
        event = "write" if writes else "read"
    name = path[len(workdir) + 1 :] or "."
    name = re.sub(r"\.tmp-\d+", ".tmp", name)
    name = re.sub(r"events\.out\..*", "events", name)
    exact = f"{event.rpartition('.')[2]} {name}"
    return exact, re.sub(r"step-\d+", "step-N", exact)


class _Watch:
    """An audit hook that logs file operations and sends signals at them."""

    def __init__(self, workdir, log, signals):
        self._workdir = workdir
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._signals = [list(entry) for entry in signals]

    def __call__(self, event, args):
        """Is called by Python before each audited operation."""
        found = operation(event, args, self._workdir)
        if found is None:
            return
        os.write(self._log, f"{found[1]}\n".encode())
        for entry in self._signals:
            if entry[0] not in (*found, ""):
                continue
            entry[1] -= 1
            if entry[1] == 0:
                os.kill(os.getpid(), getattr(signal, entry[2]))


def _lose_position():
    from trainers.training import fitting

    make = fitting.make_dataset
    fitting.make_dataset = lambda *args, **kwargs: make(*args[:4])


def _lose_variables(part):
    from trainers.training import state

    assign = state._assign

    def assign_others(variables, arrays, workers):
        kept = {n: v for n, v in variables.items() if part not in n}
        # Of the metrics alone, later, nothing has to be there.
        is_all = any(not name.startswith("metrics/") for name in variables)
        assert len(kept) < len(variables) or not is_all, part
        assign(kept, arrays, workers)

    state._assign = assign_others


def _lose_metrics():
    from trainers.training import state

    state.write_metrics = lambda model, arrays, workers: None


def _lose_callback(module, name):
    import importlib

    callback = getattr(importlib.import_module(module), name)
    assert callable(callback.set_state)
    callback.set_state = lambda self, state: None


# What a run can lose; each in a way that the product itself does not notice.
PATCHES = {
    "position": _lose_position,
    "seeds": lambda: _lose_variables("/seed_generator"),
    "slots": lambda: _lose_variables("_momentum"),
    "averages": lambda: _lose_variables("average"),
    "iterations": lambda: _lose_variables("/iteration"),
    "loss_scale": lambda: _lose_variables("/step_counter"),
    "metrics": _lose_metrics,
    "best": lambda: _lose_callback(
        "trainers.training.callbacks", "BestCheckpoint"
    ),
    "plateau": lambda: _lose_callback(
        "trainers.training.callbacks", "ReduceLearningRate"
    ),
    "history": lambda: _lose_callback("trainers.training.history", "History"),
    "tensorboard": lambda: _lose_callback(
        "trainers.training.tracking", "Tracking"
    ),
}


def watch(workdir, log, signals=(), patches=()):
    """Watches this process from now on.

    Args:
        workdir: Path of the directory whose file operations are counted.
        log: File that gets a line for each file operation in `workdir`.
        signals: List of `(operation, occurrence, name of a signal)`: what the
            process sends to itself just before an operation; the operation is
            as in `log`, or as there with its step, or "" for any.
        patches: Names in `PATCHES`, for runs that must not end as they should.
    """
    for name in patches:
        PATCHES[name]()
    sys.addaudithook(_Watch(workdir, log, signals))
