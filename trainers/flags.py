"""The flags of every command, and the way from flags to exit codes.

`--config` and `--workdir` are defined here and nowhere else. A command calls
`run(main)`; what it needs is parsed and checked before TensorFlow is imported,
so that a typing error is answered at once.
"""

import os
import pathlib
import re
import sys

from absl import flags as absl_flags

from tfmodels import settings
from trainers.config import experiment
from trainers.config import files
from trainers.config import overrides
from trainers.config import tree
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.errors import RunError
from trainers.runtime import libraries
from trainers.runtime import startup
from trainers.runtime.signals import Stopped

_FLAGS = absl_flags.FLAGS
absl_flags.DEFINE_string(
    "config",
    None,
    "Experiment: a Python file with `get_config(variant)`, as FILE or "
    "FILE:VARIANT, or the `config.json` of a work directory.",
)
absl_flags.DEFINE_string(
    "workdir", None, "Directory of the run: logs, metrics, weights, export."
)

# Exit codes, part of the contract with scripts.
FAILED = 1
WRONG_USAGE = 2
STOPPED = 75  # On request, with a checkpoint: run again. EX_TEMPFAIL.
INTERRUPTED = 130  # 128 + SIGINT, as shells have it.

_OVERRIDE = re.compile(r"--?(no)?config\.([^=]*)(=.*)?$", re.DOTALL)


def run(
    main,
    needs=("config", "workdir"),
    check=None,
    takes_files=False,
    uses_tensorflow=True,
):
    """Runs a command: parse, validate, call, and end with an exit code.

    Args:
        main: Called with `(config, workdir, arguments)`: an
            `ExperimentConfig` or `None`, a path or `None`, and the words of
            the command line that are not flags.
        needs: Flags that the command cannot do without. One that does not
            need `--config` takes it from the work directory, if there is one.
        check: Called before `main` with the same arguments, and before
            TensorFlow is imported, for rules of one command.
        takes_files: Whether words that are not flags are allowed.
        uses_tensorflow: Whether `main` will need it.
    """
    startup.log_to_stderr()
    try:
        libraries.check()
        if {"--help", "-h", "-help", "--helpfull"} & set(sys.argv[1:]):
            print(_help_text())
            sys.exit(0)
        arguments = parse(sys.argv, needs, takes_files)
        if check is not None:
            check(*arguments)
        if uses_tensorflow:
            startup.import_tensorflow()
        main(*arguments)
    except ConfigError as error:
        _fail(error, WRONG_USAGE)
    except (DataError, RunError) as error:
        _fail(error, FAILED)
    except BrokenPipeError:
        # `| head` closed stdout; keep Python from complaining at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except OSError as error:
        # A full disk, a file that went away.
        _fail(error, FAILED)
    except Exception as error:
        reason = startup.tensorflow_reason(error)
        if reason is None:
            raise
        _fail(reason, FAILED)
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(STOPPED)
    except KeyboardInterrupt:
        _fail("Interrupted.", INTERRUPTED)


def parse(argv, needs=("config", "workdir"), takes_files=False):
    """Returns `(config, workdir, arguments)` of a command line.

    Raises:
        ConfigError: One line a problem, naming the flag and the choices.
    """
    words, rest = _split_overrides(argv)
    try:
        arguments = _FLAGS(rest)[1:]
    except absl_flags.UnrecognizedFlagError as error:
        raise ConfigError(
            f"`--{error.flagname}` is not a flag. "
            f"{overrides.suggest(error.flagname, _own_flags())}"
        ) from None
    except absl_flags.Error as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{reason}. See --help.") from None
    if arguments and not takes_files:
        raise ConfigError(
            f"`{arguments[0]}` is not a flag, and this command takes only "
            f"flags. {overrides.suggest(arguments[0], _own_flags())}"
        )
    path, workdir = _FLAGS.config, _FLAGS.workdir
    if "workdir" in needs and not workdir:
        raise ConfigError(
            "`--workdir` must name the directory of the run. Received: "
            "nothing. Example: --workdir=/tmp/mnist"
        )
    if "config" in needs and not path:
        raise ConfigError(
            "`--config` must name an experiment. Received: nothing. "
            f"Choices: {', '.join(files.shipped())}, or a file of yours."
        )
    if not path and workdir:
        path = str(pathlib.Path(workdir) / "config.json")
        if not pathlib.Path(path).is_file():
            raise ConfigError(
                "`--workdir` must be the directory of a run, with its "
                f"config.json. Received: {workdir!r}."
            )
    if not path:
        if words:
            raise ConfigError(f"`{words[0]}` needs `--config` as well.")
        return None, workdir, arguments
    config = _override(files.load(path), words)
    experiment.validate(config)
    return config, workdir, arguments


