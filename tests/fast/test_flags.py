"""Flags give a configuration, or lines that say what is wrong."""

import pwd
import random
import re
import runpy
import sys

import command_flags
import own_kinds
import pytest
from absl import flags as absl_flags
from absl.testing import flagsaver
from repository import ROOT

from tfmodels import settings
from trainers import flags
from trainers.config import experiment
from trainers.config import files as files_lib
from trainers.config import kinds
from trainers.config import tree
from trainers.errors import ConfigError
from trainers.objectives.single_label import SingleLabelConfig

OBJECTIVES = ", ".join(kinds.KINDS["task"])
CHOICES = ", ".join(files_lib.shipped())


CONFIG = "--config=configs/mnist_mlp.py"
TEXTS = "--config=configs/bert_classifier.py"


LEAVES = {
    name: field for name, field, _ in tree.leaves(experiment.ExperimentConfig())
}


GET_CONFIG = """
from trainers import config as c

def get_config(variant=""):
    config = c.ExperimentConfig()
    config.data.path = variant or "digits"
    {}
    return config
"""


def parse(*words, **kwargs):
    # absl's flags belong to the process: they get their values back.
    with flagsaver.flagsaver():
        return flags.parse(["train.py", *words], **kwargs)


def parse_config(*words):
    config, _, _ = parse(CONFIG, "--workdir=run", *words)
    return config


def problem_of(*words, **kwargs):
    with pytest.raises(ConfigError) as error:
        parse(*words, **kwargs)
    return str(error.value)


def values_of(config):
    return {name: value for name, _, value in tree.leaves(config)}


def another_value(name):
    """Returns a valid value that the setting does not have, and its text."""
    if name == "config.trainer.best_metric":
        return "accuracy", "accuracy"
    field = LEAVES[name]
    default = values_of(files_lib.load("configs/mnist_mlp.py"))[name]
    if field.type == tuple[str, ...]:
        return ("csv", "my.module:Name"), "csv, my.module:Name"
    if "choices" in field.metadata["rule"]:
        choices = field.metadata["rule"]["choices"]
        value = choices[choices.index(default) - 1]
        return value, value
    if field.type is int:
        return default + 3, str(default + 3)
    return {
        float: (0.125, "0.125"),
        bool: (not default, str(not default)),
        str: ("other", "other"),
        tuple[int, ...]: ((12, 34), "12,34"),
    }[field.type]


@pytest.mark.parametrize("name", [n for n in LEAVES if n != tree.OBJECTIVE])
def test_every_setting_has_a_flag_that_changes_it_alone(name):
    value, text = another_value(name)
    expected = values_of(files_lib.load("configs/mnist_mlp.py"))
    assert expected[name] != value
    expected[name] = value
    for words in ([f"--{name}={text}"], [f"--{name}", text]):
        values = values_of(parse_config(*words))
        assert values == expected
        assert type(values[name]) is type(value)


@pytest.mark.parametrize(
    "words, value",
    [
        (["--config.data.quoting"], True),
        (["--config.data.quoting=true"], True),
        (["--config.data.quoting=1"], True),
        (["--config.data.quoting", "true"], True),
        (["--config.data.quoting", "--config.seed=1"], True),
        (["--config.data.quoting=false"], False),
        (["--config.data.quoting", "False"], False),
        (["--config.data.quoting=0"], False),
        (["--noconfig.data.quoting"], False),
        (["--noconfig.data.quoting", "--config.seed=1"], False),
        (
            ["--config.data.quoting", "--noconfig.data.quoting"],
            False,
        ),
        (
            ["--noconfig.data.quoting", "--config.data.quoting"],
            True,
        ),
    ],
)
def test_a_boolean_is_set_as_shells_have_it(words, value):
    config, _, _ = parse(TEXTS, "--workdir=run", *words)
    assert config.data.quoting is value


@pytest.mark.parametrize(
    "word, message",
    [
        (
            "--config.data.quoting=maybe",
            "`--config.data.quoting` must be true or false. Received: 'maybe'.",
        ),
        (
            "--noconfig.data.quoting=true",
            "`--noconfig.data.quoting` is for settings that are true or false, "
            "and takes no value. Received: '--noconfig.data.quoting=true'. "
            "Choices: --config.data.quoting=VALUE.",
        ),
    ],
)
def test_another_word_is_no_boolean(word, message):
    assert problem_of(TEXTS, "--workdir=run", word) == message


