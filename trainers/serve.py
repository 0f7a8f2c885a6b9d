"""Serves an export on this machine, with TensorFlow Serving's REST interface.

    python -m trainers.serve --workdir=/tmp/mail
    python -m trainers.serve --model_base_path=/tmp/mail/export/bert_classifier

The command prints the URL of the model when it is ready. The page to try the
model is at `/`. When a new version appears in the directory, the server loads
it. Ctrl-C and SIGTERM end the server after it has answered running requests.
"""

from absl import flags as absl_flags

from trainers import flags
from trainers.run.workdir import Workdir
from trainers.server import settings as settings_lib

_TOKEN_FILE = flags.path(
    absl_flags.DEFINE_string(
        "token_file",
        None,
        "File with the token that clients send. Or set TFMODELS_TOKEN.",
    )
)


def _define(field):
    define = {
        str: absl_flags.DEFINE_string,
        int: absl_flags.DEFINE_integer,
        tuple[str, ...]: absl_flags.DEFINE_list,
    }[field.type]
    flag = define(field.name, field.default or None, field.metadata["doc"])
    return flags.path(flag) if field.metadata["is_path"] else flag


_FLAGS = [_define(f) for f in settings_lib.FLAGS]


def _settings(config, workdir):
    values = {
        f.name: tuple(f.value) if isinstance(f.value, list) else f.value
        for f in _FLAGS
        if f.value is not None
    }
    if workdir and "model_base_path" not in values:
        values["model_base_path"] = str(Workdir(workdir).find_export(config))
    token = settings_lib.read_token(_TOKEN_FILE.value)
    settings = settings_lib.Settings(**values, token=token)
    settings_lib.validate(settings)
    return settings


def check(config, workdir, arguments):
    """Checks the flags before TensorFlow is imported."""
    _settings(config, workdir)


def main(config, workdir, arguments):
    """Serves until a signal arrives."""
    from trainers.server import process

    settings = _settings(config, workdir)
    process.serve(settings, ready=lambda url: print(url, flush=True))


if __name__ == "__main__":
    flags.run(main, needs=(), check=check)
