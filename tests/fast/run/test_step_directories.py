"""Directories that are named by a training step."""

import datetime
import hashlib
import json
import os
import re

import pytest

from trainers.run import step_directories
from trainers.run.step_directories import Row
from trainers.run.step_directories import StepDirectories
from trainers.runtime import atomic

HEADER = "checkpoint  written (UTC)  MB  state  last metrics"


def publish(steps, step, content=b"one", facts=None):
    steps.publish(
        step, lambda path: (path / "a.bin").write_bytes(content), facts or {}
    )
    return steps.directory / f"step-{step:08d}"


@pytest.fixture
def steps(tmp_path):
    return StepDirectories(tmp_path / "steps")


def test_what_is_not_there_yet_is_empty(steps):
    assert steps.paths() == {}
    assert list(steps.verified()) == []
    steps.remove_older(keep=1)
    assert not steps.directory.exists()


def write_manifest(path, facts):
    """Writes a manifest with its own sum; returns its size."""
    text = json.dumps(facts, sort_keys=True).encode()
    facts = facts | {"sha256_of_the_rest": hashlib.sha256(text).hexdigest()}
    return (path / "manifest.json").write_text(json.dumps(facts))


def test_one_that_was_being_replaced_counts_while_nothing_took_its_place(steps):
    path = publish(steps, 8)
    replaced = path.rename(path.with_name("step-00000008.replaced"))
    assert steps.paths() == {8: replaced}
    steps.tidy()
    assert steps.paths() == {8: path}
    replaced.mkdir()
    (steps.directory / "step-00000009.tmp-1").mkdir()
    assert steps.paths() == {8: path}
    steps.tidy()
    assert os.listdir(steps.directory) == ["step-00000008"]


def test_the_highest_step_comes_first(steps):
    numbers = [9, 100_000_001, 0, 10, 99_999_999]
    paths = {step: publish(steps, step) for step in numbers}
    assert list(steps.paths().items()) == [
        (step, paths[step]) for step in sorted(numbers, reverse=True)
    ]
    assert paths[100_000_001].name == "step-100000001"


def test_other_names_are_no_steps(steps):
    path = publish(steps, 7)
    for name in (
        "step-7",
        "step-0000007",
        "step-00000008.tmp-12",
        "step-00000008.old.tmp-12",
        "step-00000008 ",
        "xstep-00000008",
        "step--0000008",
        "step-0000000a",
        "Step-00000008",
        "step-00000008\n",
    ):
        (steps.directory / name).mkdir()
    (steps.directory / "notes.txt").write_text("mine")
    assert steps.paths() == {7: path}
    steps.remove_older(keep=0)
    assert steps.paths() == {}
    # But not what is of others.
    assert "notes.txt" in os.listdir(steps.directory)
    assert "step-7" in os.listdir(steps.directory)


def test_a_step_has_its_number_its_time_and_the_facts(steps):
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    path = publish(steps, 12, facts={"epoch": 3, "metrics": {"loss": 0.5}})
    after = datetime.datetime.now(datetime.UTC)
    facts = atomic.verify(path)
    time = facts.pop("time")
    assert facts == {"step": 12, "epoch": 3, "metrics": {"loss": 0.5}}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", time)
    assert before <= datetime.datetime.fromisoformat(time) <= after


def test_a_step_that_is_published_again_is_replaced(steps):
    publish(steps, 3, b"one", {"n": 1})
    path = publish(steps, 3, b"two", {"n": 2})
    assert os.listdir(steps.directory) == [path.name]
    assert sorted(os.listdir(path)) == ["a.bin", "manifest.json"]
    assert (path / "a.bin").read_bytes() == b"two"
    assert atomic.verify(path)["n"] == 2


def test_a_step_that_cannot_be_written_leaves_the_one_before(steps):
    path = publish(steps, 3, b"one", {"n": 1})

    def fail(directory):
        (directory / "a.bin").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        steps.publish(3, fail, {"n": 2})
    with pytest.raises(TypeError):
        publish(steps, 3, b"two", {"n": {1, 2}})
    assert os.listdir(steps.directory) == [path.name]
    assert (path / "a.bin").read_bytes() == b"one"
    assert atomic.verify(path)["n"] == 1


@pytest.mark.parametrize(
    "keep, left", [(0, []), (1, [30]), (2, [30, 20]), (9, [30, 20, 10])]
)
def test_the_newest_are_kept(keep, left, steps):
    for step in (20, 10, 30):
        publish(steps, step)
    steps.remove_older(keep=keep)
    assert list(steps.paths()) == left
    assert sorted(os.listdir(steps.directory)) == [
        f"step-{step:08d}" for step in sorted(left)
    ]


