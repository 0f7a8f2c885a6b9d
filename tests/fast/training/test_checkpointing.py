"""Checkpoints on disk: when they appear, and which of them is taken."""

import hashlib
import json
import pickle
import shutil
import threading
import zipfile

import numpy as np
import pytest

from trainers.config import experiment
from trainers.config import tree
from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.run.workdir import Workdir
from trainers.runtime import atomic
from trainers.runtime import libraries
from trainers.training import checkpointing
from trainers.training import state
from trainers.training.checkpointing import Checkpoint
from trainers.training.checkpointing import Position

IDENTITY = {
    "config": tree.to_tree(experiment.ExperimentConfig()),
    "data": {"train": {"examples": 3, "sha256": "0"}},
    "classes": ["a", "b"],
    "assets": {},
    "replicas": 1,
}


@pytest.fixture
def paths(tmp_path):
    return Workdir(tmp_path / "run")


def make_checkpoint(step=4, value=1.5, **changes):
    fields = {
        "step": step,
        "position": Position(step // 4, step % 4),
        "arrays": {
            "model/000/a": np.full((2, 3), value, np.float32),
            "optimizer/000/iteration": np.array(step),
            "metrics/000/loss@0": np.float32(0.1),
            "model/001/none": np.zeros((0, 2), np.float32),
        },
        "callbacks": {"History": [{"epoch": 1}], "Best": {"best": -np.inf}},
        "metrics": {"loss": 0.25},
    }
    return Checkpoint(**(fields | changes))


def write(paths, *steps, keep=10, identity=IDENTITY):
    with checkpointing.Writer(paths, identity, keep) as writer:
        for step in steps:
            writer.save(make_checkpoint(step))
        writer.wait()


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def threads():
    return [t.name for t in threading.enumerate() if "checkpoints" in t.name]


# Writer.


def test_what_was_saved_is_restored(paths):
    saved = make_checkpoint(6, position=Position(1, 2, stopped=True))
    with checkpointing.Writer(paths, IDENTITY, 2) as writer:
        writer.save(saved)
        writer.wait()
        assert names(paths.checkpoints.directory) == ["step-00000006"]
    (path,) = paths.checkpoints.directory.iterdir()
    assert names(path) == ["arrays.npz", "manifest.json", "run.json"]
    restored = checkpointing.restore_latest(paths, IDENTITY)
    assert list(restored.arrays) == list(saved.arrays)
    for name, array in restored.arrays.items():
        expected = saved.arrays[name]
        assert array.dtype == expected.dtype and array.shape == expected.shape
        assert array.tobytes() == expected.tobytes()
    for name in ("step", "position", "callbacks", "metrics"):
        assert getattr(restored, name) == getattr(saved, name)
    facts = atomic.verify(path)
    assert facts["run"] == json.loads(json.dumps(IDENTITY))
    assert facts["versions"] == libraries.installed()
    assert facts["step"] == 6


def test_nothing_is_restored_where_nothing_is(paths):
    assert checkpointing.restore_latest(paths, IDENTITY) is None
    paths.checkpoints.directory.mkdir(parents=True)
    (paths.checkpoints.directory / "step-00000004.tmp-1").mkdir()
    assert checkpointing.restore_latest(paths, IDENTITY) is None


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_newest_stay(keep, paths):
    write(paths, 0, 1, 2, 3, keep=keep)
    found = sorted(paths.checkpoints.paths())
    assert found == [0, 1, 2, 3][-keep:]
    assert checkpointing.restore_latest(paths, IDENTITY).step == 3


def test_a_step_that_is_there_is_replaced(paths):
    with checkpointing.Writer(paths, IDENTITY, 2) as writer:
        for value in (1.0, 2.0):
            writer.save(make_checkpoint(4, value))
        writer.wait()
    assert names(paths.checkpoints.directory) == ["step-00000004"]
    restored = checkpointing.restore_latest(paths, IDENTITY)
    assert restored.arrays["model/000/a"].tolist() == [[2.0] * 3] * 2


def test_a_process_that_died_while_it_replaced_a_checkpoint_loses_none(paths):
    write(paths, 4)
    (path,) = paths.checkpoints.paths().values()
    path.rename(path.with_name("step-00000004.replaced"))
    assert checkpointing.restore_latest(paths, IDENTITY).step == 4
    with checkpointing.Writer(paths, IDENTITY, 1):
        assert names(paths.checkpoints.directory) == ["step-00000004"]
    path.rename(path.with_name("step-00000004.replaced"))
    write(paths, 4)
    assert names(paths.checkpoints.directory) == ["step-00000004"]
    assert checkpointing.restore_latest(paths, IDENTITY).step == 4


def test_the_best_weights_are_on_disk_before_the_checkpoint_that_names_them(
    paths, monkeypatch
):
    order = []
    publish = atomic.publish

    def record(path, final, *args, **kwargs):
        publish(path, final, *args, **kwargs)
        order.append(f"{final.parent.name}/{final.name}")

    monkeypatch.setattr(atomic, "publish", record)
    with checkpointing.Writer(paths, IDENTITY, 2) as writer:
        for step in (4, 8):
            arrays = {"a": np.zeros(1_000_000, np.float32)}
            writer.save_best(arrays, step=step, facts={})
            writer.save(make_checkpoint(step))
        writer.wait()
    assert order == [
        f"{directory}/step-0000000{step}"
        for step in (4, 8)
        for directory in ("best", "checkpoints")
    ]
    assert list(paths.best.steps.paths()) == [8]
    with checkpointing.Writer(paths, IDENTITY, 2, best_step=8) as writer:
        writer.save_best({"a": np.zeros(3)}, step=12, facts={})
        writer.wait()
        # Until a checkpoint knows of the new one.
        assert list(paths.best.steps.paths()) == [12, 8]
    with checkpointing.Writer(paths, IDENTITY, 2, best_step=8) as writer:
        writer.save(make_checkpoint(16))
        writer.wait()
    assert list(paths.best.steps.paths()) == [8]
    assert checkpointing.restore_latest(paths, IDENTITY).best_step == 8


@pytest.mark.parametrize("damage", ["gone", "flipped"])
def test_lost_best_weights_are_reported_before_training(damage, paths):
    with checkpointing.Writer(paths, IDENTITY, 2) as writer:
        writer.save_best({"a": np.zeros(3)}, step=4, facts={})
        writer.save(make_checkpoint(4))
        writer.wait()
    (path,) = paths.best.steps.paths().values()
    if damage == "gone":
        shutil.rmtree(path)
        problem = (
            f"{path}: no readable manifest: [Errno 2] No such file or "
            f"directory: '{path}/manifest.json'"
        )
    else:
        corrupt(paths.best.steps.paths()[4], "weights.npz", flip)
        problem = f"{path}/weights.npz: missing or damaged."
    with pytest.raises(RunError) as error:
        checkpointing.restore_latest(paths, IDENTITY)
    assert str(error.value) == (
        f"the best weights so far, of step 4, are missing or damaged: "
        f"{problem} Restore them from a backup, or choose another --workdir."
    )


def test_an_error_in_the_background_is_raised_at_the_next_call(paths):
    bad = make_checkpoint(8)
    bad.arrays["optimizer/001/m"] = np.array([1.0, np.nan], np.float32)
    with checkpointing.Writer(paths, IDENTITY, 2) as writer:
        writer.save(make_checkpoint(4))
        writer.raise_errors()
        writer.save(bad)
        with pytest.raises(RunError) as error:
            writer.save(make_checkpoint(9))
        # It is raised once, and the writer still works.
        writer.raise_errors()
        writer.wait()
        assert sorted(paths.checkpoints.paths()) == [4]
    assert str(error.value) == (
        "`m` has a value that is NaN or infinite at step 8; the "
        "checkpoint before was kept. Nothing was exported. Lower "
        "--config.optimizer.learning_rate, in a new --workdir."
    )
    assert checkpointing.restore_latest(paths, IDENTITY).step == 4


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("call", ["wait", "raise_errors", "save"])
def test_what_is_not_finite_is_refused_and_the_older_stays(value, call, paths):
    write(paths, 4)
    with checkpointing.Writer(paths, IDENTITY, 1) as writer:
        writer.save(make_checkpoint(8, value))
        if call == "raise_errors":
            # Without waiting: nothing to raise while it is under way.
            writer._thread.submit(lambda: None).result()
        arguments = [make_checkpoint(12)] if call == "save" else []
        with pytest.raises(RunError, match="^`a` has a value that"):
            getattr(writer, call)(*arguments)
    assert sorted(paths.checkpoints.paths()) == [4]
    assert names(paths.checkpoints.directory) == ["step-00000004"]


def test_the_thread_ends_with_the_writer(paths):
    before = threads()
    with checkpointing.Writer(paths, IDENTITY, 2) as writer:
        writer.save(make_checkpoint())
        assert len(threads()) == len(before) + 1
    assert threads() == before
    assert sorted(paths.checkpoints.paths()) == [4]


def test_the_thread_ends_with_an_error_too(paths):
    before = threads()
    with pytest.raises(ZeroDivisionError):
        with checkpointing.Writer(paths, IDENTITY, 2) as writer:
            writer.save(make_checkpoint())
            raise ZeroDivisionError
    assert threads() == before
    # What was under way is whole, or not there.
    for row in paths.checkpoints.verified():
        assert row.problem is None


def test_a_full_disk_is_an_error_and_the_older_stays(paths, monkeypatch):
    write(paths, 4)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with checkpointing.Writer(paths, IDENTITY, 1) as writer:
        writer.save(make_checkpoint(8))
        with pytest.raises(OSError, match="No space left on device"):
            writer.wait()
    assert names(paths.checkpoints.directory) == ["step-00000004"]


# restore_latest.


def corrupt(path, name, change_fn):
    """Changes a file of a checkpoint and leaves its manifest as it was."""
    data = bytearray((path / name).read_bytes())
    change_fn(data)
    (path / name).write_bytes(data)


def flip(data):
    data[len(data) // 2] ^= 1


def cut(data):
    del data[-1:]


def empty(data):
    data.clear()


@pytest.mark.parametrize("change_fn", [flip, cut, empty])
@pytest.mark.parametrize("name", ["arrays.npz", "run.json"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    name, change_fn, paths, caplog
):
    write(paths, 4, 5)
    path = paths.checkpoints.paths()[5]
    corrupt(path, name, change_fn)
    assert checkpointing.restore_latest(paths, IDENTITY).step == 4
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert caplog.messages == [
        "checkpoint step-00000005 is damaged and not used: "
        f"{path / name}: missing or damaged."
    ]


@pytest.mark.parametrize("name", ["arrays.npz", "run.json", "manifest.json"])
def test_a_checkpoint_without_a_file_is_not_used(name, paths, caplog):
    write(paths, 4, 5)
    (paths.checkpoints.paths()[5] / name).unlink()
    assert checkpointing.restore_latest(paths, IDENTITY).step == 4
    (message,) = caplog.messages
    assert message.startswith(
        "checkpoint step-00000005 is damaged and not used: "
    )


@pytest.mark.parametrize("steps", [(4,), (4, 5, 8)])
def test_no_run_restarts_if_all_checkpoints_are_damaged(steps, paths, caplog):
    write(paths, *steps)
    for path in paths.checkpoints.paths().values():
        corrupt(path, "arrays.npz", flip)
    with pytest.raises(RunError) as error:
        checkpointing.restore_latest(paths, IDENTITY)
    assert str(error.value) == (
        f"none of the {len(steps)} checkpoints in "
        f"{paths.checkpoints.directory} is whole, and the command never "
        "restarts a run by itself. Restore one from a backup, or choose "
        "another --workdir."
    )
    assert len(caplog.messages) == len(steps)
    assert sorted(paths.checkpoints.paths()) == list(steps)


def rewrite(path, **files):
    """Publishes a checkpoint again with other files and a valid manifest.

    Args:
        path: Its directory.
        **files: Bytes by name with `_` for the dot, or `manifest`, a function
            that changes the facts.
    """
    change_facts = files.pop("manifest", lambda facts: None)
    facts, _ = atomic.read_manifest(path)
    (path / "manifest.json").unlink()
    for name, data in files.items():
        (path / name.replace("_", ".")).write_bytes(data)
    change_facts(facts)
    atomic.publish(path, path, facts)
    atomic.verify(path)


def run_json(**changes):
    run = {"position": {"epoch": 1, "batch": 0, "stopped": False}}
    return json.dumps(run | {"callbacks": {}} | changes).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"1",
        b'{"position": {"epoch": 1}}',
        b'{"callbacks": {}}',
        run_json(position=None),
        run_json(position=[1, 2]),
        run_json(position={"epoch": 1, "bunch": 2}),
        b"[" * 100_000,
    ],
    ids=[
        "empty",
        "cut",
        "no_text",
        "list",
        "null",
        "number",
        "no_callbacks",
        "no_position",
        "position_null",
        "position_list",
        "position_of_other_keys",
        "deep",
    ],
)
def test_a_run_file_that_cannot_be_read_is_damaged(data, paths, caplog):
    write(paths, 4, 5)
    rewrite(paths.checkpoints.paths()[5], run_json=data)
    assert checkpointing.restore_latest(paths, IDENTITY).step == 4
    (message,) = caplog.messages
    assert message.startswith(
        "checkpoint step-00000005 is damaged and not used: "
    )


def without(name):
    return lambda facts: facts.pop(name)


@pytest.mark.parametrize(
    "change",
    [without(n) for n in ("schema", "run", "step", "metrics", "versions")]
    + [lambda facts: facts.update(run={}), lambda facts: facts.update(run=1)],
    ids=["schema", "run", "step", "metrics", "versions", "empty_run", "number"],
)
def test_a_manifest_that_lacks_facts_is_damaged(change, paths, caplog):
    write(paths, 4, 5)
    rewrite(paths.checkpoints.paths()[5], manifest=change)
    assert checkpointing.restore_latest(paths, IDENTITY).step == 4
    (message,) = caplog.messages
    assert message.startswith(
        "checkpoint step-00000005 is damaged and not used: "
    )


def test_another_schema_is_not_read(paths, caplog):
    write(paths, 4, 5)
    rewrite(
        paths.checkpoints.paths()[5],
        manifest=lambda facts: facts.update(schema=2),
    )
    assert checkpointing.restore_latest(paths, IDENTITY).step == 4
    assert caplog.messages == [
        "checkpoint step-00000005 is damaged and not used: its schema is 2, "
        "this version reads 1."
    ]


def test_a_checkpoint_of_another_run_is_refused(paths):
    write(paths, 4, 5)
    other = IDENTITY | {"classes": ["a", "c"], "replicas": 2}
    with pytest.raises(ConfigError) as error:
        checkpointing.restore_latest(paths, other)
    assert str(error.value) == (
        f"`--workdir` '{paths.path}' contains a run that differs, and a run "
        "can only resume unchanged. Undo the differences, or choose another "
        "--workdir:\nthe classes were a, b. Received: a, c.\n"
        "the run was on 1 replicas. Received: 2. Give it as many: GPUs with "
        "CUDA_VISIBLE_DEVICES, workers with --num_workers or TF_CONFIG."
    )


def test_other_versions_are_warned_of(paths, caplog):
    write(paths, 4)
    versions = libraries.installed()
    rewrite(
        paths.checkpoints.paths()[4],
        manifest=lambda facts: facts.update(
            versions=versions | {"keras": "3.0.0", "numpy": "1.0"}
        ),
    )
    assert checkpointing.restore_latest(paths, IDENTITY).step == 4
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert caplog.messages == [
        "the checkpoint was written with keras 3.0.0, now "
        f"{versions['keras']}; numpy 1.0, now {versions['numpy']}: the last "
        "bits of the result may differ from those of an uninterrupted run."
    ]


def test_the_same_versions_are_not_warned_of(paths, caplog):
    write(paths, 4)
    checkpointing.restore_latest(paths, IDENTITY)
    assert caplog.messages == []


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, file):
        self._file = str(file)

    def __reduce__(self):
        return (open, (self._file, "w"))


