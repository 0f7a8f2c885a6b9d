"""Stores the weights of the best epoch: `best/step-00002500/weights.npz`.

The file is a plain NumPy archive with an array for each variable path. Loading
is strict. Keras's own `load_weights` only warns if a layer is missing in a
file.
"""

import numpy as np

from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.run.step_directories import StepDirectories
from trainers.runtime import atomic

WEIGHTS = "weights.npz"
_TRIES = 10


class BestWeights:
    """The best weights of a run.

    The previous best weights stay until a checkpoint refers to the new ones.

    Attributes:
        steps: `StepDirectories`.

    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     best = BestWeights(pathlib.Path(directory))
    ...     best.save({"logits/bias": np.zeros(2)}, step=8, facts={})
    ...     list(best.steps.paths())
    [8]
    """

    def __init__(self, directory):
        """Makes the object; reads and writes nothing.

        Args:
            directory: pathlib.Path. The `best` directory; it does not need to
                exist.
        """
        self.steps = StepDirectories(directory)

    def save(self, arrays, *, step, facts):
        """Publishes weights; the previous ones stay until `keep_only`.

        Args:
            arrays: dict. Arrays by variable path, from `arrays_of`.
            step: int. Training steps done.
            facts: dict. Written into the manifest.
        """
        self.steps.publish(
            step, lambda path: np.savez(path / WEIGHTS, **arrays), facts
        )

    def keep_only(self, step):
        """Removes the weights of all other steps.

        Args:
            step: int, or `None` to remove all weights.
        """
        for other, path in self.steps.paths().items():
            if other != step:
                atomic.remove(path)

    def sha256(self):
        """Returns the SHA-256 sum of the weights file; `None` without one."""
        path = next(iter(self.steps.paths().values()), None)
        if path is None:
            return None
        _, files = atomic.read_manifest(path)
        return files.get(WEIGHTS, (0, None))[1]

    def restore(self, network):
        """Loads the weights into a network with the same layers.

        Args:
            network: `keras.Model`.

        Returns:
            dict. The facts of the manifest, and `weights_sha256`.

        Raises:
            ConfigError: There are no weights.
            RunError: The weights are damaged, or belong to another network.
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
                arrays = read_arrays(path / WEIGHTS)
                _, files = atomic.read_manifest(path)
                break
            except RunError:
                if path.exists():
                    raise
                # A running training has just replaced them with better ones.
        else:
            raise RunError(
                f"{self.steps.directory} changed during each attempt to read."
            )
        wanted = {v.path: kind(v) for v in network.weights}
        check_same(wanted, arrays, f"{path} does not fit the model")
        for variable in network.weights:
            variable.assign(arrays[variable.path])
        return facts | {"weights_sha256": files[WEIGHTS][1]}


def arrays_of(network):
    """Returns copies of a network's weights.

    Args:
        network: `keras.Model`.

    Returns:
        dict. Arrays by variable path.
    """
    arrays = {v.path: v.numpy() for v in network.weights}
    assert len(arrays) == len(network.weights), "layer names repeat"
    return arrays


def read_arrays(file):
    """Reads an `.npz` file without running code from it.

    Args:
        file: Path.

    Returns:
        dict. Arrays by name.

    Raises:
        RunError: The file is damaged, or contains Python objects.
    """
    try:
        # NumPy leaves a damaged file open if it opens the file itself.
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
    """Compares arrays with the variables into which they will be loaded.

    Args:
        wanted: dict. `(shape, dtype name)` of the variables by name.
        arrays: dict. NumPy arrays by name.
        problem: str. Start of the error message.

    Raises:
        RunError: Arrays differ; the message lists the first ten.
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
    """Returns the shape and the dtype name of an array or a variable.

    Args:
        array: NumPy array, `tf.Variable` or `keras.Variable`.
    """
    # The dtype of a Keras variable is a string; others have a name.
    return tuple(array.shape), getattr(array.dtype, "name", array.dtype)
