"""Measures the memory of a training, evaluation and export with many classes.

    pip install -e .
    python benchmarks/many_classes.py

The script trains the variant `smoke` of `configs/bert_classifier.py` for one
epoch on generated texts: 20,000 for training, and 5,000 each for validation and
test. The same number of texts has few or many classes. It prints the peak of
the resident memory of each command, the largest of its own and of its child
processes, and the sizes of what it writes.
"""

import argparse
import csv
import os
import pathlib
import random
import subprocess
import sys
import tempfile

CONFIG = "configs/bert_classifier.py:smoke"
# A column of labels has at least two examples for each label.
ROWS = {"train": 20_000, "validation": 5_000, "test": 5_000}
COMMANDS = {
    "train": (),
    "evaluate": ("--split=validation",),
    "export": (),
    "predict": ("--split=test",),
}


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--classes", type=int, nargs="+", default=[100, 10_000])
    options = parser.parse_args()
    found = {}
    for num_classes in options.classes:
        with tempfile.TemporaryDirectory() as directory:
            found[num_classes] = _measure(pathlib.Path(directory), num_classes)
    print(f"| | {' | '.join(f'{n:,} classes' for n in found)} | ratio |")
    print("|---|" + "---:|" * (len(found) + 1))
    for name in next(iter(found.values())):
        numbers = [column[name] for column in found.values()]
        cells = " | ".join(f"{number:,.1f}" for number in numbers)
        print(f"| {name} | {cells} | {numbers[-1] / numbers[0]:.2f} |")


def _measure(directory, num_classes):
    """Returns MB by name for the commands of one run."""
    flags = [f"--config={CONFIG}", "--config.data.global_batch_size=64"]
    for split, rows in ROWS.items():
        file = directory / f"{split}.csv"
        _write(file, split, rows, num_classes)
        flags.append(f"--config.data.{split}={file}")
    flags.append(f"--config.data.cache_dir={directory / 'cache'}")
    workdir = directory / "run"
    sizes = {}
    for command, more in COMMANDS.items():
        out, err = (directory / f"{command}.{name}" for name in ("out", "err"))
        sizes[f"{command}: peak MB"] = _peak(
            [
                *(sys.executable, "-m", f"trainers.{command}"),
                f"--workdir={workdir}",
                *(flags if command == "train" else ()),
                *more,
            ],
            out,
            err,
        )
        sizes[f"{command}: MB printed"] = _megabytes(out) + _megabytes(err)
    for name in ("metrics.json", "data_report.json"):
        sizes[f"{name}: MB"] = _megabytes(workdir / name)
    for name, pattern in {
        "MODEL_CARD.md": "export/*/MODEL_CARD.md",
        "tensorboard/": "tensorboard/*/*",
    }.items():
        sizes[f"{name}: MB"] = sum(map(_megabytes, workdir.glob(pattern)))
    return sizes


def _write(file, split, num_rows, num_classes):
    """Writes texts of words that the class of a row decides."""
    rng = random.Random(split)
    with file.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["text", "label"])
        for row in range(num_rows):
            label = row % num_classes
            words = [f"w{label % 97}", f"x{label // 97}"]
            words += rng.choices("abcdefgh", k=6)
            rows.writerow([" ".join(words) + f" {row}", f"class {label:05}"])


def _peak(command, out, err):
    """Runs a command and returns the peak of its memory in MB."""
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}:\n{err.read_text()[-2000:]}")
    return usage.ru_maxrss * 1024 / 1e6


def _megabytes(file):
    return file.stat().st_size / 1e6


if __name__ == "__main__":
    main()
