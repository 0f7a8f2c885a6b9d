"""Which worker of a run this process is: `TF_CONFIG`, and nothing else.

Launchers and schedulers set it, see `deploy/`:

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
    "could not be repeated; workers add up their gradients instead",
    "evaluator": "the workers evaluate together",
}


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a run, of which the first is the chief.

    Attributes:
        addresses: `host:port` of each; empty without `TF_CONFIG`.
        index: Which of them this process is.
    """

    addresses: tuple = ()
    index: int = 0

    @property
    def num_workers(self):
        """Returns the number of workers, at least 1."""
        return max(1, len(self.addresses))

    @property
    def is_chief(self):
        """Returns whether this process writes what the run leaves behind."""
        return self.index == 0


ALONE = Cluster()


def read(environ=os.environ):
    """Returns the `Cluster` that `TF_CONFIG` describes.

    Args:
        environ: Environment variables.

    Raises:
        ConfigError: It is no JSON of that form, or names tasks that are not
            possible here.
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
    """Checks that a strategy is one for the workers that there are.

    Args:
        cluster: `Cluster`.
        strategy: `config.trainer.strategy`.

    Raises:
        ConfigError: It is not.
    """
    if strategy == "multi_worker" and not cluster.addresses:
        raise ConfigError(
            "`--config.trainer.strategy=multi_worker` needs the environment "
            "variable TF_CONFIG, with the addresses of the workers. Received: "
            "none. python -m trainers.launch --num_workers=2 -- ... sets it "
            "for workers on this machine."
        )
    if cluster.num_workers > 1 and strategy not in ("auto", "multi_worker"):
        raise ConfigError(
            "`--config.trainer.strategy` must be auto or multi_worker with "
            f"the {cluster.num_workers} workers of TF_CONFIG, as each would "
            f"train for itself. Received: {strategy}."
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
            raise _wrong("no jobs but `worker` and `chief`", repr(job))
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
        raise _wrong("another address for each worker", ", ".join(addresses))
    names = [(job, index) for job, index, _ in tasks]
    if len(jobs.get("chief", [])) > 1:
        raise _wrong("one chief at most", repr(jobs["chief"]))
    return Cluster(addresses, _index(names, task))


def _index(names, task):
    """Returns the place of `task` among `(job, index)` pairs."""
    if not isinstance(task, dict):
        raise _wrong("an object at `task`", repr(task))
    job, index = task.get("type"), task.get("index")
    # Some launchers write the number as text.
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
    # There are digits of other scripts, and int() has a limit.
    return text.isascii() and text.isdecimal() and len(text) < 10


def _wrong(rule, received):
    return ConfigError(
        f"`TF_CONFIG` must have {rule}. Received: {received}. Example: "
        f"{_EXAMPLE}"
    )
