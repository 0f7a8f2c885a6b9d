"""The weights of the best epoch on disk: `best/step-00002500/weights.npz`.

A plain NumPy archive by variable path, because it is strict: Keras's own
`load_weights` warns and goes on when a layer is not in the file.
"""

import numpy as np

from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.run.step_directories import StepDirectories
from trainers.runtime import atomic

_WEIGHTS = "weights.npz"
_TRIES = 10


class BestWeights:
    """The best weights of a run.

    The ones before stay until a checkpoint knows of the new ones.

    Attributes:
        steps: `StepDirectories`.
    """

    def __init__(self, directory):
        """Takes the `best` directory, which may not exist yet."""
        self.steps = StepDirectories(directory)

    def save(self, arrays, *, step, facts):
        """Publishes weights; those before stay until `keep_only`.

        Args:
            arrays: From `arrays_of`.
            step: Number of training steps done.
            facts: Dict for the manifest.
        """
        self.steps.publish(
            step, lambda path: np.savez(path / _WEIGHTS, **arrays), facts
        )

    def keep_only(self, step):
        """Removes the weights of all other steps; `None` removes all."""
        for other, path in self.steps.paths().items():
            if other != step:
                atomic.remove(path)

    def sha256(self):
        """Returns the sum of the file of weights, `None` if there is none."""
        path = next(iter(self.steps.paths().values()), None)
        if path is None:
            return None
        _, files = atomic.read_manifest(path)
        return files.get(_WEIGHTS, (0, None))[1]

    def restore(self, network):
        """Loads the weights into a network of the same layers.

        Returns:
            The facts of the manifest, and `weights_sha256`.

        Raises:
            ConfigError: There are none.
            RunError: They are damaged, or belong to another network.
        """
        for _ in range(_TRIES):
            paths = self.steps.paths()
            if not paths:
                raise ConfigError(
                    "`--workdir` must be the directory of a run that finished "
                    f"an epoch. Received: {str(self.steps.directory.parent)!r}."
                )
            path = next(iter(paths.values()))
            try:
                facts = atomic.verify(path)
                arrays = read_arrays(path / _WEIGHTS)
                _, files = atomic.read_manifest(path)
                break
            except RunError:
                if path.exists():
                    raise
                # A run that goes on has just put better ones in their place.
        else:
            raise RunError(f"{self.steps.directory} changes too fast.")
        wanted = {v.path: kind(v) for v in network.weights}
        check_same(wanted, arrays, f"{path} does not fit the model")
        for variable in network.weights:
            variable.assign(arrays[variable.path])
        return facts | {"weights_sha256": files[_WEIGHTS][1]}


def arrays_of(network):
    """Returns copies of a network's weights by path."""
    arrays = {v.path: v.numpy() for v in network.weights}
    assert len(arrays) == len(network.weights), "layer names repeat"
    return arrays


def read_arrays(file):
    """Returns the arrays of an `.npz` file by name; runs no code in it.

    Raises:
        RunError: It is not one, or holds Python objects.
    """
    try:
        # NumPy leaves a file open that it opens itself and cannot read.
        with (
            open(file, "rb") as stream,
            np.load(stream, allow_pickle=False) as archive,
        ):
            return {name: archive[name] for name in archive.files}
    # Broken archives make zipfile, zlib and NumPy raise all kinds of errors.
    except Exception as error:
        if not atomic.is_of_damage(error):
            raise
        raise RunError(f"{file}: not an archive of arrays: {error}") from None


def check_same(wanted, arrays, problem):
    """Compares arrays with what they are to be loaded into.

    Args:
        wanted: `(shape, dtype name)` by name.
        arrays: NumPy arrays by name.
        problem: Beginning of the message.

    Raises:
        RunError: It lists the first ten that differ.
    """
    found = {name: kind(array) for name, array in arrays.items()}
    if wanted == found:
        return

    def words(kinds, name, nothing):
        return " ".join(map(str, kinds[name])) if name in kinds else nothing

    differing = [
        f"{name} {words(found, name, 'missing')}, the model has "
        f"{words(wanted, name, 'none')}"
        for name in sorted(wanted.keys() | found.keys())
        if wanted.get(name) != found.get(name)
    ]
    raise RunError(f"{problem}: {'; '.join(differing[:10])}.")


def kind(array):
    """Returns shape and name of the dtype of an array or variable."""
    # Keras says it in a string, the others with a name.
    return tuple(array.shape), getattr(array.dtype, "name", array.dtype)
