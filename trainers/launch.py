"""Trains with several worker processes on this machine.

python -m trainers.launch --num_workers=2 -- \\
    --config=configs/mnist_mlp.py --workdir=/tmp/mnist

Words after `--` go to trainers.train. If a worker fails, all workers restart
and resume from the last checkpoint. Ctrl-C and SIGTERM save a checkpoint and
exit with code 75. A second signal ends all processes at once.
"""

import logging
import os
import sys

from absl import flags as absl_flags

from trainers import flags
from trainers.distribution import launcher
from trainers.distribution import worker_process

_NUM_WORKERS = absl_flags.DEFINE_integer(
    "num_workers", None, "Number of workers to start. They share the cores."
)
_MAX_RESTARTS = absl_flags.DEFINE_integer(
    "max_restarts", 3, "How often to restart all workers after a failure."
)


def check(config, workdir, arguments):
    """Checks the flags of both commands before workers start."""
    from trainers import train

    own, words = launcher.split(arguments)
    names = ("num_workers", "max_restarts")
    flags.parse(["launch", *own], needs=(), names=names)
    launcher.check(_NUM_WORKERS.value, _MAX_RESTARTS.value)
    # Parse as a worker does. The worker itself logs the warnings.
    ports = worker_process.free_ports(_NUM_WORKERS.value)
    os.environ["TF_CONFIG"] = worker_process.tf_config(ports, 0)
    logging.getLogger("trainers").setLevel(logging.ERROR)
    names = ("config", "workdir")
    train.check(*flags.parse(["train", *words], names=names))


def main(config, workdir, arguments):
    """Runs the workers; exits with the code of the first one that failed."""
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
    sys.argv.insert(1, "--")  # `check` parses the flags of both.
    flags.run(main, (), check, takes_files=True, uses_tensorflow=False)
