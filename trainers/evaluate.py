"""Evaluates the best weights of a run; prints the metrics as JSON.

    python -m trainers.evaluate --workdir=/tmp/mnist
    python -m trainers.evaluate --workdir=/tmp/mnist --split='train[:1000]'
    python -m trainers.evaluate --workdir=/tmp/mnist \\
        --config.data.source=image_folder --config.data.path=photos \\
        --split=train
    python -m trainers.evaluate --workdir=/tmp/mail --split=new_mails.csv

By default the command evaluates the data of the run. `--config.data` flags name
other data. The command then reads all of `--split` in it.

`--dtype_policy=mixed_bfloat16` computes in a faster type. The command then also
computes up to 1,024 of the examples in float32, and logs how much the answers
differ. The metrics are those of the faster type.
"""

import json

from absl import flags as absl_flags

from trainers import flags

_SPLIT = flags.path(
    absl_flags.DEFINE_string(
        "split",
        "test",
        "Examples to evaluate: train, validation or test of the run, another "
        "split in the notation of TFDS, or a file of labelled texts.",
    ),
    schemes=("package",),
)
_DTYPE_POLICY = flags.like(
    absl_flags.DEFINE_string(
        "dtype_policy",
        "float32",
        "Keras dtype policy in which the network computes. `auto` means the "
        "fastest of this machine, see --config.trainer.dtype_policy.",
    ),
    "config.trainer.dtype_policy",
)


def main(config, workdir, arguments):
    """Prints the metrics of one split."""
    from trainers.evaluation import evaluator
    from trainers.training import automatic

    policy = _DTYPE_POLICY.value
    if policy == "auto":
        policy = automatic.choose_policy()
    metrics = evaluator.evaluate(
        config, workdir, split=_SPLIT.value, dtype_policy=policy
    )
    print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    flags.run(main, needs=("workdir",))
