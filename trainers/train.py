"""Trains a model, evaluates it and exports it for TensorFlow Serving.

python -m trainers.train --config=configs/mnist_mlp.py --workdir=/tmp/mnist
"""

import logging

from trainers import flags


def check(config, workdir, arguments):
    """Refuses wrong paths and warns, before TensorFlow is imported."""
    from trainers import config as config_lib
    from trainers.data import inputs
    from trainers.workdir import Workdir

    for line in config_lib.ignored_settings(config):
        logging.getLogger("trainers").warning(line)
    inputs.check(config)
    Workdir(workdir).check_new()


def main(config, workdir, arguments):
    """Runs the experiment."""
    from trainers import training
    from trainers.serving import export

    training.train_and_evaluate(config, workdir)
    print(export.export_best(config, workdir))


if __name__ == "__main__":
    flags.run(main, check=check)
