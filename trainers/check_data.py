"""Checks the data of an experiment without training; JSON goes to stdout.

    python -m trainers.check_data --config=configs/bert_classifier.py:minilm \\
        --config.data.train=a.csv.gz --config.data.test=b.csv.gz

It counts classes, lengths, empty and repeated examples, examples with two
labels, and those of train that stand in another split as well. Warnings go to
stderr; errors too, with exit code 1. Training does all this by itself at its
start. With `--workdir` the report is also written to its data_report.json.
"""

import json
import logging

from trainers import flags


def check(config, workdir, arguments):
    """Refuses wrong paths before TensorFlow is imported."""
    from trainers.data import input_files

    input_files.check(config)


def main(config, workdir, arguments):
    """Prints the report."""
    from trainers import tasks
    from trainers.run.workdir import Workdir

    paths = Workdir(workdir) if workdir else None
    splits = tasks.load_splits(tasks.make_task(config), config, paths)
    for line in splits.report["warnings"]:
        logging.getLogger("trainers").warning(line)
    print(json.dumps(splits.report, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    flags.run(main, needs=("config",), check=check)
