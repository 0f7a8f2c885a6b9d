"""The splits of `finetune_tasks.py`, as files that all sides read.

A directory has `train.jsonl`, `test.jsonl`, and `validation.jsonl` if the run
has such a split, with `text`, `text_pair` (of pairs) and `label` in each line:
a list of labels, a number, a class, or words with tags in IOB2. `config.json`
is the configuration of ours for these files. `facts.json` has what other sides
need of it.
"""

import dataclasses
import json

import numpy as np

CONFIGS = {
    "labels": "configs/bert_multi_label.py:minilm",
    "numbers": "configs/bert_regressor.py:minilm",
    "pairs": "configs/bert_pairs.py:minilm",
    "tags": "configs/bert_tagger.py:minilm",
}
# Settings of the data that are not about the form of the files.
_KEPT = (
    *("sequence_length", "padded_lengths", "max_bytes", "global_batch_size"),
    "misaligned",
)


def write(directory, task, files, words, epochs=None, rows=None):
    """Writes the splits that ours makes, and the configuration for them.

    Args:
        directory: pathlib.Path. It exists.
        task: str. A key of `CONFIGS`.
        files: List of str: none, train, or train, validation and test.
        words: List of str, `--config.NAME=VALUE`.
        epochs: int, or `None` for that of the configuration.
        rows: int. Largest number of rows of a split, or `None`.

    Raises:
        SystemExit: The data cannot be compared. The message says why.
    """
    from trainers.runtime import startup

    startup.import_tensorflow()
    from trainers.config import experiment
    from trainers.data.texts import reading
    from trainers.training import automatic

    config = _load_config(task, files, words, epochs)
    experiment.validate(config)
    splits, _ = reading.read_splits(config.data, config.task.make_objective())
    if "test" not in splits:
        raise SystemExit("error: the sides are measured on a test split.")
    if rows:
        splits = {
            name: examples.take(np.arange(min(rows, len(examples))))
            for name, examples in splits.items()
        }
        if task == "labels":
            _drop_unlearned(splits)
    if task == "tags":
        _check_tags(splits)
    objective, targets = config.task.make_objective().fitted(splits)
    for name, examples in splits.items():
        labels = _labels(task, objective, examples, targets[name])
        _write_rows(directory / f"{name}.jsonl", examples, labels)
    policy = config.trainer.dtype_policy
    if policy == "auto":
        policy = automatic.choose_policy()
    facts = {
        "names": getattr(objective, "names", None),
        "policy": policy,
        "epochs": config.trainer.epochs,
        "sequence_length": config.data.sequence_length,
        "batch_size": config.data.global_batch_size,
        "learning_rate": config.optimizer.learning_rate,
        "warmup_fraction": config.optimizer.warmup_fraction,
        "weight_decay": config.optimizer.weight_decay,
        "rows": {name: len(examples) for name, examples in splits.items()},
    }
    (directory / "facts.json").write_text(json.dumps(facts))
    _set_files(config, task, directory, splits)
    (directory / "config.json").write_text(experiment.to_json(config))
    return facts


def read(directory, name):
    """Returns the rows of a split, a list of dicts; empty without the split.

    Args:
        directory: pathlib.Path. From `write`.
        name: str.
    """
    file = directory / f"{name}.jsonl"
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines()]


def _load_config(task, files, words, epochs):
    from trainers.config import files as config_files
    from trainers.config import override_words

    config = config_files.load(CONFIGS[task])
    for name, file in zip(("train", "validation", "test"), files, strict=False):
        setattr(config.data, name, file)
    config = override_words.apply(config, words)
    if epochs:
        config.trainer.epochs = epochs
    return config


def _drop_unlearned(splits):
    """Removes labels that no row of train has, because ours refuses them."""
    known = {x for row in splits["train"].targets for x in row.labels}
    for examples in splits.values():
        for number, row in enumerate(examples.targets):
            labels = tuple(x for x in row.labels if x in known)
            examples.targets[number] = dataclasses.replace(row, labels=labels)


def _check_tags(splits):
    """Refuses files of spans, because Hugging Face's loop tags words."""
    for name, examples in splits.items():
        for row, found in enumerate(examples.targets):
            if not found.is_words:
                raise SystemExit(
                    "error: the files must have words with tags, as CoNLL "
                    f"files have. Received: {examples.places[row]}, of split "
                    f"{name}, with spans."
                )


def _labels(task, objective, examples, targets):
    """Yields the label of each row, as JSON has it."""
    if task == "tags" and objective.is_plain:
        raise SystemExit(
            "error: the tags must mark entities, such as B-X and I-X. "
            f"Received: {', '.join(objective.names[:10])}."
        )
    names = getattr(objective, "names", None)
    for row in range(len(examples)):
        if task == "labels":
            yield [names[place] for place in np.flatnonzero(targets[row])]
        elif task == "numbers":
            yield float(targets[row])
        elif task == "pairs":
            yield names[targets[row]]
        else:
            items = targets[row].tolist()
            yield {
                "words": [[start, end] for start, end, _ in items],
                "tags": [names[tag] for _, _, tag in items],
            }


def _write_rows(file, examples, labels):
    with file.open("w", encoding="utf-8") as stream:
        for row, label in enumerate(labels):
            texts = {
                name: values[row].decode()
                for name, values in examples.features.items()
            }
            # ASCII, so each line end ends a row.
            stream.write(json.dumps(texts | {"label": label}) + "\n")


def _set_files(config, task, directory, splits):
    """Makes the configuration read the written files, in their form."""
    kept = {
        name: getattr(config.data, name)
        for name in _KEPT
        if hasattr(config.data, name)
    }
    files = {
        name: str(directory / f"{name}.jsonl") if name in splits else "none"
        for name in ("train", "validation", "test")
    }
    config.data = type(config.data)(**files, **kept)
    if task == "labels":
        config.task.label_columns = ()
    if task == "tags":
        config.task.scheme = "iob2"
