"""Event files of runs that are interrupted: one point a step."""

import os
import shutil

import pytest
import tiny_runs
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.backend.event_processing import event_file_loader

ONCE = {
    "train": {"input", "graph"},
    "validation": {"_hparams_/session_start_info"},
}
CURVES = {
    "train": ("loss", "accuracy", "learning_rate"),
    "validation": ("loss", "accuracy", "macro_f1", "confusion_matrix"),
}


def files(directory):
    return sorted(directory.glob("*/events.out.tfevents.*"))


def read_all(workdir, run):
    """Returns every event of all files of `train` or `validation`.

    Returns:
        `(tag, step, bytes)` of each, tags of the graph being `graph`.
    """
    found = []
    for file in files(workdir / "tensorboard"):
        if file.parent.name != run:
            continue
        loader = event_file_loader.LegacyEventFileLoader(str(file))
        for event in loader.Load():
            if event.HasField("graph_def"):
                found.append(("graph", event.step, b""))
            for value in event.summary.value:
                found.append(
                    (value.tag, event.step, value.tensor.SerializeToString())
                )
    return found


def curves(workdir, run):
    """Returns the points of a run's curves except the curves of time."""
    return sorted(
        event
        for event in read_all(workdir, run)
        if event[0] in CURVES[run] or event[0] in ONCE[run]
    )


def live(workdir, **kwargs):
    return tiny_runs.live(
        tiny_runs.make_config(
            trainer__save_every_steps=3, trainer__keep_checkpoints=100
        ),
        workdir,
        trackers=True,
        **kwargs,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The work directory of an uninterrupted run. Read-only."""
    workdir = tmp_path_factory.mktemp("whole")
    live(workdir)
    return workdir


def assert_same_points(workdir, whole):
    for run in ("train", "validation"):
        tags = [tag for tag, _, _ in read_all(workdir, run)]
        for tag in ONCE[run]:
            assert tags.count(tag) == 1, tag
        assert curves(workdir, run) == curves(whole, run)
        for tag in CURVES[run]:
            steps = [s for t, s, _ in read_all(workdir, run) if t == tag]
            assert steps == [4, 8, 12], (run, tag)
    ends = [t for t, _, _ in read_all(workdir, "validation") if "end" in t]
    assert ends == ["_hparams_/session_end_info"]


def test_an_uninterrupted_run_has_one_point_a_step(whole):
    assert_same_points(whole, whole)
    assert len(files(whole / "tensorboard")) == 2


def test_a_run_stopped_many_times_has_one_point_a_step(whole, tmp_path):
    for stop_at in (4, 7):
        assert live(tmp_path, stop_at=stop_at).ended == "stopped"
    assert live(tmp_path).ended == "done"
    assert_same_points(tmp_path, whole)
    # TensorBoard itself sees no more.
    for run in ("train", "validation"):
        accumulator = event_accumulator.EventAccumulator(
            str(tmp_path / "tensorboard" / run), {"tensors": 0}
        )
        accumulator.Reload()
        steps = [event.step for event in accumulator.Tensors("loss")]
        assert steps == [4, 8, 12]


def test_a_run_killed_many_times_has_one_point_a_step(whole, tmp_path):
    # Always before the next checkpoint, which is at 3, 4, 6, 8, 9.
    for kill_at in (6, 6, 12):
        assert live(tmp_path, kill_at=kill_at).ended == "killed"
    assert live(tmp_path).ended == "done"
    assert_same_points(tmp_path, whole)


def test_a_run_stopped_in_a_validation_has_one_point_a_step(whole, tmp_path):
    life = live(tmp_path, request=tiny_runs.InValidation(4))
    assert life.ended == "stopped"
    live(tmp_path)
    assert_same_points(tmp_path, whole)


def test_what_was_written_after_the_checkpoint_is_cut_away(whole, tmp_path):
    """A process that wrote the points of an epoch, and not its checkpoint."""
    live(tmp_path, stop_at=3)
    saved = {p: p.read_bytes() for p in files(tmp_path / "tensorboard")}
    live(tmp_path, stop_at=5)
    for path in (tmp_path / "checkpoints").iterdir():
        if path.name not in ("step-00000000", "step-00000003"):
            path.rename(tmp_path / path.name)
    # Something half-written too.
    with files(tmp_path / "tensorboard")[-1].open("ab") as stream:
        stream.write(b"\x07half an event")
    life = live(tmp_path, stop_at=4)
    assert life.restored.batch == 3
    for path, data in saved.items():
        assert path.read_bytes() == data
    live(tmp_path)
    assert_same_points(tmp_path, whole)


def test_files_of_a_process_that_saved_nothing_are_removed(whole, tmp_path):
    live(tmp_path, kill_at=1)
    before = files(tmp_path / "tensorboard")
    assert len(before) == 2
    for path in (tmp_path / "checkpoints").iterdir():
        path.rename(tmp_path / path.name)
    live(tmp_path)
    assert not set(before) & set(files(tmp_path / "tensorboard"))
    assert_same_points(tmp_path, whole)


def test_a_finished_run_again_adds_no_point(whole, tmp_path):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    live(tmp_path)
    assert_same_points(tmp_path, whole)


def test_files_that_were_lost_or_are_shorter_end_nothing(tmp_path):
    live(tmp_path, stop_at=6)
    first, second = files(tmp_path / "tensorboard")
    notes = first.with_name("notes.txt")
    notes.write_text("mine")
    first.unlink()
    os.truncate(second, 10)
    assert live(tmp_path, stop_at=7).ended == "stopped"
    assert second.stat().st_size == 10
    # Files of others stay.
    assert notes.read_text() == "mine"
