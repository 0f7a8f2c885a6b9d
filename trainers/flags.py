"""Defines the flags of every command and turns errors into exit codes.

`--config` and `--workdir` are defined only here. A command calls `run(main)`.
`run` parses and checks its flags before it imports TensorFlow, so that wrong
flags are reported at once.
"""

import pathlib
import sys

from absl import flags as absl_flags

from tfmodels import settings
from trainers.config import experiment
from trainers.config import files
from trainers.config import local_path
from trainers.config import override_words
from trainers.config import overrides
from trainers.config import tree
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.errors import RunError
from trainers.objectives import objective as objective_lib
from trainers.runtime import background
from trainers.runtime import libraries
from trainers.runtime import startup
from trainers.runtime.signals import Stopped

_FLAGS = absl_flags.FLAGS
_SCHEMES = {}  # The addresses that are allowed, by name of a path flag.
_LIKE = {}  # The setting with the same choices, by name of a flag.
_given = set()  # The settings of the command line, from `parse`.


def path(flag, schemes=()):
    """Marks a flag as a path on this machine.

    `parse` replaces `~` in it and refuses addresses such as `gs://bucket`.

    Args:
        flag: `absl.flags.FlagHolder` of a text.
        schemes: Tuple of str. Addresses that are allowed all the same.

    Returns:
        The flag.
    """
    _SCHEMES[flag.name] = schemes
    return flag


def like(flag, setting):
    """Marks a flag as one with the choices of a setting.

    `parse` refuses other values, and `--help` shows the choices.

    Args:
        flag: `absl.flags.FlagHolder` of a text.
        setting: str. Name of the setting, such as
            `config.trainer.dtype_policy`.

    Returns:
        The flag.
    """
    _LIKE[flag.name] = setting
    return flag


path(
    absl_flags.DEFINE_string(
        "config",
        None,
        "Experiment: FILE or FILE:VARIANT, a Python file with "
        "`get_config(variant)`, or the `config.json` of a work directory.",
    )
)
path(
    absl_flags.DEFINE_string(
        "workdir",
        None,
        "Work directory of the run, for metrics, weights, checkpoints and "
        "export.",
    )
)

# Exit codes, part of the contract with scripts.
FAILED = 1
WRONG_USAGE = 2
STOPPED = 75  # By a signal; the same command resumes. EX_TEMPFAIL.
INTERRUPTED = 130  # 128 + SIGINT, as in shells.


def run(
    main,
    needs=("config", "workdir"),
    check=None,
    takes_files=False,
    uses_tensorflow=True,
):
    """Runs a command and ends the process with its exit code.

    It parses the flags, checks them, imports TensorFlow and calls `main`.

    Args:
        main: Called with `(config, workdir, arguments)`: `ExperimentConfig` or
            `None`, str or `None`, and a list of the words of the command line
            that are not flags.
        needs: Tuple of str. Names of the flags that the command requires,
            `config` or `workdir`. A command that does not require `--config`
            reads it from the work directory if `--workdir` is given.
        check: Called with the same arguments as `main`, before TensorFlow is
            imported, or `None`. It checks the rules of one command.
        takes_files: bool. Whether words that are not flags are allowed.
        uses_tensorflow: bool. Whether `main` needs TensorFlow.
    """
    with background.leaving():
        _run(main, needs, check, takes_files, uses_tensorflow)


def _run(main, needs, check, takes_files, uses_tensorflow):
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
        startup.discard_stdout()
        sys.exit(FAILED)
    except OSError as error:
        # For example a full disk, or a file that was removed.
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


def is_given(name):
    """Returns whether the command line sets a setting, also to its default.

    Args:
        name: str, such as `config.data.encoding`.
    """
    return name in _given


