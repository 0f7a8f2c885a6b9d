"""Evaluates the best model of a run; JSON goes to stdout.

    python -m trainers.evaluate --workdir=/tmp/mnist
    python -m trainers.evaluate --workdir=/tmp/mnist --split='train[:1000]'
    python -m trainers.evaluate --workdir=/tmp/mnist \\
        --config.data.source=image_folder --config.data.path=photos \\
        --split=train
    python -m trainers.evaluate --workdir=/tmp/mail --split=new_mails.csv

The data is what the run was configured with; `--config.data` flags name
another, of which `--split` is read whole.
"""

import json

from absl import flags as absl_flags

from trainers import flags

_SPLIT = absl_flags.DEFINE_string(
    "split",
    "test",
    "Examples: train, validation or test as the run had them, else a split "
    "as TFDS writes it, or a file of labelled texts.",
)


def main(config, workdir, arguments):
    """Prints the metrics of one split."""
    from trainers.evaluation import evaluator

    metrics = evaluator.evaluate(config, workdir, split=_SPLIT.value)
    print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    flags.run(main, needs=("workdir",))
