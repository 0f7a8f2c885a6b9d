"""Answers of an export for files and for splits of data, row by row."""

import itertools
import pathlib

import numpy as np
import tensorflow as tf

from trainers import config as config_lib
from trainers import tasks
from trainers.data import text_sources
from trainers.errors import DataError
from trainers.serving.predictor import Predictor

_BATCH_SIZE = 64


def predict(model_dir, data, *, files=(), split=None, scores=False):
    """Yields an answer for each example, as dicts for JSON.

    Args:
        model_dir: A version directory, or a directory of versions.
        data: Data part of an `ExperimentConfig`; `None` means that of the
            model's run.
        files: Paths: images, or texts as `text_sources.read_texts` reads.
        split: If there are no files: `train`, `validation`, `test`, a split as
            TFDS writes it, or a file of labelled texts.
        scores: Whether answers for texts have the probability of each class.

    Yields:
        For images `label`, `class_id`, `probabilities` and `logits`; for
        texts `label`, `probability` and, if asked for, `scores` by class. With
        `file` or `example`, the place, and for a split `true_label`.

    Raises:
        ConfigError: There is no such model or split.
        DataError: An example cannot be read.
    """
    predictor = Predictor(model_dir)
    facts = predictor.facts()
    config = config_lib.from_tree(facts["config"])
    data = data or config.data
    is_text = isinstance(config.data, config_lib.TextDataConfig)
    if split:
        examples = _read_split(config, data, split, facts["labels"])
        places = _places(examples, facts["labels"])
        if is_text:
            texts = zip(places, examples.features["text"], strict=True)
            return _answer_texts(predictor, texts, facts["labels"], scores)
        return _answer_images(predictor, places, examples.features["image"])
    if is_text:
        files = list(files)
        # On stdin somebody may wait for an answer to a line.
        batch_size = 1 if "-" in files else _BATCH_SIZE
        texts = _read_texts(files, data)
        return _answer_texts(
            predictor, texts, facts["labels"], scores, batch_size
        )
    return _answer_image_files(predictor, files)


def _read_split(config, data, split, class_names):
    task = tasks.make_task(config)
    return task.load_raw(
        data, split, class_names=class_names, run_data=config.data
    )


def _places(examples, class_names):
    for row in range(len(examples)):
        yield {
            "example": examples.where(row),
            "true_label": class_names[examples.labels[row]],
        }


def _read_texts(files, data):
    for file in files:
        for where, text in text_sources.read_texts(file, data):
            yield {"example": where}, text


def _answer_texts(
    predictor, texts, class_names, scores, batch_size=_BATCH_SIZE
):
    """Yields answers as batches come in."""
    for batch in _batches(texts, batch_size):
        places, rows = zip(*batch, strict=True)
        answer = predictor("serving_default", {"text": list(rows)})
        for row, place in enumerate(places):
            probabilities = answer["probabilities"][row]
            found = place | {
                "label": answer["label"][row].decode("utf-8"),
                "probability": float(probabilities.max()),
            }
            if scores:
                found["scores"] = dict(
                    zip(class_names, probabilities.tolist(), strict=True)
                )
            yield found


def _batches(rows, batch_size):
    """Yields lists of rows; before an error, what was read until then."""
    rows = iter(rows)
    while True:
        batch, error = [], None
        try:
            for row in itertools.islice(rows, batch_size):
                batch.append(row)
        except DataError as caught:
            error = caught
        if batch:
            yield batch
        if error:
            raise error
        if len(batch) < batch_size:
            return


def _answer_images(predictor, places, images):
    for start in range(0, len(images), _BATCH_SIZE):
        batch = images[start : start + _BATCH_SIZE].astype(np.float32)
        answer = predictor("serving_default", {"image": batch})
        yield from _image_rows(answer, itertools.islice(places, len(batch)))


def _answer_image_files(predictor, files):
    for file in files:
        try:
            content = pathlib.Path(file).read_bytes()
        except OSError as error:
            raise DataError(f"{file}: {error.strerror}") from None
        try:
            answer = predictor("image_bytes", {"image_bytes": [content]})
        except tf.errors.InvalidArgumentError:
            raise DataError(
                f"{file}: is not a whole PNG, JPEG, BMP or GIF image."
            ) from None
        yield from _image_rows(answer, [{"file": str(file)}])


def _image_rows(answer, places):
    for row, place in enumerate(places):
        yield place | {
            "label": answer["label"][row].decode("utf-8"),
            "class_id": int(answer["class_id"][row]),
            "probabilities": answer["probabilities"][row].tolist(),
            "logits": answer["logits"][row].tolist(),
        }
