"""Trains with several worker processes on this machine.

python -m trainers.launch --num_workers=2 -- \\
    --config=configs/mnist_mlp.py --workdir=/tmp/mnist

Words after `--` are for trainers.train. Should a worker fail, all go on from
the last checkpoint. Ctrl-C and SIGTERM save one and end with the code 75; a
second one ends at once.
"""

import logging
import os
import sys

from absl import flags as absl_flags

from trainers import flags
from trainers.distribution import launcher
from trainers.distribution import worker_process

_NUM_WORKERS = absl_flags.DEFINE_integer(
    "num_workers", None, "Processes to start; they share the cores."
)
_MAX_RESTARTS = absl_flags.DEFINE_integer(
    "max_restarts", 3, "How often to start all again after a failure."
)


def check(config, workdir, arguments):
    """Refuses wrong flags of both commands before there are workers."""
    from trainers import train

    own, words = launcher.split(arguments)
    flags.parse(["launch", *own], needs=())
    launcher.check(_NUM_WORKERS.value, _MAX_RESTARTS.value)
    # As a worker will, which then warns by itself.
    ports = worker_process.free_ports(_NUM_WORKERS.value)
    os.environ["TF_CONFIG"] = worker_process.tf_config(ports, 0)
    logging.getLogger("trainers").setLevel(logging.ERROR)
    train.check(*flags.parse(["train", *words]))


def main(config, workdir, arguments):
    """Runs the workers, and ends with the code of the one that failed first."""
    _, words = launcher.split(arguments)
    code = launcher.run(
        [sys.executable, "-m", "trainers.train", *words],
        _NUM_WORKERS.value,
        stopped_code=flags.STOPPED,
        final_codes=(flags.WRONG_USAGE, flags.INTERRUPTED),
        max_restarts=_MAX_RESTARTS.value,
        restart_words=["--config.trainer.resume=auto"],
    )
    sys.exit(code)


if __name__ == "__main__":
    sys.argv.insert(1, "--")  # `check` parses, as there are two commands.
    flags.run(main, (), check, takes_files=True, uses_tensorflow=False)
