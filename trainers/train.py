"""Trains a model, evaluates it and exports it for TensorFlow Serving.

python -m trainers.train --config=configs/mnist_mlp.py --workdir=/tmp/mnist

The same command again goes on with a run that was interrupted. Ctrl-C and
SIGTERM save a checkpoint and end with the code 75; a second one ends at once.
"""

import logging

from trainers import flags
from trainers import stopping


def check(config, workdir, arguments):
    """Refuses wrong paths and warns, before TensorFlow is imported."""
    from trainers import cluster
    from trainers import config as config_lib
    from trainers import precision
    from trainers.data import inputs
    from trainers.workdir import Workdir

    workers = cluster.read()
    cluster.check_strategy(workers, config.trainer.strategy)
    if not workers.is_chief:
        # The chief says it for all.
        logging.getLogger("trainers").setLevel(logging.ERROR)
    for line in config_lib.ignored_settings(config):
        logging.getLogger("trainers").warning(line)
    inputs.check(config)
    if workers.is_chief:
        Workdir(workdir).check(precision.as_begun(config, workdir))


def main(config, workdir, arguments):
    """Runs the experiment, or what is left of it."""
    from trainers import training
    from trainers.serving import export

    training.train_and_evaluate(
        config,
        workdir,
        finish_fn=lambda: print(export.export_once(config, workdir)),
    )


if __name__ == "__main__":
    with stopping.raising():
        flags.run(main, check=check)
