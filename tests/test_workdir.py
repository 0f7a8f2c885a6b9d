"""The contract of a work directory."""

import json
import os
import pathlib
import re

import pytest

from trainers import config as config_lib
from trainers.errors import ConfigError
from trainers.workdir import Workdir


def problem_of(path):
    with pytest.raises(ConfigError) as error:
        Workdir(path).check_new()
    return str(error.value)


def test_everything_has_its_place(tmp_path):
    paths = Workdir(str(tmp_path))
    config = config_lib.ExperimentConfig()
    config.export.name = "digits"
    assert paths.path == tmp_path
    assert paths.tensorboard == tmp_path / "tensorboard"
    assert paths.export_dir(config) == tmp_path / "export" / "digits"


def test_a_new_directory_is_made_with_its_parents(tmp_path):
    path = tmp_path / "a" / "b"
    Workdir(path).check_new()
    assert list(path.iterdir()) == []
    Workdir(path).check_new()


def test_files_of_others_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    Workdir(tmp_path).check_new()
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_a_finished_run_is_refused(tmp_path):
    paths = Workdir(tmp_path)
    paths.create(config_lib.ExperimentConfig(), ["a", "b"])
    assert problem_of(tmp_path) == (
        f"`--workdir` must not hold a run. Received: {str(tmp_path)!r}, "
        "which does. Choose another name, or delete it."
    )


def test_a_file_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    assert problem_of(file) == (
        "`--workdir` must be a directory that can be written to. "
        f"Received: {str(file)!r}: File exists."
    )
    assert problem_of(file / "run") == (
        "`--workdir` must be a directory that can be written to. "
        f"Received: {str(file / 'run')!r}: Not a directory."
    )


@pytest.mark.skipif(
    not pathlib.Path("/proc/self").is_dir(), reason="there is no /proc"
)
def test_a_directory_that_takes_no_files_is_refused():
    """In /proc nobody can make files, root neither."""
    for path in ("/proc/self", "/proc/run"):
        # Root and others get different reasons.
        assert re.fullmatch(
            "`--workdir` must be a directory that can be written to. Received: "
            f"'{path}': (No such file or directory|Permission denied).",
            problem_of(path),
        )


def test_a_name_that_is_too_long_is_refused(tmp_path):
    path = tmp_path / ("a" * 300)
    assert problem_of(path) == (
        "`--workdir` must be a directory that can be written to. "
        f"Received: {str(path)!r}: File name too long."
    )


def test_a_run_is_created_with_its_config_and_labels(tmp_path):
    config = config_lib.ExperimentConfig()
    config.seed = 7
    paths = Workdir(tmp_path)
    paths.create(config, ["猫", "dog"])
    assert sorted(os.listdir(tmp_path)) == ["config.json", "labels.json"]
    text = (tmp_path / "config.json").read_text()
    assert config_lib.from_json(text) == config
    assert json.loads((tmp_path / "labels.json").read_text()) == ["猫", "dog"]
    assert paths.read_labels() == ["猫", "dog"]


def test_metrics_are_replaced(tmp_path):
    paths = Workdir(tmp_path)
    paths.write_metrics({"test": {"accuracy": 0.5}})
    paths.write_metrics({"test": {"accuracy": 0.1 + 0.2}})
    text = (tmp_path / "metrics.json").read_text()
    assert json.loads(text) == {"test": {"accuracy": 0.1 + 0.2}}
    assert text.endswith("}\n")
    assert os.listdir(tmp_path) == ["metrics.json"]


def test_labels_of_no_run_are_refused(tmp_path):
    with pytest.raises(ConfigError) as error:
        Workdir(tmp_path).read_labels()
    assert str(error.value) == (
        "`--workdir` must be the directory of a finished run. Received: "
        f"{str(tmp_path)!r}: labels.json: No such file or directory."
    )


def test_damaged_labels_are_refused(tmp_path):
    (tmp_path / "labels.json").write_text('["a", ')
    with pytest.raises(ConfigError) as error:
        Workdir(tmp_path).read_labels()
    assert str(error.value) == (
        "`--workdir` must be the directory of a finished run. Received: "
        f"{str(tmp_path)!r}: labels.json: Expecting value: line 1 column 7 "
        "(char 6)."
    )