def test_a_pickle_in_the_arrays_is_refused_and_not_run(paths, caplog, tmp_path):
    write(paths, 4, 5, 6)
    sign = tmp_path / "was-here"
    five, six = (paths.checkpoints.paths()[step] for step in (5, 6))
    np.savez(tmp_path / "bomb.npz", a=np.array([Bomb(sign)], dtype=object))
    rewrite(five, arrays_npz=(tmp_path / "bomb.npz").read_bytes())
    rewrite(six, arrays_npz=pickle.dumps(Bomb(sign)))
    assert checkpointing.restore_latest(paths, IDENTITY).step == 4
    assert not sign.exists()
    assert len(caplog.messages) == 2
    for message, step in zip(caplog.messages, (6, 5), strict=True):
        assert message.startswith(
            f"checkpoint step-0000000{step} is damaged and not used: "
        )
        assert "not an archive of arrays" in message
    # It would have run: the test can see it.
    with np.load(tmp_path / "bomb.npz", allow_pickle=True) as archive:
        archive["a"][0].close()
    assert sign.exists()


def npy(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    return (tmp_path / "a.npy").read_bytes()


def encrypted(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.zeros(3))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def deflated_junk(tmp_path):
    with zipfile.ZipFile(
        tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED
    ) as archive:
        archive.writestr("a.npy", npy(tmp_path) * 10)
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[40:60] = b"\xff" * 20
    return bytes(data)


def no_array(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00\x04\x00{]}\n")
    return (tmp_path / "a.npz").read_bytes()


@pytest.mark.parametrize(
    "make_data",
    [npy, encrypted, deflated_junk, no_array],
    ids=lambda f: f.__name__,
)
def test_arrays_that_are_no_archive_are_damaged(
    make_data, paths, caplog, tmp_path
):
    write(paths, 4, 5)
    rewrite(paths.checkpoints.paths()[5], arrays_npz=make_data(tmp_path))
    assert checkpointing.restore_latest(paths, IDENTITY).step == 4
    assert len(caplog.messages) == 1


def test_names_with_dots_leave_the_directory_alone(paths, tmp_path):
    write(paths, 4)
    path = paths.checkpoints.paths()[4]
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for name in ("../x.npy", "/x.npy", "../../../../x.npy"):
            archive.writestr(name, npy(tmp_path))
    before = sorted(tmp_path.rglob("*"))
    rewrite(path, arrays_npz=(tmp_path / "x.npz").read_bytes())
    restored = checkpointing.restore_latest(paths, IDENTITY)
    assert sorted(restored.arrays) == ["../../../../x", "../x", "/x"]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_manifest_with_dots_reads_no_file_elsewhere(paths, caplog, tmp_path):
    write(paths, 4, 5)
    path = paths.checkpoints.paths()[5]
    manifest = json.loads((path / "manifest.json").read_text())
    files = manifest["files"]
    files["../step-00000004/run.json"] = files["run.json"]
    # An attacker can compute the hash again.
    del manifest["sha256_of_the_rest"]
    text = json.dumps(manifest, sort_keys=True).encode()
    manifest["sha256_of_the_rest"] = hashlib.sha256(text).hexdigest()
    (path / "manifest.json").write_text(json.dumps(manifest))
    assert checkpointing.restore_latest(paths, IDENTITY).step == 4
    assert caplog.messages[0].endswith("missing or damaged.")


def test_a_damaged_newest_checkpoint_does_not_push_out_later_ones(paths):
    """A run resumes from step 4 and saves step 5 while 8 is damaged."""
    write(paths, 4, 8)
    corrupt(paths.checkpoints.paths()[8], "arrays.npz", flip)
    assert checkpointing.restore_latest(paths, IDENTITY).step == 4
    checkpointing.set_aside_newer(paths, 4)
    write(paths, 5, keep=1)
    assert checkpointing.restore_latest(paths, IDENTITY).step == 5


def test_a_lost_checkpoint_may_have_taken_older_best_weights_along(paths):
    """Its epoch is repeated, also in a later process."""
    with checkpointing.Writer(paths, IDENTITY, 2) as writer:
        for step in (4, 8):
            writer.save_best({"a": np.zeros(3)}, step=step, facts={})
            writer.save(make_checkpoint(step))
        writer.wait()
    assert list(paths.best.steps.paths()) == [8]
    corrupt(paths.checkpoints.paths()[8], "arrays.npz", flip)
    for _ in range(2):
        assert checkpointing.restore_latest(paths, IDENTITY).step == 4
        checkpointing.set_aside_newer(paths, 4)
    assert list(paths.checkpoints.paths()) == [4]


def test_the_state_of_callbacks_is_json(paths):
    write(paths, 4)
    text = (paths.checkpoints.paths()[4] / "run.json").read_text()
    assert json.loads(text)["callbacks"]["Best"]["best"] == -np.inf
    assert state.not_finite(make_checkpoint().arrays) is None
