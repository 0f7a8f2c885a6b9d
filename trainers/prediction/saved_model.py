"""Answers of an export, in this process."""

import pathlib

import tensorflow as tf

from trainers.errors import ConfigError
from trainers.errors import RefusedError
from trainers.runtime import atomic
from trainers.serving import exporter
from trainers.serving.proof import rules


def find_version(path):
    """Returns the version directory that TensorFlow Serving would serve.

    Args:
        path: A version directory, or a directory of versions, of which the
            highest number is taken.

    Raises:
        ConfigError: There is no SavedModel.
    """
    path = pathlib.Path(path)
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
            "saved_model.pb, or one of numbered versions. "
            f"Received: {str(path)!r}."
        )
    return versions[max(versions)]


class Predictor:
    """Calls the signatures of an export; threads may share it.

    Attributes:
        path: `pathlib.Path` of the version directory.
        signatures: `SignatureDef`s by name.
    """

    def __init__(self, path):
        """Loads the highest version under a path; see `find_version`.

        Raises:
            RunError: It is damaged.
        """
        # Registers the ops of a tokenizer.
        import tensorflow_text  # noqa: F401

        self.path = find_version(path)
        # Before TensorFlow reads what may be damaged.
        self._facts = atomic.verify(self.path, exporter.MANIFEST)
        self.signatures = rules.signatures(rules.read(self.path))
        # Kept: the signatures hold no reference to the variables.
        self._model = tf.saved_model.load(str(self.path))

    def __call__(self, signature, inputs):
        """Returns outputs by name as NumPy arrays.

        Args:
            signature: Name of a signature.
            inputs: Arrays by input name, all of the same number of rows.

        Raises:
            RefusedError: There is no such signature or input, one is missing,
                or the graph refuses the values.
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
        function = self._model.signatures[signature]
        try:
            fed = {key: tf.constant(value) for key, value in inputs.items()}
            answer = function(**fed)
        except UnicodeDecodeError:
            # TensorFlow puts bytes of the input into its message.
            raise RefusedError(
                f"the signature `{signature}` refuses bytes that cannot be read"
            ) from None
        except (
            tf.errors.InvalidArgumentError,
            TypeError,
            ValueError,
        ) as error:
            words = " ".join(str(error).split())[:300]
            raise RefusedError(
                f"the signature `{signature}` refuses the values: {words}"
            ) from error
        return {name: value.numpy() for name, value in answer.items()}

    def facts(self):
        """Returns the manifest: `labels` in label order, `config`, ..."""
        return self._facts
