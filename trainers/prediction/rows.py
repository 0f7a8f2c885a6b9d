"""Yields the answers of a model for files and splits, row by row."""

import functools
import itertools
import pathlib

import numpy as np

from trainers import tasks
from trainers.config import experiment
from trainers.config.data import TextDataConfig
from trainers.data.texts import reading
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.errors import RefusedError
from trainers.prediction import connect
from trainers.prediction.rest import RestPredictor
from trainers.prediction.rest import ServerError
from trainers.tasks import classify_signature

_BATCH_SIZE = 64


def predict(where, data, *, files=(), split=None, scores=False, token=None):
    """Yields a dict for each example, ready for JSON.

    Args:
        where: str or `pathlib.Path`. A version directory, a directory of
            versions, or the address of a served model.
        data: Data part of an `ExperimentConfig`. `None` means the data of the
            run, or the defaults for a served model.
        files: Iterable of str. Image files, or text files for
            `reading.read_texts`.
        split: str. Used if there are no files: `train`, `validation`, `test`,
            a split in the notation of TensorFlow Datasets, or a file of
            labelled texts. A served model has no splits.
        scores: bool. Whether the answers for texts contain the probability of
            each class.
        token: str. Bearer token for the server. `None` sends no token.

    Yields:
        dict. For images `label`, `class_id`, `probabilities` and `logits`. For
        texts `label`, `probability` and, with `scores`, `scores` by class.
        `file` or `example` names the place of the example. For a split,
        `true_label` is the label of the data.

    Raises:
        ConfigError: There is no such model or split.
        DataError: An example cannot be read.
        RunError: The server does not answer, or refuses.
    """
    predictor = connect.connect(where, token)
    if isinstance(predictor, RestPredictor):
        return _predict_served(predictor, where, data, files, split, scores)
    facts = predictor.facts()
    config = experiment.from_tree(facts["config"])
    data = data or config.data
    is_text = isinstance(config.data, TextDataConfig)
    class_names = facts["labels"] if scores else None
    answer_fn = functools.partial(_label, predictor, class_names)
    if split:
        examples = _read_split(config, data, split, facts["labels"])
        places = _places(examples, facts["labels"])
        if is_text:
            texts = zip(places, examples.features["text"], strict=True)
            return _answer_texts(answer_fn, texts)
        return _answer_images(predictor, places, examples.features["image"])
    if is_text:
        files = list(files)
        # A person at a terminal waits for the answer to each line of stdin.
        batch_size = 1 if "-" in files else _BATCH_SIZE
        return _answer_texts(answer_fn, _read_texts(files, data), batch_size)
    return _answer_image_files(predictor, files)


def _predict_served(predictor, where, data, files, split, scores):
    """Predicts with a served model, which is known by its signatures only."""
    if split:
        raise ConfigError(
            "`--split` works with an export only; a served model takes files. "
            f"Received: {split!r} for {where!r}."
        )
    signatures = predictor.signatures
    if "text" in signatures["serving_default"].inputs:
        if not isinstance(data, TextDataConfig):
            data = TextDataConfig()
        answer_fn = functools.partial(_classify, predictor)
        if not scores:
            answer_fn = functools.partial(_label, predictor, None)
        # One text a request: the batch size that a server accepts is unknown.
        return _answer_texts(answer_fn, _read_texts(files, data), 1)
    if "image_bytes" in signatures:
        return _answer_image_files(predictor, files)
    raise ConfigError(
        "`--server` must be the address of a model of texts or images. "
        f"Received: {where!r}, with the signatures {sorted(signatures)}."
    )


def _read_split(config, data, split, class_names):
    task = tasks.make_task(config)
    return task.inputs.load_raw(
        data, split, class_names=class_names, run_data=config.data
    )


def _places(examples, class_names):
    for row in range(len(examples)):
        yield {
            "example": examples.places[row],
            "true_label": class_names[examples.targets[row]],
        }


def _read_texts(files, data):
    for file in files:
        for where, text in reading.read_texts(file, data):
            yield {"example": where}, text


def _answer_texts(answer_fn, texts, batch_size=_BATCH_SIZE):
    """Yields the answers of each batch as soon as it is complete."""
    for batch in _batches(texts, batch_size):
        places, rows = zip(*batch, strict=True)
        for place, answer in zip(places, answer_fn(rows), strict=True):
            yield place | answer


def _label(predictor, class_names, texts):
    """Yields the label of each text, and the scores if names are given."""
    answer = predictor("serving_default", {"text": list(texts)})
    for label, row in zip(
        answer["label"], answer["probabilities"].tolist(), strict=True
    ):
        found = {"label": label.decode("utf-8"), "probability": max(row)}
        if class_names:
            found["scores"] = dict(zip(class_names, row, strict=True))
        yield found


def _classify(predictor, texts):
    """Yields label and scores of each text, by the model's class names."""
    answer = predictor(
        "classify", classify_signature.check_inputs("text", texts)
    )
    for names, scores in zip(
        answer["classes"].tolist(), answer["scores"].tolist(), strict=True
    ):
        names = [name.decode("utf-8") for name in names]
        yield {
            "label": names[0],
            "probability": scores[0],
            "scores": dict(sorted(zip(names, scores, strict=True))),
        }


def _batches(rows, batch_size):
    """Yields lists of rows; before it raises an error, the rows before it."""
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
        except ServerError as error:
            if error.status != 400:
                raise
            raise DataError(f"{file}: {error}") from None
        except RefusedError:
            raise DataError(
                f"{file}: is not a complete PNG, JPEG, BMP or GIF image."
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