def _split_overrides(argv):
    """Separates `--config.x=y` (also `--config.x y`) from other words."""
    found, rest = [], []
    words = list(argv)
    while words:
        word = words.pop(0)
        if word == "--":
            return found, [*rest, word, *words]
        match = _OVERRIDE.match(word)
        if not match:
            rest.append(word)
            continue
        # Without `=`, the next word is the value, unless it is a flag too:
        # then this one is a boolean.
        is_bare = match[3] is None and not match[1]
        if is_bare and words and not words[0].startswith("--"):
            word += "=" + words.pop(0)
        found.append(word)
    return found, rest


def _override(config, words):
    """Applies `--config.x=y` words; of several for one setting the last wins.

    Raises:
        ConfigError: There is no such setting; the value is of another type.
    """
    fields = {name: field for name, field, _ in tree.leaves(config)}
    texts = {}
    for word in words:
        no, leaf, text = _OVERRIDE.match(word).groups()
        name = f"config.{leaf}"
        if name not in fields:
            raise overrides.unknown_setting(name, fields)
        is_bool = fields[name].type is bool
        if no and (not is_bool or text):
            raise ConfigError(
                f"`--no{name}` is for settings that are true or false, and "
                f"takes no value. Received: {word!r}. Choices: --{name}=VALUE."
            )
        if text is None and not is_bool:
            raise ConfigError(
                f"`--{name}` must be {settings.type_words(fields[name])}. "
                "Received: nothing."
            )
        texts[name] = text[1:] if text else str(not no)
    return overrides.apply(config, texts)


def _own_flags():
    """Names of this command's flags, without absl's own."""
    main = _FLAGS.get_key_flags_for_module(sys.argv[0])
    ours = _FLAGS.get_key_flags_for_module(sys.modules[__name__])
    return [flag.name for flag in [*ours, *main]]


def _help_text():
    """Returns the docstring of the command, its flags and all settings."""
    lines = [(sys.modules["__main__"].__doc__ or "").strip(), "", "Flags:"]
    for name in _own_flags():
        flag = _FLAGS[name]
        default = "" if flag.default is None else f" (default {flag.default})"
        lines.append(f"  --{name}\n      {flag.help}{default}")
    path = _config_in(sys.argv)
    config = files.load(path) if path else experiment.ExperimentConfig()
    lines += [
        "",
        f"Settings of {path}, each a flag, with its value there:"
        if path
        else "Settings, each a flag, with its default. These are of a model of "
        "images; --config=FILE --help shows those of an experiment:",
    ]
    for name, field, value in tree.leaves(config):
        if isinstance(value, tuple):
            value = ",".join(map(str, value))
        lines.append(f"  --{name}={value}\n      {field.metadata['doc']}")
        if "choices" in field.metadata["rule"]:
            choices = ", ".join(field.metadata["rule"]["choices"])
            lines.append(f"      One of: {choices}.")
    return "\n".join(lines)


def _config_in(argv):
    """Returns the value of `--config` in a command line, or `None`."""
    for word, following in zip(argv, [*argv[1:], None], strict=True):
        name, equals, value = word.partition("=")
        if name in ("--config", "-config"):
            return value if equals else following
    return None


def _fail(error, code):
    for line in str(error).splitlines():
        print(f"error: {line}", file=sys.stderr)
    sys.exit(code)