@pytest.mark.parametrize(
    "text, value",
    [
        ("5", (5,)),
        ("5,", (5,)),
        ("5,6", (5, 6)),
        ("5, 6", (5, 6)),
        ("(5, 6)", (5, 6)),
        ("[5,6]", (5, 6)),
        ("()", ()),
    ],
)
def test_a_tuple_is_written_with_or_without_parentheses(text, value):
    config = parse_config(f"--config.model.hidden_dims={text}")
    assert config.model.hidden_dims == value


@pytest.mark.parametrize(
    "word, name, value",
    [
        ("--config.data.path=a=b", "config.data.path", "a=b"),
        ("--config.data.path='a b'", "config.data.path", "'a b'"),
        ("--config.data.path=None", "config.data.path", "None"),
        ("--config.data.test=", "config.data.test", ""),
        ("--config.optimizer.learning_rate=3e-4", None, 3e-4),
        ("--config.optimizer.learning_rate=1", None, 1.0),
        ("-config.seed=4", "config.seed", 4),
    ],
)
def test_a_value_follows_the_first_equals_sign(word, name, value):
    name = name or "config.optimizer.learning_rate"
    assert values_of(parse_config(word))[name] == value


def test_the_last_of_several_flags_for_a_setting_wins():
    config = parse_config(
        "--config.seed=1",
        "--config.model.hidden_dims=1,2",
        "--config.optimizer.name=sgd",
        "--config.seed",
        "2",
        "--config.optimizer.name=adamw",
        "--config.model.hidden_dims=3",
    )
    assert config.seed == 2
    assert config.model.hidden_dims == (3,)
    assert config.optimizer.name == "adamw"


OWN_OBJECTIVE = "own_kinds:OwnObjectiveConfig"


def test_the_objective_decides_which_flags_there_are():
    for words in (
        [f"--config.task.objective={OWN_OBJECTIVE}", "--config.task.margin=2"],
        ["--config.task.margin=2", "--config.task.objective", OWN_OBJECTIVE],
    ):
        config = parse_config(*words)
        # Its own default for a setting that both have.
        assert config.task == own_kinds.OwnObjectiveConfig(margin=2.0)
    assert problem_of(
        CONFIG,
        "--workdir=run",
        f"--config.task.objective={OWN_OBJECTIVE}",
        "--config.task.class_weights=balanced",
    ) == (
        "`--config.task.class_weights` is not a setting. Choices: "
        "--config.task.objective, --config.task.label_smoothing, "
        "--config.task.margin."
    )


def test_the_last_of_several_objectives_wins():
    config = parse_config(
        f"--config.task.objective={OWN_OBJECTIVE}",
        "--config.task.objective=single_label",
        "--config.task.focal_gamma=2",
    )
    assert config.task == SingleLabelConfig(focal_gamma=2.0)


def test_an_objective_of_a_file_can_be_replaced(tmp_path, caplog):
    file = tmp_path / "mine.py"
    change = "config.task.class_weights = 'balanced'"
    file.write_text(GET_CONFIG.format(change))
    words = [f"--config={file}", "--workdir=run"]
    config, _, _ = parse(*words, f"--config.task.objective={OWN_OBJECTIVE}")
    assert type(config.task) is own_kinds.OwnObjectiveConfig
    assert caplog.messages == [
        "`--config.task.class_weights` is no setting of the objective "
        f"{OWN_OBJECTIVE} and is dropped. Received: 'balanced'."
    ]


@pytest.mark.parametrize(
    "words, message",
    [
        (
            ["--config.task.objective=multi"],
            f"`--config.task.objective` must be one of {OBJECTIVES}, or "
            "MODULE:NAME of your own. Received: 'multi'.",
        ),
        (
            ["--config.task.objective="],
            f"`--config.task.objective` must be one of {OBJECTIVES}, or "
            "MODULE:NAME of your own. Received: ''.",
        ),
        (
            ["--config.task.objective=own_kinds:OtherConfig"],
            "`--config.task.objective` must be a dataclass derived from "
            "trainers.objectives.objective.ObjectiveConfig. Received: "
            "'own_kinds:OtherConfig'.",
        ),
        (
            ["--config.task.objective=no_such:Objective"],
            "`--config.task.objective` must be importable. Received: "
            "'no_such:Objective': ModuleNotFoundError: No module named "
            "'no_such'. Python imports from the current directory and from "
            "those in PYTHONPATH.",
        ),
        (
            ["--config.task.objective"],
            "`--config.task.objective` must be text. Received: nothing.",
        ),
        (
            ["--noconfig.task.objective"],
            "`--noconfig.task.objective` is for settings that are true or "
            "false, and takes no value. Received: "
            "'--noconfig.task.objective'. Choices: "
            "--config.task.objective=VALUE.",
        ),
    ],
)
def test_another_objective_is_refused(words, message):
    assert problem_of(CONFIG, "--workdir=run", *words) == message


