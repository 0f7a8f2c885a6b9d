"""The contract of a work directory."""

import json
import os
import pathlib
import re
import socket

import pytest
import single_labels
from refusals import lock_refusal

from trainers.config import experiment
from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.run import failed_starts
from trainers.run.workdir import Workdir


def make_config(resume="auto", **changes):
    config = experiment.ExperimentConfig()
    config.trainer.resume = resume
    for name, value in changes.items():
        setattr(config, name, value)
    return config


def make_run(path, *, checkpoints=(), others=()):
    """Leaves what a run left that got so far."""
    paths = Workdir(path)
    paths.path.mkdir(exist_ok=True)
    paths.create(make_config(), ["a", "b"])
    for step in checkpoints:
        paths.checkpoints.publish(step, lambda path: None, {})
    for name in others:
        if name == "best":
            paths.best.save({}, step=1, facts={})
        else:
            (path / name).write_text("{}")
    return paths


def problem_of(path, config=None, kind=ConfigError):
    with pytest.raises(kind) as error:
        Workdir(path).check(config or make_config())
    return str(error.value)


def test_everything_has_its_place(tmp_path):
    paths = Workdir(str(tmp_path))
    config = experiment.ExperimentConfig()
    config.export.name = "digits"
    assert paths.path == tmp_path
    assert paths.tensorboard == tmp_path / "tensorboard"
    assert paths.export_dir(config) == tmp_path / "export" / "digits"


def test_a_new_directory_is_made_with_its_parents(tmp_path):
    path = tmp_path / "a" / "b"
    assert Workdir(path).check(make_config()) is False
    assert list(path.iterdir()) == []
    assert Workdir(path).check(make_config("never")) is False


def test_files_of_others_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    assert Workdir(tmp_path).check(make_config()) is False
    with Workdir(tmp_path).lock():
        pass
    assert sorted(os.listdir(tmp_path)) == ["lock", "notes.txt"]
    assert (tmp_path / "notes.txt").read_text() == "mine"


def never(path):
    return (
        "`--workdir` must not contain a run with "
        "--config.trainer.resume=never. Received: "
        f"{str(path)!r}, which does. Choose another name, delete "
        "it, or resume the run with --config.trainer.resume=auto."
    )


def must(path):
    return (
        "`--workdir` must contain a run with a checkpoint for "
        "--config.trainer.resume=must. Received: "
        f"{str(path)!r}, which does not."
    )


def lost(name):
    return lambda path: (
        f"{path} contains a run with {name}, but without its checkpoints, and "
        "would start again from step 0. Choose another --workdir, or delete "
        "this one."
    )


@pytest.mark.parametrize(
    "left, answers",
    [
        (None, {"auto": False, "must": must, "never": False}),
        # A start that failed before its first step blocks nothing.
        ({}, {"auto": False, "must": must, "never": False}),
        (
            {"checkpoints": [0]},
            {"auto": False, "must": False, "never": False},
        ),
        (
            {
                "checkpoints": [0, 16],
                "others": ["best", "metrics.json", "history.json"],
            },
            {"auto": True, "must": True, "never": never},
        ),
        (
            {"others": ["metrics.json"]},
            {"auto": lost("metrics.json"), "must": must, "never": never},
        ),
        (
            {"others": ["best"]},
            {"auto": lost("best"), "must": must, "never": never},
        ),
        # Killed between the best weights and the checkpoint of an epoch.
        (
            {"checkpoints": [0], "others": ["best"]},
            {"auto": True, "must": True, "never": never},
        ),
        (
            {"others": ["history.json", "data_report.json", "lock"]},
            {"auto": False, "must": must, "never": False},
        ),
    ],
    ids=[
        "nothing",
        "begun",
        "checkpoint",
        "finished",
        "only_metrics",
        "only_best",
        "best_before_checkpoint",
        "no_results",
    ],
)
@pytest.mark.parametrize("resume", ["auto", "must", "never"])
def test_a_run_is_resumed_or_refused(left, answers, resume, tmp_path):
    path = tmp_path / "run"
    if left is not None:
        make_run(path, **left)
        before = sorted(path.rglob("*"))
    answer = answers[resume]
    if callable(answer):
        kind = ConfigError if answer in (must, never) else RunError
        problem = problem_of(path, make_config(resume), kind)
        assert problem == answer(path)
    else:
        assert Workdir(path).check(make_config(resume)) is answer
    if left is not None:
        assert sorted(path.rglob("*")) == before


@pytest.mark.parametrize("resume", ["auto", "never"])
@pytest.mark.parametrize("content", ['{"model_type": "bert"}', "[]", ""])
def test_a_configuration_of_another_program_is_not_replaced(
    content, resume, tmp_path
):
    """Such as in the directory of a pretrained encoder."""
    (tmp_path / "config.json").write_text(content)
    assert problem_of(tmp_path, make_config(resume)) == (
        "`--workdir` must be a new directory, or that of a run. Received: "
        f"{str(tmp_path)!r}, with a config.json that no run has written. "
        "Choose another name."
    )
    assert os.listdir(tmp_path) == ["config.json"]