def parse(argv, needs=("config", "workdir"), takes_files=False, names=None):
    """Parses a command line.

    Args:
        argv: List of str. The command line, with the name of the program.
        needs: Tuple of str. As for `run`.
        takes_files: bool. As for `run`.
        names: Tuple of str. Names of the flags that an error offers; `None`
            means those of the command.

    Returns:
        `(config, workdir, arguments)`, as for `main` of `run`.

    Raises:
        ConfigError: One line for each problem. It names the flag and the
            choices.
    """
    words, rest = override_words.split(argv)
    _given.clear()
    _given.update(override_words.names(words))
    names = names or _own_flags()
    try:
        arguments = _FLAGS(rest)[1:]
    except absl_flags.UnrecognizedFlagError as error:
        raise ConfigError(
            f"`--{error.flagname}` is not a flag. "
            f"{overrides.suggest(error.flagname, names)}"
        ) from None
    except absl_flags.Error as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{reason}. See --help.") from None
    for name, schemes in _SCHEMES.items():
        if _FLAGS[name].value:
            _FLAGS[name].value = local_path.checked(
                _FLAGS[name].value,
                f"--{name}",
                schemes,
                is_written=name == "workdir",
            )
    for name, setting in _LIKE.items():
        if rule := settings.broken_rule(_field(setting), _FLAGS[name].value):
            raise ConfigError(
                f"`--{name}` must be {rule}. Received: {_FLAGS[name].value!r}."
            )
    if arguments and not takes_files:
        raise ConfigError(
            f"`{arguments[0]}` is not a flag, and this command takes only "
            f"flags. {overrides.suggest(arguments[0], names)}"
        )
    file, workdir = _FLAGS.config, _FLAGS.workdir
    if "workdir" in needs and not workdir:
        raise ConfigError(
            "`--workdir` must name the directory of the run. Received: "
            "nothing. Example: --workdir=/tmp/mnist"
        )
    if "config" in needs and not file:
        raise ConfigError(
            "`--config` must name an experiment. Received: nothing. "
            f"Choices: {', '.join(files.shipped())}, or a file of yours."
        )
    if not file and workdir:
        file = str(pathlib.Path(workdir) / "config.json")
        if not pathlib.Path(file).is_file():
            raise ConfigError(
                "`--workdir` must be the directory of a run, with its "
                f"config.json. Received: {workdir!r}."
            )
    if not file:
        if words:
            raise ConfigError(
                f"`{words[0]}` needs `--config=FILE` as well, an experiment on "
                "the same kind of data, or the `--workdir=DIR` of a run. "
                f"Choices of FILE: {', '.join(files.shipped())}, or a file of "
                "yours."
            )
        return None, workdir, arguments
    config = override_words.apply(files.load(file), words)
    experiment.validate(config)
    return config, workdir, arguments


def _field(setting):
    """Returns the field of a setting that all experiments have."""
    leaves = tree.leaves(experiment.ExperimentConfig())
    return next(field for name, field, _ in leaves if name == setting)


def _own_flags():
    """Returns the names of this command's flags, without absl's own flags."""
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
        if name in _LIKE:
            choices = settings.choice_words(_field(_LIKE[name]))
            lines.append(f"      One of: {choices}.")
    file = _config_in(sys.argv)
    config = files.load(file) if file else experiment.ExperimentConfig()
    # `--` is between the flags of two commands.
    words, _ = override_words.split([w for w in sys.argv if w != "--"])
    # The objective decides which settings there are.
    config = override_words.apply(
        config, [w for w in words if tree.OBJECTIVE in w]
    )
    lines += [
        "",
        f"Settings of {file}. Each is a flag, shown with its value:"
        if file
        else "Settings. Each is a flag, shown with its default. These are the "
        "settings for images; --config=FILE --help shows those of FILE:",
    ]
    for name, field, value in tree.leaves(config):
        if isinstance(value, tuple):
            value = ",".join(map(str, value))
        lines.append(f"  --{name}={value}\n      {field.metadata['doc']}")
        if choices := settings.choice_words(field):
            start = "Names from" if field.type is not str else "One of"
            lines.append(f"      {start}: {choices}.")
        if name == "config.trainer.best_metric":
            words = objective_lib.make(config.task).metric_words()
            lines.append(f"      One of: {words}.")
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
