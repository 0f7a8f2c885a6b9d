"""Weights of a run on disk: `checkpoints/step-00002500/weights.npz`.

A plain NumPy archive by variable path, because it is strict: Keras's own
`load_weights` warns and goes on when a layer is not in the file.
"""

import re
import shutil

import numpy as np

from trainers import artefacts
from trainers.errors import ConfigError
from trainers.errors import RunError

_NAME = re.compile(r"step-(\d{8})")
_WEIGHTS = "weights.npz"


class Checkpoints:
    """The best weights of a run; a new best replaces the one before."""

    def __init__(self, directory):
        """Takes the `checkpoints` directory, which may not exist yet."""
        self._directory = directory

    def save(self, network, *, step, facts):
        """Publishes the weights of a network, then removes older ones.

        Args:
            network: Keras model.
            step: Number of training steps done.
            facts: Dict for the manifest.
        """
        older = self._steps()
        final = self._directory / f"step-{step:08d}"
        arrays = {v.path: v.numpy() for v in network.weights}
        assert len(arrays) == len(network.weights), "layer names repeat"
        with artefacts.temporary_dir(self._directory, final.name) as path:
            np.savez(path / _WEIGHTS, **arrays)
            artefacts.publish(path, final, {"step": step} | facts)
        for path in older.values():
            shutil.rmtree(path)

    def restore_best(self, network):
        """Loads the weights into a network of the same layers.

        Returns:
            The facts of the checkpoint.

        Raises:
            ConfigError: There is none.
            RunError: It is damaged, or belongs to another network.
        """
        steps = self._steps()
        if not steps:
            raise ConfigError(
                "`--workdir` must be the directory of a run with a "
                f"checkpoint. Received: {str(self._directory.parent)!r}."
            )
        path = steps[max(steps)]
        facts = artefacts.verify(path)
        with np.load(path / _WEIGHTS) as archive:
            arrays = {name: archive[name] for name in archive.files}
        wanted = {v.path: tuple(v.shape) for v in network.weights}
        found = {name: array.shape for name, array in arrays.items()}
        if wanted != found:
            differing = [
                f"{name} {found.get(name, 'missing')}, the model has "
                f"{wanted.get(name, 'none')}"
                for name in sorted(wanted.keys() | found.keys())
                if wanted.get(name) != found.get(name)
            ]
            raise RunError(
                f"{path} does not fit the model in the configuration: "
                f"{'; '.join(differing[:10])}."
            )
        for variable in network.weights:
            variable.assign(arrays[variable.path])
        return facts

    def _steps(self):
        if not self._directory.is_dir():
            return {}
        matches = (
            (_NAME.fullmatch(path.name), path)
            for path in self._directory.iterdir()
        )
        return {int(m[1]): path for m, path in matches if m}