def test_a_failed_start_of_code_that_is_gone_is_replaced(tmp_path):
    paths = make_run(tmp_path)
    tree = json.loads((tmp_path / "config.json").read_text())
    tree["model"]["kind"] = "gone:Model"
    (tmp_path / "config.json").write_text(json.dumps(tree))
    assert paths.check(make_config()) is False


@pytest.mark.parametrize("best, is_begun", [([16, 8], False), ([24, 8], True)])
def test_best_weights_of_an_extension_count_after_its_start(
    best, is_begun, tmp_path
):
    """It begins with those of the run that it extends."""
    paths = make_run(tmp_path)
    facts = {"run": {"extends": {"step": 16, "epoch": 2}}}
    paths.checkpoints.publish(16, lambda path: None, facts)
    for step in best:
        paths.best.save({}, step=step, facts={})
    assert paths.check(make_config()) is is_begun
    assert failed_starts.is_extension_start(paths) is not is_begun


def test_half_a_checkpoint_is_none(tmp_path):
    paths = make_run(tmp_path, checkpoints=[3])
    name = paths.checkpoints.directory / "step-00000003"
    name.rename(name.with_name(f"{name.name}.tmp-7"))
    assert paths.check(make_config()) is False
    assert problem_of(tmp_path, make_config("must")) == must(tmp_path)


@pytest.mark.parametrize("steps", [[16], [16, 0]], ids=str)
def test_another_setting_is_refused(steps, tmp_path):
    make_run(tmp_path, checkpoints=steps)
    config = make_config(seed=7)
    config.model.hidden_dims = (8,)
    config.trainer.save_every_steps = 5
    assert problem_of(tmp_path, config).splitlines() == [
        f"`--workdir` {str(tmp_path)!r} contains a run that differs, and a "
        "run can only resume unchanged. Undo the differences, or choose "
        "another --workdir:",
        "`--config.seed` was 42. Received: 7.",
        "`--config.model.hidden_dims` was (64, 64). Received: (8,).",
    ]


@pytest.mark.parametrize("steps", [[], [0]], ids=["begun", "step_0"])
def test_another_setting_replaces_a_failed_start(steps, tmp_path):
    paths = make_run(tmp_path, checkpoints=steps, others=["history.json"])
    (tmp_path / "tracking").mkdir()
    (tmp_path / "tracking" / "mlflow.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("mine")
    config = make_config(seed=7)
    assert paths.check(config) is False
    assert paths.with_saved_choices(config) == config
    failed_starts.clear(paths, config)
    left = {"config.json", "labels.json", "notes.txt"}
    left |= {"checkpoints"} if steps else set()
    assert set(os.listdir(tmp_path)) == left
    assert paths.checkpoints.paths() == {}


def test_the_same_start_keeps_what_its_trackers_began(tmp_path):
    paths = make_run(tmp_path)
    (tmp_path / "tracking").mkdir()
    config = make_config("never")
    config.trainer.keep_checkpoints = 7
    failed_starts.clear(paths, config)
    assert (tmp_path / "tracking").is_dir()


def test_a_failed_start_with_resume_must_is_compared(tmp_path):
    make_run(tmp_path, checkpoints=[0])
    problem = problem_of(tmp_path, make_config("must", seed=7))
    assert problem.splitlines()[1:] == ["`--config.seed` was 42. Received: 7."]


def test_a_path_begins_at_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Workdir("~/run").path == tmp_path / "run"


def test_an_address_is_no_path():
    with pytest.raises(ConfigError) as error:
        Workdir("gs://bucket/run")
    assert str(error.value) == (
        "`--workdir` must be a path on this machine: mount the bucket, "
        "`gcsfuse BUCKET DIR`, and name DIR; safer is a folder on a disk, "
        "which you copy there at the end. Received: 'gs://bucket/run'."
    )


def test_what_no_result_depends_on_may_be_another(tmp_path):
    paths = make_run(tmp_path, checkpoints=[16])
    config = make_config("must")
    config.trainer.save_every_steps = 5
    config.trainer.save_every_seconds = 0.0
    config.trainer.keep_checkpoints = 9
    assert paths.check(config) is True


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "Expecting value: line 1 column 1 (char 0)"),
        (b'{"seed": 1', "Expecting ',' delimiter: line 1 column 11 (char 10)"),
        (
            b'{"seed": "\xff"}',
            "'utf-8' codec can't decode byte 0xff in position 10: invalid "
            "start byte",
        ),
        (
            b"[" * 100_000,
            "maximum recursion depth exceeded while decoding a JSON array "
            "from a unicode string",
        ),
        (None, "Is a directory"),
    ],
    ids=["empty", "cut", "binary", "deep", "directory"],
)
def test_a_damaged_configuration_is_named(content, reason, tmp_path):
    make_run(tmp_path, checkpoints=[16])
    file = tmp_path / "config.json"
    file.unlink()
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    assert problem_of(tmp_path) == (
        "`--workdir` must be the directory of a finished run. Received: "
        f"{str(tmp_path)!r}: config.json: {reason}."
    )