@pytest.mark.parametrize("name", ["shift", "rotation", "zoom"])
def test_a_setting_that_moved_has_its_old_flag_as_well(name):
    config = parse_config(f"--config.task.random_{name}=0.25")
    assert config == parse_config(f"--config.data.random_{name}=0.25")
    assert getattr(config.data, f"random_{name}") == 0.25


def test_a_wrong_value_of_a_setting_that_moved_is_named_by_its_new_name():
    words = [CONFIG, "--workdir=run", "--config.task.random_zoom=2"]
    assert problem_of(*words) == (
        "`--config.data.random_zoom` must be at least 0 and below 1. "
        "Received: 2.0."
    )


def test_flags_can_be_in_any_order():
    config, workdir, files = parse(
        "--config.seed=5",
        "--workdir",
        "run",
        "--config",
        "configs/mnist_mlp.py",
    )
    assert (config.seed, workdir, files) == (5, "run", [])


def test_a_list_in_a_config_file_can_be_overridden(tmp_path):
    file = tmp_path / "listed.py"
    file.write_text(GET_CONFIG.format("config.model.hidden_dims = [8, 8]"))
    words = [f"--config={file}", "--workdir=run"]
    config, _, _ = parse(*words)
    assert config.model.hidden_dims == [8, 8]
    config, _, _ = parse(*words, "--config.model.hidden_dims=4")
    assert config.model.hidden_dims == (4,)


@pytest.mark.parametrize(
    "words, message",
    [
        (
            ["--config.seed=x"],
            "`--config.seed` must be a whole number. Received: 'x'.",
        ),
        (
            ["--config.seed=1.5"],
            "`--config.seed` must be a whole number. Received: '1.5'.",
        ),
        (
            ["--config.seed="],
            "`--config.seed` must be a whole number. Received: ''.",
        ),
        (
            ["--config.seed"],
            "`--config.seed` must be a whole number. Received: nothing.",
        ),
        (
            ["--config.data.path", "--config.seed=1"],
            "`--config.data.path` must be text. Received: nothing.",
        ),
        (
            ["--config.optimizer.learning_rate=a: b=c"],
            "`--config.optimizer.learning_rate` must be a number. "
            "Received: 'a: b=c'.",
        ),
        (
            ["--config.optimizer.learning_rate", "-1e-3"],
            "`--config.optimizer.learning_rate` must be above 0. "
            "Received: -0.001.",
        ),
        (
            ["--noconfig.seed"],
            "`--noconfig.seed` is for settings that are true or false, and "
            "takes no value. Received: '--noconfig.seed'. "
            "Choices: --config.seed=VALUE.",
        ),
        (
            ["--config.model.hidden_dims=64,a"],
            "`--config.model.hidden_dims` must be whole numbers, like 64,64. "
            "Received: '64,a'.",
        ),
        (
            ["--config.model.hidden_dims=64,1.5"],
            "`--config.model.hidden_dims` must be whole numbers, like 64,64. "
            "Received: '64,1.5'.",
        ),
        (
            ["--config.model.hidden_dims=64,-1"],
            "`--config.model.hidden_dims` must be at least 1. "
            "Received: (64, -1).",
        ),
        (
            ["--config.model.hidden_dims="],
            "`--config.model.hidden_dims` must be whole numbers, like 64,64. "
            "Received: ''.",
        ),
        (
            ["--config.optimizer.name=rmsprop"],
            "`--config.optimizer.name` must be one of sgd, momentum, adam, "
            "adamw. Received: 'rmsprop'.",
        ),
        (
            ["--config.model.image_shape=28"],
            "`--config.model.image_shape` must be height,width for grey or "
            "height,width,3 for colour images. Received: (28,).",
        ),
        (
            ["--config.optimizer.learning_rat=1"],
            "`--config.optimizer.learning_rat` is not a setting. "
            "Choices: --config.optimizer.learning_rate.",
        ),
        (
            ["--config.learning_rate=1"],
            "`--config.learning_rate` is not a setting. "
            "Choices: --config.optimizer.learning_rate.",
        ),
        (
            ["--config.optimiser.learning_rate=1"],
            "`--config.optimiser.learning_rate` is not a setting. "
            "Choices: --config.optimizer.learning_rate.",
        ),
        (
            ["--config.tsk.shift=1"],
            "`--config.tsk.shift` is not a setting. Choices: "
            "--config.task.objective, --config.task.label_smoothing, "
            "--config.task.class_weights, --config.task.focal_gamma.",
        ),
        (
            ["--config.zzz=1"],
            "`--config.zzz` is not a setting. See --help for all.",
        ),
        (
            ["--config.export=1"],
            "`--config.export` is not a setting. "
            "Choices: --config.export.name, --config.export.check, "
            "--config.export.allowed_batch_sizes, "
            "--config.export.max_entities.",
        ),
        (
            ["--worksdir=run"],
            "`--worksdir` is not a flag. Choices: --workdir.",
        ),
        (
            ["--frobnicate"],
            "`--frobnicate` is not a flag. Choices: --config, --workdir.",
        ),
        (
            ["wide"],
            "`wide` is not a flag, and this command takes only flags. "
            "Choices: --config, --workdir.",
        ),
        (
            ["--", "--config.seed=1"],
            "`--config.seed=1` is not a flag, and this command takes only "
            "flags. Choices: --config, --workdir.",
        ),
        (["--workdir"], "Missing value for flag --workdir. See --help."),
    ],
)
def test_a_wrong_flag_is_named_with_its_rule(words, message):
    assert problem_of(CONFIG, "--workdir=run", *words) == message


