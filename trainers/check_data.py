"""Checks the data of an experiment without training; prints a JSON report.

    python -m trainers.check_data --config=configs/bert_classifier.py:minilm \\
        --config.data.train=a.csv.gz --config.data.test=b.csv.gz

The report counts classes, lengths, empty examples, repeated examples, equal
examples with different labels, and examples of train that also occur in
another split. Whether `best_metric` fits the data is the last check.
Warnings go to stderr. An error also goes to stderr, and the
exit code is 1. Training does the same check before its first step. With
`--workdir`, the command also writes the report to data_report.json there.
"""

import logging

from trainers import flags
from trainers.runtime import json_like


def check(config, workdir, arguments):
    """Checks paths and logs warnings before TensorFlow is imported."""
    from trainers.config import experiment
    from trainers.data import input_files

    for line in experiment.ignored_settings(config):
        logging.getLogger("trainers").warning(line)
    input_files.check(config)


def main(config, workdir, arguments):
    """Prints the report."""
    from trainers import tasks
    from trainers.run.workdir import Workdir

    paths = Workdir(workdir) if workdir else None
    task, splits = tasks.load_splits(tasks.make_task(config), config, paths)
    for line in splits.report["warnings"]:
        logging.getLogger("trainers").warning(line)
    try:
        tasks.check_best_metric(task.objective, config, splits, paths)
    finally:
        print(json_like.to_text(splits.report, 2))


if __name__ == "__main__":
    flags.run(main, needs=("config",), check=check)
