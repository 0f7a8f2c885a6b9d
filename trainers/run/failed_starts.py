"""Starts that failed before they saved anything, which protect nothing."""

from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.run import identity
from trainers.runtime import atomic


def is_begun(paths):
    """Returns whether a run has something to lose here.

    A start that failed before it saved its first training steps leaves
    settings and a checkpoint of step 0, or for an extension that of its first
    step. All can be made again. So another run can start in their place.

    Args:
        paths: `Workdir`.
    """
    if (paths.path / "metrics.json").exists():
        return True
    found = paths.checkpoints.paths()
    if not all(map(_is_start, found, found.values())):
        return True
    # An extension begins with the best weights of the run that it extends,
    # which are not of a later step.
    first = max(found, default=-1)
    return any(step > first for step in paths.best.steps.paths())


def is_extension_start(paths):
    """Returns whether there is only what an extension begins with.

    Args:
        paths: `Workdir`.
    """
    steps = paths.checkpoints.paths()
    return any(step > 0 for step in steps) and not is_begun(paths)


def clear(paths, config):
    """Removes what a start of another run left that failed early.

    Trackers would otherwise add this run to what they began for that one.
    Call it if no checkpoint of this directory was restored.

    Args:
        paths: `Workdir`.
        config: `ExperimentConfig` of the new run.
    """
    assert not is_begun(paths)
    is_extension = bool(config.trainer.extend_from)
    left = list(paths.checkpoints.paths().values())
    is_other = bool(left) and not is_extension
    if (paths.path / "config.json").exists() and not is_other:
        try:
            is_other = not identity.is_same(paths.read_config(), config)
        except ConfigError:
            is_other = True
    if is_other or is_extension:
        left.append(paths.best.steps.directory)
    if is_other:
        (paths.path / "history.json").unlink(missing_ok=True)
        left += [paths.path / "tracking", paths.tensorboard]
    for path in left:
        if path.is_dir():
            atomic.remove(path)


def _is_start(step, path):
    """Returns whether a checkpoint is the one with which a run begins."""
    if step == 0:
        return True
    try:
        facts, _ = atomic.read_manifest(path)
    except RunError:
        return False
    run = facts.get("run")
    extends = run.get("extends") if isinstance(run, dict) else None
    return isinstance(extends, dict) and extends.get("step") == step
