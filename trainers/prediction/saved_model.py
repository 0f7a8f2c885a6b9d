"""Asks an export in this process."""

import pathlib

import tensorflow as tf

from trainers.config import local_path
from trainers.errors import ConfigError
from trainers.errors import RefusedError
from trainers.prediction import calling
from trainers.runtime import atomic
from trainers.serving import exporter
from trainers.serving.proof import rules


def find_version(path):
    """Returns the version directory that TensorFlow Serving would serve.

    Args:
        path: str or `pathlib.Path`. A version directory, or a directory of
            versions.

    Returns:
        `pathlib.Path` of the version directory; of several versions, the one
        with the highest number.

    Raises:
        ConfigError: There is no SavedModel.
    """
    path = pathlib.Path(local_path.checked(path, "--model_dir"))
    if (path / "saved_model.pb").is_file():
        return path
    versions = {
        number: version
        for number, version in atomic.numbered(path).items()
        if (version / "saved_model.pb").is_file()
    }
    if not versions:
        raise ConfigError(
            "`--model_dir` must be an export: a directory with "
            "saved_model.pb, or a directory of numbered versions. "
            f"Received: {str(path)!r}."
        )
    return versions[max(versions)]


class Predictor:
    """Calls the signatures of an export. Several threads can share it.

    >>> import pathlib, tempfile
    >>> import tensorflow as tf
    >>> from trainers.runtime import atomic
    >>> from trainers.serving import exporter
    >>> spec = tf.TensorSpec([None], tf.float32, name="x")
    >>> double = tf.function(lambda x: {"y": 2 * x}, [spec], autograph=False)
    >>> with tempfile.TemporaryDirectory() as base:
    ...     path = pathlib.Path(base, "new")
    ...     (path / "assets.extra").mkdir(parents=True)
    ...     exporter.write_saved_model(path, {"serving_default": double})
    ...     atomic.publish(path, path.with_name("1"), {}, exporter.MANIFEST)
    ...     predictor = Predictor(base)
    >>> predictor("serving_default", {"x": [1.0, 2.0]})
    {'y': array([2., 4.], dtype=float32)}

    Attributes:
        path: `pathlib.Path`. The version directory.
        signatures: dict of `SignatureDef`s by name.
    """

    def __init__(self, path):
        """Loads a version.

        Args:
            path: str or `pathlib.Path`. A version directory, or a directory
                of versions; see `find_version`.

        Raises:
            ConfigError: There is no SavedModel.
            RunError: The version is damaged.
        """
        # Registers the ops of a tokenizer.
        import tensorflow_text  # noqa: F401

        self.path = find_version(path)
        # Finds damage before TensorFlow reads the files.
        self._facts = atomic.verify(self.path, exporter.MANIFEST)
        self.signatures = rules.signatures(rules.read(self.path))
        # Keeps the variables alive: the signatures have no reference to them.
        self._model = tf.saved_model.load(str(self.path))

    def __call__(self, signature, inputs):
        """Calls a signature and returns its outputs.

        Args:
            signature: str. Name of a signature.
            inputs: dict of arrays or lists by input name, all with the same
                number of rows.

        Returns:
            dict of NumPy arrays by output name.

        Raises:
            RefusedError: There is no such signature or input, an input is
                missing, or the graph refuses the values.
        """
        if signature not in self.signatures:
            raise RefusedError(
                f"there is no signature `{signature}`. Choices: "
                f"{', '.join(sorted(self.signatures))}."
            )
        names = sorted(self.signatures[signature].inputs)
        if sorted(inputs) != names:
            raise RefusedError(
                f"the inputs of the signature `{signature}` are "
                f"{', '.join(names)}. Received: {', '.join(sorted(inputs))}."
            )
        return calling.call(
            self._model.signatures[signature], signature, inputs
        )

    def facts(self):
        """Returns the manifest.

        Returns:
            dict with `labels` in label order, `config` and others.
        """
        return self._facts
