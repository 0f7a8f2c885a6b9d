"""Writes a SavedModel version that has been proved to load and to agree."""

import contextlib
import errno

import keras
import tensorflow as tf

from trainers import artefacts
from trainers import config as config_lib
from trainers import evaluation
from trainers import run_identity
from trainers import tasks
from trainers import versions
from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.serving import servable_check
from trainers.workdir import Workdir

# Inside `assets.extra/`, which TensorFlow Serving leaves to others.
MANIFEST = "assets.extra/manifest.json"


def export_best(config, workdir):
    """Exports the best weights of a run as its next version.

    Args:
        config: `ExperimentConfig` of the run.
        workdir: Directory of a finished run.

    Returns:
        Path of the new version directory.

    Raises:
        ConfigError: The work directory holds no run, or cannot be written to.
        RunError: The export failed its servable check; nothing is published.
    """
    paths = Workdir(workdir)
    task = tasks.restore_task(config, paths)
    class_names = paths.read_labels()
    network, facts = evaluation.load_best(task, paths)
    base = paths.export_dir(config)
    try:
        return _export(base, network, task, class_names, config, facts)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise
        raise ConfigError(
            f"`--workdir` must be a directory that can be written to. "
            f"Received: {str(base)!r}: {error.strerror}."
        ) from None


def export_once(config, workdir):
    """Does what `export_best` does, unless a version has these weights.

    A run that was interrupted after it had exported so exports once.

    Returns:
        Path of the newest version that was exported from the best weights of
        the run, with this configuration, and is whole.
    """
    paths = Workdir(workdir)
    artefacts.remove_abandoned(paths.export_dir(config))
    exported = artefacts.numbered(paths.export_dir(config))
    weights_sha256 = paths.best.sha256()
    for _, path in sorted(exported.items(), reverse=True):
        with contextlib.suppress(RunError, LookupError, ConfigError):
            facts = artefacts.verify(path, MANIFEST)
            differences = run_identity.config_differences(
                facts["config"], config_lib.to_tree(config)
            )
            if (
                facts["weights_sha256"] == weights_sha256
                and facts["versions"] == versions.installed()
                and not any(differences)
            ):
                return path
    return export_best(config, workdir)


def _export(base, network, task, class_names, config, facts):
    with artefacts.temporary_dir(base, "version") as path:
        functions = task.make_signatures(network, class_names)
        write_saved_model(path, functions)
        servable_check.check(
            path, functions, task.make_check_inputs(config.seed)
        )
        # The directory exists since the SavedModel was written.
        (path / "assets.extra").mkdir()
        return _publish(
            path,
            base,
            {
                "model": config.export.name,
                "weights_of_step": facts["step"],
                "weights_sha256": facts["weights_sha256"],
                "labels": class_names,
                "signatures": sorted(functions),
                "fingerprint": _fingerprint(path),
                "versions": versions.installed(),
                "config": config_lib.to_tree(config),
            },
        )


def write_saved_model(path, functions):
    """Writes serving functions and one copy of the weights they use.

    `tf.saved_model.save` of a module around a Keras model loads in Python but
    not in a session ("Could not find variable"), which is how TensorFlow
    Serving loads; `ExportArchive` loads in both. It finds the variables of
    the functions by itself: `track(network)` would write them a second time.

    Args:
        path: Existing directory.
        functions: `tf.function`s with an input signature, by name.
    """
    archive = keras.export.ExportArchive()
    for name, function in functions.items():
        function.get_concrete_function()
        archive.add_endpoint(name, function)
    archive.write_out(str(path), verbose=False)


def _fingerprint(path):
    fingerprint = tf.saved_model.experimental.read_fingerprint(str(path))
    return fingerprint.singleprint()


def _publish(path, base, facts):
    """Renames a directory to the next number that is free."""
    while True:
        final = base / str(max(artefacts.numbered(base), default=0) + 1)
        try:
            artefacts.publish(path, final, facts, MANIFEST)
        except OSError:
            # Another exporter took the number; an error of another kind
            # leaves no such directory and is for the caller.
            if not final.exists():
                raise
            continue
        return final