@pytest.mark.parametrize(
    "text, message",
    [
        ("[]", "`config` must be an object. Received: []."),
        ("null", "`config` must be an object. Received: None."),
        ('{"data": 3}', "`config.data` must be an object. Received: 3."),
        (
            '{"sead": 1}',
            "`config.sead` is not a setting of this version. Choices: seed, "
            "data, task, model, optimizer, trainer, export.",
        ),
    ],
)
def test_a_configuration_of_another_form_is_named(text, message, tmp_path):
    make_run(tmp_path, checkpoints=[16])
    (tmp_path / "config.json").write_text(text)
    assert problem_of(tmp_path) == (
        "`--workdir` must be the directory of a finished run. Received: "
        f"{str(tmp_path)!r}: config.json: {message}"
    )


@pytest.mark.parametrize(
    "name",
    ["with space", "a*b[c]?", "-rf", "äö猫", "a'b\"c", "a\nb", "x.tmp-1"],
)
def test_any_name_of_a_directory_will_do(name, tmp_path):
    path = tmp_path / name
    paths = make_run(path, checkpoints=[1])
    assert paths.check(make_config()) is True
    (path / "config.json.tmp-1").write_text("")
    with paths.lock():
        assert not (path / "config.json.tmp-1").exists()
    assert (path / "config.json").exists()


def test_a_link_to_a_directory_is_one(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    paths = make_run(tmp_path / "link", checkpoints=[1])
    assert paths.check(make_config()) is True
    assert (tmp_path / "real" / "config.json").exists()
    (tmp_path / "nowhere").symlink_to("gone")
    assert problem_of(tmp_path / "nowhere") == (
        "`--workdir` must be a directory that can be written to. "
        f"Received: {str(tmp_path / 'nowhere')!r}: File exists."
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
    """No user can create files in /proc, not even root."""
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
    config = experiment.ExperimentConfig()
    config.seed = 7
    paths = Workdir(tmp_path)
    paths.create(config, ["猫", "dog"])
    assert sorted(os.listdir(tmp_path)) == ["config.json", "labels.json"]
    text = (tmp_path / "config.json").read_text()
    assert experiment.from_json(text) == config
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


@pytest.mark.parametrize(
    "text", ['["a", "a"]', "3", "{}", "null", '["a", 1]'], ids=str
)
def test_labels_that_are_no_state_of_the_objective_are_refused(text, tmp_path):
    paths = make_run(tmp_path)
    objective = single_labels.unfitted()
    assert paths.restored(objective).names == ["a", "b"]
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(ConfigError) as error:
        paths.restored(objective)
    assert str(error.value) == (
        "`--workdir` must be the directory of a finished run. Received: "
        f"{str(tmp_path)!r}: labels.json: not a list of distinct names."
    )


def test_the_state_of_an_objective_is_not_always_a_list(tmp_path):
    state = {"mean": 0.1 + 0.2, "names": None}
    paths = Workdir(tmp_path)
    paths.create(experiment.ExperimentConfig(), state)
    assert paths.read_labels() == state


def test_history_is_replaced(tmp_path):
    paths = Workdir(tmp_path)
    paths.write_history([{"epoch": 1, "loss": 0.5}])
    paths.write_history([])
    assert (tmp_path / "history.json").read_text() == "[]\n"
    assert os.listdir(tmp_path) == ["history.json"]


def test_the_lock_is_free_after_an_error(tmp_path):
    for _ in range(3):
        with pytest.raises(KeyError):
            with Workdir(tmp_path).lock():
                raise KeyError
    with Workdir(tmp_path).lock():
        assert lock_refusal(tmp_path).endswith(
            f"held by process {os.getpid()} on {socket.gethostname()}."
        )


def test_directories_have_locks_of_their_own(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
    with Workdir(tmp_path / "a").lock(), Workdir(tmp_path / "b").lock():
        pass


def test_half_written_files_of_a_killed_process_are_removed(tmp_path):
    paths = make_run(tmp_path)
    for name in ("config.json", "metrics.json"):
        (tmp_path / f"{name}.tmp-123").write_text("{")
    (tmp_path / "mine.tmp-1").mkdir()
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "mine.tmp-1").write_text("")
    with paths.lock():
        assert sorted(os.listdir(tmp_path)) == [
            "config.json",
            "deeper",
            "labels.json",
            "lock",
            "mine.tmp-1",
        ]
    assert (tmp_path / "deeper" / "mine.tmp-1").exists()


def test_files_of_others_are_not_taken_for_half_written_ones(tmp_path):
    for name in ("notes.tmp-old.txt", "a.tmp-", "b.tmp-1x"):
        (tmp_path / name).write_text("mine")
    with Workdir(tmp_path).lock():
        pass
    assert sorted(os.listdir(tmp_path)) == [
        "a.tmp-",
        "b.tmp-1x",
        "lock",
        "notes.tmp-old.txt",
    ]
