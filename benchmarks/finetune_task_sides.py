"""The sides of `finetune_tasks.py`: each trains once and returns a dict.

prepared    time of `time.perf_counter` before the call of `fit`
trained     the same after it
the rest    what was measured on the test split
"""

import json

# Beside this file.
import finetune_runs
import finetune_task_splits
import numpy as np

# Keys of `metrics.json`, by task.
METRICS = {
    "labels": ("micro_f1", "macro_f1", "lrap"),
    "numbers": ("pearson", "mse"),
    "pairs": ("accuracy",),
    "tags": ("entity_f1", "num_words"),
}
# What PyTorch ignores in the loss.
_NOT_LEARNED = -100


def train_ours(directory, task, seed):
    """Trains with this project, as the command does.

    Args:
        directory: pathlib.Path. From `finetune_task_splits.write`.
        task: str.
        seed: int.
    """
    from trainers.runtime import startup

    startup.import_tensorflow()
    from trainers.config import files

    config = files.load(str(directory / "config.json"))
    config.seed = seed
    metrics, result = finetune_runs.train_ours(config)
    return result | {name: metrics["test"][name] for name in METRICS[task]}


def train_hugging_face(directory, task, seed, is_tuned, device):
    """Trains with Hugging Face's Trainer.

    Args:
        directory: pathlib.Path. From `finetune_task_splits.write`.
        task: str.
        seed: int.
        is_tuned: bool. Whether to use the settings of ours.
        device: str. `cpu` or `gpu`.
    """
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.set_seed(seed)
    facts = json.loads((directory / "facts.json").read_text())
    place = finetune_runs.minilm_place()
    tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    raw = {
        name: finetune_task_splits.read(directory, name)
        for name in ("train", "validation", "test")
    }
    scale = (0.0, 1.0)
    if task == "numbers" and is_tuned:
        numbers = [row["label"] for row in raw["train"]]
        scale = float(np.mean(numbers)), float(np.std(numbers))
    rows = {}
    for name in raw:
        rows[name] = _encode(task, raw[name], tokenizer, facts, scale)
        if is_tuned and name != "train":
            # Little padding. For train, the Trainer does it.
            order = np.argsort(
                [len(row["input_ids"]) for row in rows[name]], kind="stable"
            )
            raw[name] = [raw[name][number] for number in order]
            rows[name] = [rows[name][number] for number in order]
    collator = None
    if task == "tags":
        collator = transformers.DataCollatorForTokenClassification(tokenizer)
    with finetune_runs.hugging_face_trainer(
        _make_model(transformers, task, place, facts["names"]),
        rows["train"],
        tokenizer,
        seed=seed,
        epochs=facts["epochs"],
        device=device,
        settings=_tuned(facts, device) if is_tuned else {},
        collator=collator,
    ) as trainer:
        result = finetune_runs.timed_train(trainer)
        logits = {
            name: _predict(trainer, rows[name])
            for name in ("validation", "test")
            # Only thresholds need validation.
            if rows[name] and (name == "test" or task == "labels")
        }
    return result | _measure(task, raw, logits, tokenizer, facts, scale)


def _make_model(transformers, task, place, names):
    """Returns the model of transformers for a task."""
    if task == "tags":
        return transformers.AutoModelForTokenClassification.from_pretrained(
            place, num_labels=len(names)
        )
    problem_types = {
        "labels": "multi_label_classification",
        "numbers": "regression",
        "pairs": "single_label_classification",
    }
    return transformers.AutoModelForSequenceClassification.from_pretrained(
        place,
        num_labels=1 if task == "numbers" else len(names),
        problem_type=problem_types[task],
    )


def _tuned(facts, device):
    """Returns the arguments of the Trainer that are those of ours."""
    settings = {
        "train_sampling_strategy": "group_by_length",
        "per_device_train_batch_size": facts["batch_size"],
        "per_device_eval_batch_size": 64,
        "learning_rate": facts["learning_rate"],
        # Below 1, it is a share of the steps.
        "warmup_steps": facts["warmup_fraction"],
        "weight_decay": facts["weight_decay"],
    }
    if facts["policy"] == "mixed_bfloat16":
        settings["bf16"] = True
    elif facts["policy"] == "mixed_float16":
        settings["fp16"] = True
    if device == "gpu":
        # What the policy leaves in float32. As TensorFlow does it.
        settings["tf32"] = True
    return settings


def _words_of(row):
    """Returns the words of a row of tags, a list of str."""
    text = row["text"]
    return [text[start:end] for start, end in row["label"]["words"]]


def _encode(task, rows, tokenizer, facts, scale):
    """Returns a dict for the Trainer for each row, in the order of the rows."""
    if not rows:
        return []
    cut = {"truncation": True, "max_length": facts["sequence_length"]}
    if task == "tags":
        encoded = tokenizer(
            [_words_of(row) for row in rows], is_split_into_words=True, **cut
        )
    elif task == "pairs":
        encoded = tokenizer(
            [row["text"] for row in rows],
            [row["text_pair"] for row in rows],
            **cut | {"truncation": "longest_first"},
        )
    else:
        encoded = tokenizer([row["text"] for row in rows], **cut)
    found = []
    for number, row in enumerate(rows):
        example = {name: encoded[name][number] for name in encoded.keys()}
        if task == "tags":
            places = _first_pieces(encoded.word_ids(number))
            labels = [_NOT_LEARNED] * len(example["input_ids"])
            for word, place in places.items():
                labels[place] = facts["names"].index(row["label"]["tags"][word])
        elif task == "labels":
            labels = [float(name in row["label"]) for name in facts["names"]]
        elif task == "numbers":
            labels = (row["label"] - scale[0]) / scale[1]
        else:
            labels = facts["names"].index(row["label"])
        found.append(example | {"labels": labels})
    return found


