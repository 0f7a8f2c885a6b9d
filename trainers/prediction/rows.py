"""Yields the answers of a model for files and splits, row by row."""

import itertools

import numpy as np

from trainers import tasks
from trainers.config import experiment
from trainers.config import kinds
from trainers.config import overrides
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.errors import RefusedError
from trainers.evaluation import batch_size
from trainers.evaluation import evaluator
from trainers.objectives import objective as objective_lib
from trainers.objectives.objective import Objective
from trainers.prediction import calling
from trainers.prediction import connect
from trainers.prediction.rest import RestPredictor
from trainers.prediction.rest import ServerError
from trainers.run.workdir import Workdir
from trainers.runtime import columns
from trainers.tasks import Task
from trainers.tasks import example_signatures

# Rows in a request to an export on a CPU.
_CPU_ROWS = 64


def predict(
    where,
    data,
    *,
    files=(),
    split=None,
    scores=False,
    encoding=None,
    token=None,
):
    """Yields a dict for each example, ready for JSON.

    Args:
        where: str or `pathlib.Path`. A version directory, a directory of
            versions, or the address of a served model.
        data: Data part of an `ExperimentConfig`. `None` means the data of the
            run, or the defaults for a served model.
        files: Iterable of str. Files for `read_rows` of the inputs: images, or
            files of texts.
        split: str. Used if there are no files: `train`, `validation`, `test`,
            a split in the notation of TensorFlow Datasets, or a file of
            labelled texts. A served model has no splits.
        scores: bool. Whether short answers, as those for texts, contain all
            scores.
        encoding: str. Encoding of the texts in `files`; `None` means UTF-8,
            also if `data` has another one.
        token: str. Bearer token for the server. `None` sends no token.

    Yields:
        dict. See `answers` of the objective; for one label an example, these
        are `label`, `class_id`, `probabilities` and `logits` for images, and
        `label`, `probability` and, with `scores`, `scores` by class for texts.
        `file` or `example` names the place of the example. For a split,
        `true_label` is the target of the data in words.

    Raises:
        ConfigError: There is no such model or split.
        DataError: An example cannot be read.
        RunError: The server does not answer, or refuses.
    """
    predictor = connect.connect(where, token)
    if isinstance(predictor, RestPredictor):
        return _predict_served(
            predictor, where, data, files, split, scores, encoding
        )
    facts = predictor.facts()
    config = experiment.from_tree(facts["config"])
    task = tasks.make_task(config)
    objective = objective_lib.restore(
        task.objective, facts["labels"], facts.get("decisions")
    )
    task = Task(task.inputs, objective)
    return _predict_here(
        predictor,
        task,
        data or config.data,
        config.data,
        files=files,
        split=split,
        scores=scores,
        encoding=encoding,
    )


def predict_best(
    config,
    workdir,
    *,
    dtype_policy,
    files=(),
    split=None,
    scores=False,
    encoding=None,
):
    """Yields what `predict` yields, from the best weights of a run.

    It needs no export. It calls the functions that an export contains, with a
    network that computes in another type.

    Args:
        config: `ExperimentConfig`. Its `data` can name other data than the
            model was trained on.
        workdir: str or `pathlib.Path`. Work directory with a finished run.
        dtype_policy: str. As for `evaluator.evaluate`.
        files, split, scores, encoding: As for `predict`.

    Yields:
        dict, as `predict`.

    Raises:
        ConfigError: The directory contains no finished run, or there is no
            such split.
        DataError: An example cannot be read.
        RunError: Files of the run are damaged.
    """
    paths = Workdir(workdir)
    config = overrides.with_home(config)
    task = tasks.restore_task(config, paths)
    network, _ = evaluator.load_best(task, paths, dtype_policy)
    functions = task.make_signatures(network)

    def predictor(signature, fed):
        return calling.call(functions[signature], signature, fed)

    return _predict_here(
        predictor,
        task,
        config.data,
        paths.read_config().data,
        files=files,
        split=split,
        scores=scores,
        encoding=encoding,
    )


def _predict_here(
    predictor, task, data, run_data, *, files, split, scores, encoding
):
    """Yields the answers of a model in this process."""
    num_rows = _CPU_ROWS
    if batch_size.is_accelerated():
        num_rows = batch_size.rows_of_replica(
            task.inputs, task.objective.num_outputs
        )

    def answer(signature, fed):
        return task.objective.answers(
            predictor(signature, fed),
            is_short=task.inputs.answers_are_short,
            scores=scores,
        )

    if split:
        return _answer_split(task, answer, data, split, run_data, num_rows)
    data = task.inputs.settings_of_files(data, encoding)
    return _answer_files(task.inputs, answer, list(files), data, num_rows)


