"""Lets an export answer; a line of JSON an example goes to stdout.

    python -m trainers.predict --workdir=/tmp/mnist digit.png other.jpg
    python -m trainers.predict --workdir=/tmp/mnist --split='test[:5]'
    python -m trainers.predict --model_dir=/tmp/mnist/export/mnist_mlp a.png

Files are sent as they are, as encoded bytes; `--split` sends the pixels of
examples of the run's data, or of what `--config.data` flags name.
"""

import json

from absl import flags as absl_flags

from trainers import flags
from trainers.errors import ConfigError

_MODEL_DIR = absl_flags.DEFINE_string(
    "model_dir",
    None,
    "The export, or a directory of versions; by default that of --workdir.",
)
_SPLIT = absl_flags.DEFINE_string(
    "split", None, "Answer for these examples instead of for files."
)


def check(config, workdir, files):
    """Refuses what cannot be answered."""
    if bool(files) == bool(_SPLIT.value):
        raise ConfigError(
            "give image files or `--split`, one of the two. "
            f"Received: {len(files)} files and --split={_SPLIT.value}."
        )
    if not workdir and not _MODEL_DIR.value:
        raise ConfigError(
            "`--workdir` must name the directory of a run, or `--model_dir` "
            "an export. Received: neither."
        )


def main(config, workdir, files):
    """Prints the answers."""
    from trainers.serving import predictor as predictor_lib
    from trainers.workdir import Workdir

    predictor = predictor_lib.Predictor(
        _MODEL_DIR.value or Workdir(workdir).export_dir(config)
    )
    if files:
        answers = predictor.predict_files(files)
    else:
        data = config and config.data
        answers = predictor_lib.predict_split(predictor, data, _SPLIT.value)
    for answer in answers:
        print(json.dumps(answer, ensure_ascii=False))


if __name__ == "__main__":
    flags.run(main, needs=(), check=check, takes_files=True)
