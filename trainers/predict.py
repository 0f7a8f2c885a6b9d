"""Lets an export answer; a line of JSON an example goes to stdout.

    python -m trainers.predict --workdir=/tmp/mnist digit.png other.jpg
    python -m trainers.predict --workdir=/tmp/mail mails.txt --scores
    zcat mails.gz | python -m trainers.predict --workdir=/tmp/mail -

A file of texts holds one a line, or is CSV, TSV, JSON lines or TFRecord by its
name, with a column `--config.data.text_column`; `-` is stdin. `--split` sends
examples of the run's data, or of what `--config.data` flags name.
"""

import json

from absl import flags as absl_flags

from trainers import flags
from trainers.errors import ConfigError

_MODEL_DIR = absl_flags.DEFINE_string(
    "model_dir", None, "An export, or its versions; by default --workdir's."
)
_SPLIT = absl_flags.DEFINE_string("split", None, "Examples instead of files.")
_SCORES = absl_flags.DEFINE_bool(
    "scores", False, "Write the probability of every class of a text."
)


def check(config, workdir, files):
    """Refuses what cannot be answered."""
    if bool(files) == bool(_SPLIT.value):
        raise ConfigError(
            "give files or `--split`, one of the two. "
            f"Received: {len(files)} files and --split={_SPLIT.value}."
        )
    if not workdir and not _MODEL_DIR.value:
        raise ConfigError(
            "`--workdir` must name the directory of a run, or `--model_dir` "
            "an export. Received: neither."
        )


def main(config, workdir, files):
    """Prints the answers."""
    from trainers.serving import predictions
    from trainers.workdir import Workdir

    answers = predictions.predict(
        _MODEL_DIR.value or Workdir(workdir).export_dir(config),
        config and config.data,
        files=files,
        split=_SPLIT.value,
        scores=_SCORES.value,
    )
    for answer in answers:
        print(json.dumps(answer, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    flags.run(main, needs=(), check=check, takes_files=True)
