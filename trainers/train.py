"""Trains a model, evaluates it and exports it for TensorFlow Serving.

python -m trainers.train --config=configs/mnist_mlp.py --workdir=/tmp/mnist

The same command resumes an interrupted run. Ctrl-C and SIGTERM save a
checkpoint and exit with code 75. A second signal ends the process at once.
"""

import logging

from trainers import flags
from trainers.runtime import signals


def check(config, workdir, arguments):
    """Checks paths and logs warnings before TensorFlow is imported."""
    from trainers.config import experiment
    from trainers.data import input_files
    from trainers.distribution import tf_config
    from trainers.run import extension
    from trainers.run.workdir import Workdir
    from trainers.training.trackers import loading

    workers = tf_config.read()
    tf_config.check_strategy(workers, config.trainer.strategy)
    if not workers.is_chief:
        # The chief logs the warnings for all workers.
        logging.getLogger("trainers").setLevel(logging.ERROR)
    for line in experiment.ignored_settings(config):
        logging.getLogger("trainers").warning(line)
    input_files.check(config)
    if workers.is_chief:
        loading.load(config.trainer.trackers)
        paths = Workdir(workdir)
        config = paths.with_saved_choices(config)
        if not paths.check(config):
            extension.check(config, paths)


def main(config, workdir, arguments):
    """Runs the experiment, or the rest of it if the run is resumed."""
    from trainers.serving import exporter
    from trainers.training import trainer

    def export():
        version = exporter.export_once(config, workdir)
        print(version)
        return version

    trainer.train_and_evaluate(config, workdir, export_fn=export)


if __name__ == "__main__":
    with signals.raising():
        flags.run(main, check=check)