def _first_pieces(word_ids):
    """Returns the place of the first piece of each word that has one.

    Args:
        word_ids: List of int, or `None` for special tokens.
    """
    places = {}
    for place, word in enumerate(word_ids):
        if word is not None:
            places.setdefault(word, place)
    return places


def _predict(trainer, rows):
    """Returns the logits of rows, in their order."""
    # Otherwise, batches of an evaluation are also grouped by length, and the
    # answers have another order than the rows.
    trainer.args.train_sampling_strategy = "random"
    found = trainer.predict(rows)
    for row, received in zip(rows, found.label_ids, strict=True):
        wanted = np.ravel(row["labels"])
        # Tags are padded.
        received = np.ravel(received)[: len(wanted)]
        assert np.allclose(wanted, received, atol=1e-4), "another order"
    return found.predictions.astype(np.float32)


def _measure(task, raw, logits, tokenizer, facts, scale):
    """Returns what is measured on the test split."""
    if task == "tags":
        return _measure_tags(raw["test"], logits["test"], tokenizer, facts)
    if task == "labels":
        return _measure_labels(raw, logits, facts["names"])
    if task == "pairs":
        right = [
            facts["names"][answer] == row["label"]
            for answer, row in zip(
                logits["test"].argmax(axis=-1), raw["test"], strict=True
            )
        ]
        return {"accuracy": float(np.mean(right))}
    from trainers.metrics import regression

    values = logits["test"][:, 0].astype(np.float64) * scale[1] + scale[0]
    targets = np.array([row["label"] for row in raw["test"]])
    # A served answer of ours is float32.
    found = regression.metrics_of(targets, values.astype(np.float32))
    return {name: found[name] for name in METRICS[task]}


def _measure_labels(raw, logits, names):
    """Returns the metrics with chosen thresholds, and F1 with 0.5."""
    from trainers.metrics import many_labels
    from trainers.metrics import thresholds as thresholds_lib

    truth = {
        split: np.array(
            [[name in row["label"] for name in names] for row in raw[split]],
            np.uint8,
        )
        for split in logits
    }
    half = [thresholds_lib.DEFAULT] * len(names)
    chosen = half
    if "validation" in logits:
        columns = zip(
            truth["validation"].T, logits["validation"].T, strict=True
        )
        chosen = thresholds_lib.choose(
            [thresholds_lib.curve(x == 1, scores) for x, scores in columns]
        )
    batch = truth["test"], logits["test"]
    found = many_labels.metrics_of_batches([batch], names, chosen)
    at_half = many_labels.metrics_of_batches([batch], names, half)
    return {name: found[name] for name in METRICS["labels"]} | {
        f"{name}_at_half": at_half[name] for name in ("micro_f1", "macro_f1")
    }


def _measure_tags(rows, logits, tokenizer, facts):
    """Returns the strict F1 of entities of words, and the share of cut words.

    The answer for a word that was cut is O. A word without any token, because
    the tokenizer drops its characters, is not measured; nor is it in ours.

    Args:
        rows: List of dicts. The rows of the test split.
        logits: float32[num_rows, length, num_tags].
        tokenizer: Tokenizer of transformers.
        facts: Dict from `finetune_task_splits.write`.
    """
    from trainers.objectives import entity_spans
    from trainers.objectives import tag_metrics

    names = facts["names"]
    words = [_words_of(row) for row in rows]
    whole = tokenizer(words, is_split_into_words=True)
    cut = tokenizer(
        words,
        is_split_into_words=True,
        truncation=True,
        max_length=facts["sequence_length"],
    )
    documents, true, answers, num_cut = [], [], [], 0
    for number, (row, scores) in enumerate(zip(rows, logits, strict=True)):
        read = _first_pieces(cut.word_ids(number))
        for word in _first_pieces(whole.word_ids(number)):
            documents.append(number)
            true.append(names.index(row["label"]["tags"][word]))
            # The first name is O.
            answer = scores[read[word]].argmax() if word in read else 0
            answers.append(int(answer))
            num_cut += word not in read
    documents, true, answers = (
        np.array(x, np.int32) for x in (documents, true, answers)
    )
    # Entities whose first word is not measured begin with the next word.
    entities = entity_spans.decode(true, documents)
    true[entities.first[~entities.is_strict]] -= 1
    tokens = tag_metrics.Tokens(
        documents, true, answers, np.ones(len(true), bool), 0.0
    )
    found = tag_metrics.measure(tokens, names, is_plain=False)
    return {name: found[name] for name in METRICS["tags"]} | {
        "cut_words": num_cut
    }