def _answer_split(task, answer_fn, data, split, run_data, num_rows):
    """Yields the answers for a split, with the targets of the data."""
    examples = task.inputs.load_raw(data, split, task.objective, run_data)
    for start in range(0, len(examples), num_rows):
        rows = np.arange(start, min(start + num_rows, len(examples)))
        batch = {
            name: columns.take(column, rows)
            for name, column in examples.features.items()
        }
        answers = answer_fn(*task.inputs.request_of(batch))
        repeated = task.inputs.repeated(batch)
        for row, content, answer in zip(rows, repeated, answers, strict=True):
            found = {"example": examples.places[row]} | content
            if examples.targets is not None:
                target = examples.targets[row]
                found["true_label"] = task.objective.describe(target)
            yield found | answer


def _answer_files(inputs, answer_fn, files, data, num_rows):
    """Yields the answers of each batch as soon as it is complete."""
    rows = (row for file in files for row in inputs.read_rows(file, data))
    # A person at a terminal waits for the answer to each line of stdin. A row
    # that the model refuses is named, so it is alone in its request.
    if "-" in files or not inputs.answers_are_short:
        num_rows = 1
    for batch in _batches(rows, num_rows):
        places, contents = zip(*batch, strict=True)
        fed = {name: [row[name] for row in contents] for name in contents[0]}
        try:
            answers = list(answer_fn(inputs.row_request, fed))
        except ServerError as error:
            refused = inputs.refused_row(places[0])
            if error.status != 400 or refused is None:
                raise
            (place,) = places[0].values()
            raise DataError(f"{place}: {error}") from None
        except RefusedError:
            refused = inputs.refused_row(places[0])
            if refused is None:
                raise
            raise refused from None
        for place, answer in zip(places, answers, strict=True):
            yield place | answer


def _predict_served(predictor, where, data, files, split, scores, encoding):
    """Predicts with a served model, which is known by its signatures only."""
    if split:
        raise ConfigError(
            "`--split` works with an export only; a served model takes files. "
            f"Received: {split!r} for {where!r}."
        )
    inputs, data = _inputs_of(predictor.signatures, where, data)
    data = inputs.settings_of_files(data, encoding)
    objective = _objective_of(predictor.signatures, inputs.row_request)
    classifies = scores and inputs.answers_are_short
    classifies = classifies and not objective.names_are_outputs
    if classifies and "classify" not in predictor.signatures:
        raise ConfigError(
            "`--scores` needs a served model with the signature `classify`. "
            f"Received: {where!r}, with the signatures "
            f"{', '.join(sorted(predictor.signatures))}."
        )

    def answer(signature, fed):
        if classifies:
            return _classify(predictor, fed)
        return objective.answers(
            predictor(signature, fed),
            is_short=inputs.answers_are_short,
            scores=scores and objective.names_are_outputs,
        )

    # One row a request: the batch size that a server accepts is unknown.
    return _answer_files(inputs, answer, list(files), data, 1)


def _objective_of(signatures, name):
    """Returns the objective of a served model, which its outputs tell."""
    for kind in kinds.KINDS["task"]:
        objective = objective_lib.make(kinds.load("task", kind, "task")())
        if found := objective.of_served(signatures, name):
            return found
    return Objective()


def _inputs_of(signatures, where, data):
    """Returns the class of the inputs of a served model, and their settings."""
    known = [
        kinds.load("data", name, "config.data") for name in kinds.KINDS["data"]
    ]
    # A signature of its own says more than `serving_default`, which all have.
    known.sort(
        key=lambda kind: (
            tasks.inputs_class(kind).row_request == "serving_default"
        )
    )
    if data is not None:
        known.insert(0, type(data))
    for data_class in known:
        inputs = tasks.inputs_class(data_class)
        found = signatures.get(inputs.row_request)
        if found and set(found.inputs) == set(inputs.example_features):
            if type(data) is not data_class:
                data = data_class()
            return inputs, data
    raise ConfigError(
        "`--server` must be the address of a model of texts or images. "
        f"Received: {where!r}, with the signatures {sorted(signatures)}."
    )


def _classify(predictor, fed):
    """Yields label and scores of each row, by the model's class names."""
    answer = predictor("classify", example_signatures.check_inputs(**fed))
    for names, scores in zip(
        answer["classes"].tolist(), answer["scores"].tolist(), strict=True
    ):
        names = [name.decode("utf-8") for name in names]
        yield {
            "label": names[0],
            "probability": scores[0],
            "scores": dict(sorted(zip(names, scores, strict=True))),
        }


def _batches(rows, num_rows):
    """Yields lists of rows; before it raises an error, the rows before it."""
    rows = iter(rows)
    while True:
        batch, error = [], None
        try:
            for row in itertools.islice(rows, num_rows):
                batch.append(row)
        except DataError as caught:
            error = caught
        if batch:
            yield batch
        if error:
            raise error
        if len(batch) < num_rows:
            return
