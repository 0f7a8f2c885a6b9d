"""Decides whether a finished run can be extended by more epochs, and by what.

An extension is a run in a work directory of its own. It begins where the
finished run ended: with its weights, optimizer, dropout seeds, history and best
epoch. It then trains as if the finished run had had more epochs from its start.
Only the learning rate restarts, for the added epochs: a finished schedule is at
its end, which is zero or close to it.
"""

import pathlib

from trainers.config import tree
from trainers.errors import ConfigError
from trainers.run import identity as identity_lib
from trainers.run.workdir import Workdir

_FLAG = "--config.trainer.extend_from"
# What an extension may set in another way, besides settings with which a run
# can resume: how long it trains and how fast.
_MAY_DIFFER = (
    "config.trainer.extend_from",
    "config.trainer.epochs",
    "config.trainer.early_stopping_patience",
    "config.trainer.early_stopping_min_delta",
    "config.optimizer.learning_rate",
    "config.optimizer.schedule",
    "config.optimizer.warmup_steps",
    "config.optimizer.warmup_fraction",
    "config.optimizer.end_fraction",
    "config.optimizer.plateau_patience",
    "config.optimizer.plateau_factor",
    "config.export.name",
)


def check(config, paths):
    """Checks the settings of an extension before any data is read.

    Args:
        config: `ExperimentConfig`.
        paths: `Workdir` of the extension, which has not begun.

    Raises:
        ConfigError: There is no finished run that this one can extend.
    """
    if not config.trainer.extend_from:
        return
    source = Workdir(config.trainer.extend_from)
    if source.path.resolve() == pathlib.Path(paths.path).resolve():
        raise ConfigError(
            f"`{_FLAG}` must be another directory than --workdir, as the "
            f"finished run stays as it is. Received: {str(source.path)!r}."
        )
    if not (source.path / "config.json").exists():
        raise not_extendable(source, "it contains no run")
    if not (source.path / "metrics.json").exists():
        raise not_extendable(
            source,
            "it contains a run that is not finished. First finish it with its "
            "own command",
        )
    then, now = map(tree.to_tree, (source.read_config(), config))
    refuse(identity_lib.config_differences(then, now, _MAY_DIFFER), source)
    check_epochs(config.trainer.epochs, len(source.read_history()))


def check_same(then, now, source):
    """Compares the identities of a finished run and of its extension.

    Args:
        then, now: dict. From `identity.identity`.
        source: `Workdir` of the finished run.

    Raises:
        ConfigError: They differ; the message names each difference.
    """
    refuse(identity_lib.differences(then, now, _MAY_DIFFER), source)


def check_epochs(epochs, finished):
    """Checks that an extension adds an epoch.

    Args:
        epochs: int. `config.trainer.epochs` of the extension.
        finished: int. Epochs of the finished run.

    Raises:
        ConfigError: It does not.
    """
    if epochs <= finished:
        raise ConfigError(
            f"`--config.trainer.epochs` must be above {finished}: it counts "
            f"the epochs that the run of {_FLAG} has finished. Received: "
            f"{epochs}."
        )


def refuse(differences, source):
    """Raises `ConfigError` if there are differences.

    Args:
        differences: Iterable of str.
        source: `Workdir` of the finished run.
    """
    if lines := list(differences):
        raise ConfigError(
            f"`{_FLAG}` {str(source.path)!r} contains a run that differs, and "
            "only epochs, early stopping, learning rate and its schedule may "
            "differ. Undo the differences, or start a new run without it:\n"
            + "\n".join(lines)
        )


def not_extendable(source, reason):
    """Returns the error for a directory that cannot be extended.

    Args:
        source: `Workdir`.
        reason: str. In words.
    """
    return ConfigError(
        f"`{_FLAG}` must be the work directory of a finished run. Received: "
        f"{str(source.path)!r}: {reason}."
    )
