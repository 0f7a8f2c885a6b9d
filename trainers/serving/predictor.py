"""Answers of an export, in this process."""

import pathlib

import numpy as np
import tensorflow as tf

from trainers import artefacts
from trainers import config as config_lib
from trainers import tasks
from trainers.data import sources
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.serving import export

_BATCH_SIZE = 64


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
        for number, version in artefacts.numbered(path).items()
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
    """Calls the signatures of an export."""

    def __init__(self, path):
        """Loads the highest version under a path; see `find_version`."""
        self.path = find_version(path)
        # Kept: the signatures hold no reference to the variables.
        self._model = tf.saved_model.load(str(self.path))

    def __call__(self, signature, inputs):
        """Returns outputs by name as NumPy arrays.

        Args:
            signature: Name of a signature.
            inputs: Arrays by input name, all of the same number of rows.
        """
        function = self._model.signatures[signature]
        answer = function(**{k: tf.constant(v) for k, v in inputs.items()})
        return {name: value.numpy() for name, value in answer.items()}

    def predict_files(self, files):
        """Yields an answer for each image file.

        Args:
            files: Paths of PNG, JPEG, BMP or GIF files.

        Yields:
            Dicts: `file`, `label`, `class_id`, `probabilities`, `logits`.

        Raises:
            DataError: A file cannot be read or is no image.
        """
        for file in files:
            try:
                content = pathlib.Path(file).read_bytes()
            except OSError as error:
                raise DataError(f"{file}: {error.strerror}") from None
            try:
                answer = self("image_bytes", {"image_bytes": [content]})
            except tf.errors.InvalidArgumentError:
                raise DataError(
                    f"{file}: is not a whole PNG, JPEG, BMP or GIF image."
                ) from None
            yield from _rows(answer, [{"file": str(file)}])

    def facts(self):
        """Returns the manifest: `labels` in label order, `config`, ..."""
        return artefacts.verify(self.path, export.MANIFEST)

    def predict_examples(self, examples, class_names):
        """Yields an answer for each of `Examples`, with its true label."""
        images = examples.features["image"]
        for start in range(0, len(images), _BATCH_SIZE):
            batch = images[start : start + _BATCH_SIZE]
            answer = self(
                "serving_default", {"image": batch.astype(np.float32)}
            )
            yield from _rows(
                answer,
                [
                    {
                        "example": examples.where(row),
                        "true_label": class_names[examples.labels[row]],
                    }
                    for row in range(start, start + len(batch))
                ],
            )


def predict_split(predictor, data, split):
    """Yields answers for one split of a data set.

    Args:
        predictor: `Predictor`.
        data: `DataConfig`; `None` means what the model was trained on.
        split: `train`, `validation`, `test`, or a split as TFDS writes it.
    """
    facts = predictor.facts()
    run_config = config_lib.from_tree(facts["config"])
    examples = sources.load_one(
        data or run_config.data,
        split,
        image_shape=run_config.model.image_shape,
        decode_fn=tasks.make_task(run_config).decode,
        class_names=facts["labels"],
        run_data=run_config.data,
    )
    yield from predictor.predict_examples(examples, facts["labels"])


def _rows(answer, facts):
    for row, known in enumerate(facts):
        yield known | {
            "label": answer["label"][row].decode("utf-8"),
            "class_id": int(answer["class_id"][row]),
            "probabilities": answer["probabilities"][row].tolist(),
            "logits": answer["logits"][row].tolist(),
        }