def test_rows_tell_what_is_whole_and_what_is_not(steps):
    paths = {step: publish(steps, step, bytes(5)) for step in range(1, 6)}
    (paths[1] / "a.bin").write_bytes(b"other")
    (paths[2] / "a.bin").unlink()
    (paths[3] / "manifest.json").unlink()
    size_of_4 = write_manifest(paths[4], {"files": {}, "step": 4})
    rows = list(steps.verified())
    assert [(row.step, row.path) for row in rows] == [
        (step, paths[step]) for step in (5, 4, 3, 2, 1)
    ]
    # The facts of the manifest are known even if a file is damaged.
    assert [row.facts.get("step") for row in rows] == [5, 4, None, 2, 1]
    size = (paths[5] / "manifest.json").stat().st_size
    assert [row.size for row in rows] == [
        5 + size,
        5 + size_of_4,
        5,
        size,
        5 + size,
    ]
    assert [row.problem for row in rows] == [
        None,
        None,
        f"{paths[3]}: no readable manifest: [Errno 2] No such file or "
        f"directory: '{paths[3]}/manifest.json'",
        f"{paths[2]}/a.bin: missing or damaged.",
        f"{paths[1]}/a.bin: missing or damaged.",
    ]


@pytest.mark.parametrize("kind", ["file", "empty", "link", "dead_link"])
def test_a_step_that_is_no_directory_of_ours_is_damaged(kind, steps, tmp_path):
    steps.directory.mkdir()
    path = steps.directory / "step-00000001"
    if kind == "file":
        path.write_text("x")
    elif kind == "empty":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere")
        if kind == "link":
            (tmp_path / "elsewhere").mkdir()
    (row,) = steps.verified()
    assert (row.step, row.facts, row.size) == (1, {}, 0)
    assert row.problem.startswith(f"{path}: no readable manifest: ")


def table(rows, root):
    return list(step_directories.table(rows, root))


def test_a_table_without_rows_is_its_header(tmp_path):
    assert table([], tmp_path) == [HEADER]


def test_a_table_has_a_line_a_step_and_one_a_problem(tmp_path):
    rows = [
        Row(
            2500,
            tmp_path / "checkpoints" / "step-00002500",
            {
                "time": "2026-01-02T03:04:05+00:00",
                "metrics": {
                    "epoch": 2,
                    "loss": 0.25,
                    "accuracy": 0.5,
                    "val_loss": float("nan"),
                    "val_macro_f1": 1 / 3,
                },
            },
            1_234_567,
            None,
        ),
        Row(
            100,
            tmp_path / "checkpoints" / "step-00000100",
            {"time": "2026-01-02T03:04:00+00:00", "metrics": {}},
            49_999,
            "a.npz: missing or damaged.",
        ),
        Row(
            90,
            tmp_path / "best" / "step-00000090",
            {},
            123_456_789_012,
            "b: no readable manifest: gone",
        ),
        Row(
            80,
            tmp_path / "best" / "step-00000080",
            {"metrics": {"x": 1, "y": 2, "z": 3, "more": 4}},
            0,
            None,
        ),
    ]
    assert table(rows, tmp_path) == [
        "checkpoint                 written (UTC)        MB        state    "
        "last metrics",
        "checkpoints/step-00002500  2026-01-02T03:04:05  1.2       whole    "
        "loss 0.2500 val_loss nan val_macro_f1 0.3333",
        "checkpoints/step-00000100  2026-01-02T03:04:00  0.0       damaged",
        "best/step-00000090         ?                    123456.8  damaged",
        "best/step-00000080         ?                    0.0       whole    "
        "x 1.0000 y 2.0000 z 3.0000",
        "damaged: a.npz: missing or damaged.",
        "damaged: b: no readable manifest: gone",
    ]


@pytest.mark.parametrize(
    "metrics, shown",
    [
        (("error", "loss", "val_error", "val_loss"), "loss val_loss val_error"),
        (
            ("loss", "lr", "val_a", "val_b", "val_c", "val_loss"),
            "loss val_loss val_a val_b",
        ),
        (
            ("loss", "val_a", "val_macro_f1", "val_accuracy"),
            "loss val_macro_f1 val_accuracy",
        ),
        (("val_a",), "val_a"),
        (("loss", "a"), "loss"),
    ],
)
def test_the_metrics_of_any_objective_are_shown(metrics, shown, tmp_path):
    facts = {"metrics": dict.fromkeys(metrics, 0.5)}
    _, line = table([Row(1, tmp_path / "x", facts, 0, None)], tmp_path)
    assert line.partition("whole  ")[2].split()[::2] == shown.split()


@pytest.mark.parametrize(
    "manifest",
    [
        {"metrics": None},
        {"metrics": {}, "time": None},
        {"time": 3},
    ],
    ids=repr,
)
def test_a_manifest_without_numbers_has_a_line_too(manifest, steps):
    path = publish(steps, 1)
    write_manifest(path, {"files": {}} | manifest)
    lines = table(steps.verified(), steps.directory)
    time = str(manifest.get("time", "?"))
    assert lines[1].split() == ["step-00000001", time, "0.0", "whole"]