@pytest.mark.parametrize(
    "name",
    [
        "config.seed",
        "config.optimizer.learning_rate",
        "config.optimizer.name",
        "config.trainer.jit_compile",
        "config.model.hidden_dims",
        "config.export.name",
        "config.export.allowed_batch_sizes",
    ],
)
def test_any_text_gives_a_value_of_the_type_or_an_error_of_ours(name):
    rng = random.Random(name)
    letters = "019eE.,-+_()[]{}'\"\\ \n\tnafx=:;#%$*~é猫\ud800\x01"
    texts = ["(" * 3000, "[" * 100_000, "9" * 5000 + ",1", "1e400", "lambda: 1"]
    texts += ["".join(rng.choices(letters, k=k % 12)) for k in range(50)]
    taken = 0
    for text in texts:
        try:
            value = values_of(parse_config(f"--{name}={text}"))[name]
        except ConfigError as error:
            assert str(error).startswith(f"`--{name}` must be ")
        else:
            taken += 1
            assert settings.broken_rule(LEAVES[name], value) is None
    assert taken < len(texts)


def test_every_wrong_value_gets_a_line():
    assert problem_of(
        CONFIG, "--workdir=run", "--config.seed=-1", "--config.trainer.epochs=0"
    ).splitlines() == [
        "`--config.seed` must be at least 0 and below 2147483648. "
        "Received: -1.",
        "`--config.trainer.epochs` must be at least 1. Received: 0.",
    ]


@pytest.mark.parametrize(
    "words, message",
    [
        (
            [CONFIG],
            "`--workdir` must name the directory of the run. Received: "
            "nothing. Example: --workdir=/tmp/mnist",
        ),
        (
            [CONFIG, "--workdir="],
            "`--workdir` must name the directory of the run. Received: "
            "nothing. Example: --workdir=/tmp/mnist",
        ),
        (
            ["--workdir=run"],
            "`--config` must name an experiment. Received: nothing. "
            f"Choices: {CHOICES}, or a file of yours.",
        ),
        (
            ["--workdir=run", "--config=configs/mnist_cnn.py"],
            "`--config` must be an existing file. Received: "
            f"'configs/mnist_cnn.py'. Choices: {CHOICES}, or a file of yours.",
        ),
        (
            ["--workdir=run", "--config=/nowhere/configs/mnist_mlp.py"],
            "`--config` must be an existing file. Received: "
            f"'/nowhere/configs/mnist_mlp.py'. Choices: {CHOICES}, or a file "
            "of yours.",
        ),
        (
            ["--workdir=run", "--config=mnist_mlp"],
            "`--config` must be a .py file or a `config.json`. Received: "
            f"'mnist_mlp'. Choices: {CHOICES}.",
        ),
        (
            ["--workdir=run", "--config=config.json:wide"],
            "`--config` must be a .py file or a `config.json`. Received: "
            f"'config.json:wide'. Choices: {CHOICES}.",
        ),
    ],
)
def test_a_missing_flag_or_file_is_named(words, message):
    assert problem_of(*words) == message


