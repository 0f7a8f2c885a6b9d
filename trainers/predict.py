"""Predicts labels of files or examples; prints a line of JSON for each.

    python -m trainers.predict --workdir=/tmp/mnist digit.png other.jpg
    zcat mails.gz | python -m trainers.predict --workdir=/tmp/mail - --scores
    python -m trainers.predict --server=http://HOST:PORT/v1/models/NAME a.txt

A file of texts contains one text per line. In .csv, .tsv, .jsonl, .json,
.parquet, .arrow and .tfrecord files, the column `--config.data.text_column`
contains the texts. A model of pairs needs such a file. `-` reads stdin. Files
and stdin are UTF-8, or what `--encoding` says. `--split` sends examples of the
run or of `--config.data` instead of files. The environment variable
TFMODELS_TOKEN contains the token of a server.

An export computes in float32. `--dtype_policy=mixed_bfloat16` asks the best
weights of `--workdir` instead, in a faster type. How much the answers differ,
`trainers.evaluate` says with the same flag.
"""

import os

from absl import flags as absl_flags

from trainers import flags
from trainers.config import local_path
from trainers.errors import ConfigError
from trainers.run.workdir import Workdir
from trainers.runtime import json_like
from trainers.runtime import text_encoding

_MODEL_DIR = flags.path(
    absl_flags.DEFINE_string(
        "model_dir",
        None,
        "Directory of a version or of all versions of an export. By default "
        "the export of --workdir.",
    ),
    schemes=("http", "https"),
)
_SERVER = absl_flags.DEFINE_string("server", None, "URL of a served model.")
_SPLIT = flags.path(
    absl_flags.DEFINE_string(
        "split", None, "Split to predict instead of files."
    ),
    schemes=("package",),
)
_SCORES = absl_flags.DEFINE_bool(
    "scores", False, "For texts, also print the probability of each class."
)
_ENCODING = absl_flags.DEFINE_string(
    "encoding",
    None,
    "Encoding of the texts in files and stdin, a name that Python knows. The "
    "default is utf-8, also if the files of the run have another one.",
)
_DTYPE_POLICY = flags.like(
    absl_flags.DEFINE_string(
        "dtype_policy",
        "float32",
        "Keras dtype policy in which the network computes. With float32, the "
        "export answers, otherwise the best weights of --workdir. `auto` means "
        "the fastest of this machine, see --config.trainer.dtype_policy.",
    ),
    "config.trainer.dtype_policy",
)


def check(config, workdir, files):
    """Checks that there is something to predict and a model."""
    if _ENCODING.value and (rule := text_encoding.problem(_ENCODING.value)):
        raise ConfigError(
            f"`--encoding` must be {rule}. Received: {_ENCODING.value!r}."
        )
    if _ENCODING.value and _SPLIT.value:
        raise ConfigError(
            "`--encoding` is for files of texts; for --split, "
            "--config.data.encoding sets the encoding of texts. Received: "
            f"{_ENCODING.value!r}."
        )
    if files and flags.is_given("config.data.encoding"):
        raise ConfigError(
            "`--config.data.encoding` is for the examples of --split. "
            f"Received: {config.data.encoding!r} for files. Set "
            f"--encoding={config.data.encoding}."
        )
    if _SERVER.value and (_SPLIT.value or not files):
        raise ConfigError(
            "give files, and no `--split`, with `--server`: a served model has "
            f"no splits. Received: {len(files)} files and "
            f"--split={_SPLIT.value}."
        )
    if bool(files) == bool(_SPLIT.value):
        raise ConfigError(
            "give files or `--split`, one of the two. Received: "
            f"{len(files)} files and --split={_SPLIT.value}."
        )
    if not (workdir or _MODEL_DIR.value or _SERVER.value):
        raise ConfigError(
            "`--workdir` must name the directory of a run, `--model_dir` "
            "an export, or `--server` a served model. Received: none."
        )
    if _SERVER.value and "://" not in _SERVER.value:
        raise ConfigError(
            "`--server` must be like http://HOST:PORT/v1/models/NAME. "
            f"Received: {_SERVER.value!r}."
        )
    if _DTYPE_POLICY.value != "float32" and (where := _where()):
        raise ConfigError(
            "`--dtype_policy` is for the best weights of a run, which "
            "--workdir names: exports answer in float32. Received: "
            f"{_DTYPE_POLICY.value!r} for {where!r}. Set "
            "--dtype_policy=float32."
        )
    files[:] = [
        local_path.checked(file, "FILE", ("package",)) for file in files
    ]
    if _DTYPE_POLICY.value == "float32" and not _where():
        Workdir(workdir).find_export(config)


def _where():
    return _SERVER.value or _MODEL_DIR.value


def main(config, workdir, files):
    """Prints the answers."""
    from trainers.prediction import bearer_token
    from trainers.prediction import rows
    from trainers.training import automatic

    policy = _DTYPE_POLICY.value
    if policy == "auto":
        policy = automatic.choose_policy()
    asked = {
        "files": files,
        "split": _SPLIT.value,
        "scores": _SCORES.value,
        "encoding": _ENCODING.value,
    }
    if policy == "float32":
        answers = rows.predict(
            _where() or Workdir(workdir).find_export(config),
            config and config.data,
            token=os.environ.get(bearer_token.VARIABLE),
            **asked,
        )
    else:
        answers = rows.predict_best(
            config, workdir, dtype_policy=policy, **asked
        )
    for answer in answers:
        print(json_like.to_text(answer), flush=True)


if __name__ == "__main__":
    flags.run(main, needs=(), check=check, takes_files=True)
