"""Reads from `TF_CONFIG` which worker of a run this process is.

Launchers and schedulers set the variable, see `deploy/`:

    {"cluster": {"worker": ["host0:2222", "host1:2222"]},
     "task": {"type": "worker", "index": 0}}
"""

import dataclasses
import json
import os

from trainers.errors import ConfigError

_EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
_REFUSED = {
    "ps": "Keras 3 cannot train with parameter servers, and with them a run "
    "could not be repeated; workers sum their gradients instead",
    "evaluator": "the workers evaluate together",
}


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a run; the first one is the chief.

    Attributes:
        addresses: Tuple of str. `host:port` of each worker; empty without
            `TF_CONFIG`.
        index: int. Which of the workers this process is.

    >>> cluster = Cluster(("host0:2222", "host1:2222"), index=1)
    >>> cluster.num_workers, cluster.is_chief
    (2, False)
    >>> Cluster().num_workers
    1
    """

    addresses: tuple = ()
    index: int = 0

    @property
    def num_workers(self):
        """Returns the number of workers, at least 1."""
        return max(1, len(self.addresses))

    @property
    def is_chief(self):
        """Returns whether this process writes the files of the run."""
        return self.index == 0


ALONE = Cluster()


def read(environ=os.environ):
    """Reads `TF_CONFIG`.

    Args:
        environ: dict. Environment variables.

    Returns:
        `Cluster`. Without `TF_CONFIG`, a cluster of this process alone.

    Raises:
        ConfigError: `TF_CONFIG` is not JSON of the documented form, or names
            jobs that are not supported.
    """
    text = environ.get("TF_CONFIG", "").strip()
    if not text:
        return ALONE
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _wrong("JSON", f"{text[:200]!r}: {error}") from None
    if not isinstance(tree, dict):
        raise _wrong("a JSON object", repr(text[:200]))
    jobs = tree.get("cluster") or {}
    if not isinstance(jobs, dict):
        raise _wrong("an object at `cluster`", repr(jobs))
    return _cluster(jobs, tree.get("task")) if jobs else ALONE


def check_strategy(cluster, strategy):
    """Checks that a strategy fits the workers.

    Args:
        cluster: `Cluster`.
        strategy: str. `config.trainer.strategy`.

    Raises:
        ConfigError: It does not fit.
    """
    if strategy == "multi_worker" and not cluster.addresses:
        raise ConfigError(
            "`--config.trainer.strategy=multi_worker` needs the environment "
            "variable TF_CONFIG, with the addresses of the workers. Received: "
            "none. `python -m trainers.launch --num_workers=2 -- FLAGS` sets "
            "it for workers on this machine, with the FLAGS of trainers.train."
        )
    if cluster.num_workers > 1 and strategy not in ("auto", "multi_worker"):
        raise ConfigError(
            "`--config.trainer.strategy` must be auto or multi_worker with "
            f"the {cluster.num_workers} workers of TF_CONFIG: with another "
            f"strategy, each would train alone. Received: {strategy}."
        )


def _cluster(jobs, task):
    for job in jobs:
        if reason := _REFUSED.get(job):
            raise ConfigError(
                f"`TF_CONFIG` must not have the job `{job}`: {reason}. "
                f"Received: {', '.join(jobs)}. Choices: worker, or chief and "
                "worker."
            )
        if job not in ("chief", "worker"):
            raise _wrong("only the jobs `worker` and `chief`", repr(job))
    tasks = []
    for job in ("chief", "worker"):
        addresses = jobs.get(job, [])
        if not isinstance(addresses, list):
            raise _wrong(f"a list at `cluster.{job}`", repr(addresses))
        tasks += [(job, index, a) for index, a in enumerate(addresses)]
    for job, index, address in tasks:
        if not _is_address(address):
            raise _wrong(
                f"host:port at `cluster.{job}[{index}]`", repr(address)
            )
    if not tasks:
        raise _wrong("an address at `cluster.worker`", "none")
    addresses = tuple(address for _, _, address in tasks)
    if len(set(addresses)) < len(addresses):
        raise _wrong(
            "a different address for each worker", ", ".join(addresses)
        )
    names = [(job, index) for job, index, _ in tasks]
    if len(jobs.get("chief", [])) > 1:
        raise _wrong("at most one chief", repr(jobs["chief"]))
    return Cluster(addresses, _index(names, task))


def _index(names, task):
    """Returns the position of `task` among `(job, index)` pairs."""
    if not isinstance(task, dict):
        raise _wrong("an object at `task`", repr(task))
    job, index = task.get("type"), task.get("index")
    # Some launchers write the index as text.
    if isinstance(index, str) and _is_number(index):
        index = int(index)
    if isinstance(index, bool) or (job, index) not in names:
        choices = ", ".join(f"{job} {index}" for job, index in names)
        raise _wrong(
            f"one of these at `task`: {choices}",
            f"type {task.get('type')!r}, index {task.get('index')!r}",
        )
    return names.index((job, index))


def _is_address(address):
    if not isinstance(address, str):
        return False
    host, _, port = address.rpartition(":")
    return bool(host) and _is_number(port) and 0 < int(port) < 2**16


def _is_number(text):
    # isdecimal() accepts digits of other scripts; int() limits the length.
    return text.isascii() and text.isdecimal() and len(text) < 10


def _wrong(rule, received):
    return ConfigError(
        f"`TF_CONFIG` must have {rule}. Received: {received}. Example: "
        f"{_EXAMPLE}"
    )