@pytest.mark.parametrize("name", files_lib.shipped())
def test_an_unknown_variant_is_answered_with_the_known_ones(name):
    variants = runpy.run_path(str(ROOT / name))["VARIANTS"]
    choices = ", ".join(map(repr, variants))
    message = problem_of(f"--config={name}:deep", "--workdir=run")
    assert re.fullmatch(
        re.escape(
            f"`--config={name}:deep` cannot be loaded: ValueError: variant "
            f"must be one of {choices}. Received: 'deep'. "
        )
        + r"\(\w+\.py, line \d+\)",
        message,
    )


# What Python 3.13 adds to its own messages.
_HINT_313 = (
    {
        "lr": " and no __dict__ for setting new attributes",
        "sead": ". Did you mean 'seed'?",
    }
    if sys.version_info >= (3, 13)
    else {"lr": "", "sead": ""}
)


@pytest.mark.parametrize(
    "text, message",
    [
        ("x = (", "SyntaxError: '(' was never closed (mine.py, line 1)"),
        (
            "import no_such_module",
            "ModuleNotFoundError: No module named 'no_such_module' "
            "(mine.py, line 1)",
        ),
        (
            GET_CONFIG.format("1 / 0"),
            "ZeroDivisionError: division by zero (mine.py, line 7)",
        ),
        (
            GET_CONFIG.format("assert variant"),
            "AssertionError: (mine.py, line 7)",
        ),
        (
            GET_CONFIG.format("config.optimizer.lr = 0.1"),
            "AttributeError: 'OptimizerConfig' object has no attribute 'lr'"
            f"{_HINT_313['lr']} (mine.py, line 7)",
        ),
        (
            GET_CONFIG.format("c.ExperimentConfig(sead=1)"),
            "TypeError: ExperimentConfig.__init__() got an unexpected "
            f"keyword argument 'sead'{_HINT_313['sead']} (mine.py, line 7)",
        ),
        (
            "",
            "AttributeError: module 'experiment_config' has no attribute "
            "'get_config'",
        ),
        (
            "def get_config(variant): return {'seed': 1}",
            "`get_config` must return an `ExperimentConfig`. "
            "Received: {'seed': 1}.",
        ),
        (
            "def get_config(variant): pass",
            "`get_config` must return an `ExperimentConfig`. Received: None.",
        ),
        (
            GET_CONFIG.format("config.data = None"),
            "`config.data` must be of the class "
            f"{' or '.join(kinds.class_names('data'))}, or of a dataclass "
            "derived from DataConfig. "
            "Received: None.",
        ),
        (
            GET_CONFIG.format("config.seed = '1'"),
            "`config.seed` must be a whole number. Received: '1'.",
        ),
    ],
)
def test_a_config_file_that_fails_says_where(text, message, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(text)
    # An override must not hide what is wrong with the file.
    for words in ([], ["--config.seed=1"]):
        assert problem_of(f"--config={file}", "--workdir=run", *words) == (
            f"`--config={file}` cannot be loaded: {message}"
        )


def test_a_variant_goes_to_the_file(tmp_path):
    file = tmp_path / "a:b.py"
    file.write_text(GET_CONFIG.format("pass"))
    for variant, path in [("", "digits"), (":", "digits"), (":x:y", "x:y")]:
        config, _, _ = parse(f"--config={file}{variant}", "--workdir=run")
        assert config.data.path == path


def test_the_config_of_a_work_directory_is_taken_again(tmp_path):
    workdir = tmp_path / "run-12:30"
    workdir.mkdir()
    first = parse_config("--config.seed=9", "--config.model.hidden_dims=8")
    file = workdir / "config.json"
    file.write_text(experiment.to_json(first))
    again, _, _ = parse(f"--config={file}", "--workdir=other")
    assert again == first
    changed, _, _ = parse(
        f"--config={file}", "--workdir=other", "--config.seed=10"
    )
    assert changed.seed == 10


def test_a_command_finds_the_config_in_its_work_directory(tmp_path):
    first = parse_config("--config.seed=9")
    (tmp_path / "config.json").write_text(experiment.to_json(first))
    config, workdir, _ = parse(
        f"--workdir={tmp_path}", "--config.seed=8", needs=("workdir",)
    )
    assert (config.seed, workdir) == (8, str(tmp_path))
    (tmp_path / "config.json").unlink()
    assert problem_of(f"--workdir={tmp_path}", needs=("workdir",)) == (
        "`--workdir` must be the directory of a run, with its config.json. "
        f"Received: {str(tmp_path)!r}."
    )


def test_a_damaged_config_of_a_work_directory_is_named(tmp_path):
    file = tmp_path / "config.json"
    file.write_text('{"seed": 1')
    assert problem_of(f"--workdir={tmp_path}", needs=("workdir",)) == (
        f"`--config={file}` cannot be loaded: It is not JSON: Expecting ',' "
        "delimiter: line 1 column 11 (char 10)."
    )
    file.write_text('{"sead": 1}')
    assert problem_of(f"--workdir={tmp_path}", needs=("workdir",)) == (
        f"`--config={file}` cannot be loaded: `config.sead` is not a setting "
        "of this version. Choices: seed, data, task, model, optimizer, "
        "trainer, export."
    )


def test_a_command_without_needs_takes_files():
    assert parse("a.png", "b.png", needs=(), takes_files=True) == (
        None,
        None,
        ["a.png", "b.png"],
    )
    assert problem_of("--config.seed=1", needs=(), takes_files=True) == (
        "`--config.seed=1` needs `--config=FILE` as well, an experiment on the "
        "same kind of data, or the `--workdir=DIR` of a run. Choices of FILE: "
        f"{CHOICES}, or a file of yours."
    )


def test_a_home_is_found_in_every_path(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.py").write_text(GET_CONFIG.format(""))
    config, workdir, _ = parse("--config=~/mine.py:~/photos", "--workdir=~/a")
    assert workdir == f"{tmp_path}/a"
    assert config.data.path == f"{tmp_path}/photos"
    config, _, _ = parse(
        "--config=configs/bert_classifier.py:smoke",
        "--workdir=run",
        "--config.data.train=~/part-*.csv",
        "--config.data.test=~root/a.csv",
        "--config.data.cache_dir=~",
        "--config.model.encoder.vocabulary=~/v.txt",
    )
    assert config.data.train == f"{tmp_path}/part-*.csv"
    assert config.data.test == f"{pwd.getpwnam('root').pw_dir}/a.csv"
    assert config.data.cache_dir == str(tmp_path)
    assert config.model.encoder.vocabulary == f"{tmp_path}/v.txt"


@pytest.mark.parametrize(
    "command, names",
    [
        ("evaluate", ["split"]),
        ("predict", ["model_dir", "split"]),
        (
            "serve",
            [
                "model_base_path",
                "batching_config",
                "models_config",
                "monitoring_config",
                "token_file",
            ],
        ),
    ],
)
def test_a_home_is_found_in_the_paths_of_a_command(command, names, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    with command_flags.defined(command):
        words = [f"--{name}=~/{name}" for name in names]
        flags.parse([command, *words], needs=())
        values = [absl_flags.FLAGS[name].value for name in names]
    assert values == [f"/home/me/{name}" for name in names]


def test_a_home_is_found_in_files_to_predict(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    files = ["~/a.png", "b.png"]
    with command_flags.defined("predict") as module:
        flags.parse(["predict", "--model_dir=m"], needs=())
        module["check"](None, None, files)
    assert files == ["/home/me/a.png", "b.png"]


MOUNT = "a path on this machine: mount the bucket, `mount-s3 BUCKET DIR`, and "


@pytest.mark.parametrize(
    "name", ["config", "config.data.path", "config.data.data_dir"]
)
def test_an_address_is_refused(name):
    words = [CONFIG, "--workdir=run", f"--{name}=s3://b/x"]
    assert problem_of(*words) == (
        f"`--{name}` must be {MOUNT}name DIR. Received: 's3://b/x'."
    )
