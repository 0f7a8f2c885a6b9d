"""Exports a run as a SavedModel version, after the proof that it serves."""

import contextlib
import errno

import keras
import tensorflow as tf

from trainers import tasks
from trainers.config import tree
from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.evaluation import evaluator
from trainers.objectives import objective as objective_lib
from trainers.run import identity
from trainers.run.workdir import Workdir
from trainers.runtime import atomic
from trainers.runtime import libraries
from trainers.serving import bundle
from trainers.serving import canonical
from trainers.serving import warmup
from trainers.serving.proof import checker
from trainers.serving.proof import rules

MANIFEST = bundle.MANIFEST


def export_best(config, workdir):
    """Exports the best weights of a run as its next version.

    It also writes the files beside the versions, see `bundle`. With the same
    library versions, equal weights and settings give equal bytes.

    Args:
        config: `ExperimentConfig` of the run.
        workdir: str or `pathlib.Path`. Work directory of a finished run.

    Returns:
        `pathlib.Path` of the new version directory.

    Raises:
        ConfigError: The work directory contains no run, or cannot be written
            to.
        RunError: The export failed its check, and nothing is published. Or the
            version is published, but a file beside it could not be written.
    """
    paths = Workdir(workdir)
    config = paths.with_saved_choices(config)
    task = tasks.restore_task(config, paths)
    network, facts = evaluator.load_best(task, paths)
    if task.objective.decides:
        facts["decisions"] = paths.read_decisions()
    base = paths.export_dir(config)
    with _writing(base):
        version = _export(base, network, task, config, facts)
    try:
        bundle.write(base, paths)
    except OSError as error:
        # A server may have loaded the version already: it stays.
        raise RunError(
            f"{version} is published and whole, but the files beside it are "
            f"not complete: {error}. Another export makes another version; "
            "`python -m trainers.train` with the flags of the run completes "
            "this one."
        ) from None
    return version


def export_once(config, workdir):
    """Exports the best weights of a run, unless a version already has them.

    If a run is interrupted after its export and resumed, it does not export
    again. Files that are missing beside the versions are written.

    Args:
        config: `ExperimentConfig` of the run.
        workdir: str or `pathlib.Path`. Work directory of a finished run.

    Returns:
        `pathlib.Path` of the newest complete version with the best weights and
        this configuration.

    Raises:
        ConfigError, RunError: See `export_best`.
    """
    paths = Workdir(workdir)
    config = paths.with_saved_choices(config)
    base = paths.export_dir(config)
    atomic.remove_abandoned(base)
    version = _find_exported(config, paths, base)
    if version is None:
        return export_best(config, workdir)
    with _writing(base):
        # The earlier export can have been interrupted before this step.
        bundle.write(base, paths)
    return version


def _find_exported(config, paths, base):
    """Returns the newest version that equals a new export, or `None`."""
    weights_sha256 = paths.best.sha256()
    batch_sizes = list(config.export.allowed_batch_sizes)
    max_entities = config.export.max_entities
    exported = atomic.numbered(base)
    for _, path in sorted(exported.items(), reverse=True):
        with contextlib.suppress(RunError, LookupError, ConfigError):
            facts = atomic.verify(path, MANIFEST)
            differences = identity.config_differences(
                facts["config"], tree.to_tree(config)
            )
            if (
                facts["weights_sha256"] == weights_sha256
                and facts["versions"] == libraries.installed()
                and facts["allowed_batch_sizes"] == batch_sizes
                # Versions of 2026-11-27 and before have no such setting.
                and facts["config"]["export"].get("max_entities", max_entities)
                == max_entities
                and not any(differences)
            ):
                return path
    return None


@contextlib.contextmanager
def _writing(base):
    """Turns an `OSError` into an error that names the directory."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise
        raise ConfigError(
            f"`--workdir` must be a directory that can be written to. "
            f"Received: {str(base)!r}: {error.strerror}."
        ) from None


def _export(base, network, task, config, facts):
    batch_sizes = list(config.export.allowed_batch_sizes)
    with atomic.temporary_dir(base, "version") as path:
        # The check compares the exported network with the trained network.
        trained = task.make_signatures(network, with_doubt=True)
        functions = task.make_signatures(task.inputs.make_inference(network))
        inputs = task.make_check_inputs(config.seed)
        write_saved_model(path, functions)
        warmup.write(path, inputs, batch_sizes, model_name=config.export.name)
        checker.check(path, trained, inputs, runtime=config.export.check)
        signatures = rules.signatures(rules.read(path))
        manifest = {
            "model": config.export.name,
            "weights_of_step": facts["step"],
            "weights_sha256": facts["weights_sha256"],
            "parameters": network.count_params(),
            "labels": objective_lib.json_state(task.objective),
            "signatures": sorted(functions),
            "apis": {
                name: rules.apis(signature)
                for name, signature in sorted(signatures.items())
            },
            "allowed_batch_sizes": batch_sizes,
            "oldest_server": rules.oldest_server(path),
            "fingerprint": _fingerprint(path),
            "versions": libraries.installed(),
            "config": tree.to_tree(config),
        }
        if task.objective.decides:
            manifest["decisions"] = facts["decisions"]
        with bundle.room(base):
            return _publish(path, base, manifest)


def write_saved_model(path, functions):
    """Writes serving functions and one copy of the weights they use.

    Equal functions give equal bytes, see `canonical`.

    TensorFlow Serving loads a SavedModel into a session. The result of
    `tf.saved_model.save` with a module around a Keras model loads in Python,
    but not in a session ("Could not find variable"). The result of
    `ExportArchive` loads in both. `ExportArchive` finds the variables of the
    functions; `track(network)` would write them a second time.

    Args:
        path: `pathlib.Path`. Existing directory.
        functions: dict of `tf.function`s with an input signature, by name of
            the signature.
    """
    archive = keras.export.ExportArchive()
    for name, function in functions.items():
        canonical.order_variables(function.get_concrete_function())
        archive.add_endpoint(name, function)
    archive.write_out(str(path), verbose=False)
    canonical.rewrite(path)


def _fingerprint(path):
    fingerprint = tf.saved_model.experimental.read_fingerprint(str(path))
    return fingerprint.singleprint()


def _publish(path, base, facts):
    """Renames a directory to the next free number and returns its path."""
    while True:
        final = base / str(max(atomic.numbered(base), default=0) + 1)
        try:
            atomic.publish(path, final, facts, MANIFEST)
        except OSError:
            # Another exporter took the number; an error of another kind
            # leaves no such directory and is for the caller.
            if not final.exists():
                raise
            continue
        return final
