"""5: checkpoints that are cut, flipped, empty, missing or something else."""

import json
import os
import random
import shutil

import fault_runs
import pytest

from trainers.errors import RunError
from trainers.run.workdir import Workdir
from trainers.training import checkpointing

FILES = ("arrays.npz", "run.json", "manifest.json")


def cut(name, tenths):
    def damage(path):
        data = (path / name).read_bytes()
        (path / name).write_bytes(data[: len(data) * tenths // 10])

    return damage


def flip(name, seed):
    def damage(path):
        data = bytearray((path / name).read_bytes())
        bit = random.Random(seed).randrange(len(data) * 8)
        data[bit // 8] ^= 1 << bit % 8
        (path / name).write_bytes(data)

    return damage


def missing(name):
    return lambda path: (path / name).unlink()


def empty_directory(path):
    shutil.rmtree(path)
    path.mkdir()


def a_file(path):
    shutil.rmtree(path)
    path.write_bytes(b"no directory")


def a_dead_link(path):
    shutil.rmtree(path)
    path.symlink_to("gone")


def as_directories(path):
    for name in FILES:
        (path / name).unlink()
        (path / name).mkdir()


DAMAGES = (
    {f"{n}_cut_{i}": cut(n, i) for n in FILES for i in range(10)}
    | {f"{n}_flip_{i}": flip(n, i) for n in FILES for i in range(12)}
    | {f"{n}_missing": missing(n) for n in FILES}
    | {
        "empty_directory": empty_directory,
        "a_file": a_file,
        "a_dead_link": a_dead_link,
        "as_directories": as_directories,
    }
)


@pytest.fixture
def workdir(halfway, tmp_path):
    """A copy with checkpoints 27, 24 and 20."""
    return shutil.copytree(halfway, tmp_path / "run")


def path_of(workdir, step):
    return workdir / "checkpoints" / f"step-{step:08d}"


def identity_in(workdir, step):
    text = (path_of(workdir, step) / "manifest.json").read_text()
    return json.loads(text)["run"]


@pytest.mark.parametrize("name", DAMAGES)
def test_a_run_resumes_from_the_checkpoint_before_a_damaged_one(
    name, workdir, caplog
):
    identity = identity_in(workdir, 24)
    DAMAGES[name](path_of(workdir, 27))
    rows = list(Workdir(workdir).checkpoints.verified())
    assert [row.step for row in rows if row.problem] == [27]
    checkpoint = checkpointing.restore_latest(Workdir(workdir), identity)
    assert checkpoint.step == 24
    (line,) = caplog.messages
    assert line.startswith("checkpoint step-00000027 is damaged and not used: ")
    checkpointing.set_aside_newer(Workdir(workdir), 24)
    # It is kept for inspection.
    assert fault_runs.steps(workdir) == [24, 20]
    path = path_of(workdir, 27)
    assert os.path.lexists(path.with_name(f"damaged-{path.name}"))


@pytest.mark.parametrize("name", ["arrays.npz_cut_5", "a_file"])
def test_the_run_ends_as_if_nothing_had_been_damaged(
    name, workdir, run_words, reference, caplog
):
    DAMAGES[name](path_of(workdir, 27))
    junk = workdir / "checkpoints" / "step-xyz"
    junk.mkdir()
    (workdir / "checkpoints" / "step-12").write_text("no step")
    with caplog.at_level("INFO", logger="trainers"):
        fault_runs.train([*run_words, "--config.trainer.keep_checkpoints=3"])
    assert any(
        line.startswith("checkpoint step-00000027 is damaged and not used: ")
        for line in caplog.messages
    )
    assert (
        "continuing from step 24 of 40: epoch 3 of 4, step 4 of 10"
        in caplog.messages
    )
    assert fault_runs.outcome(workdir) == reference
    assert junk.is_dir()


@pytest.mark.parametrize("name", ["a_file", "empty_directory"])
def test_a_damaged_one_gives_way_to_a_whole_one_of_its_step(
    name, workdir, run_words
):
    """The run stops at that very step, and no leftover is in the way."""
    DAMAGES[name](path_of(workdir, 27))
    fault_runs.stopped(run_words, 27)
    assert fault_runs.whole_steps(workdir)[0] == 27
    assert fault_runs.leftovers(workdir) == []


def test_the_command_warns_and_resumes(workdir, run_words, user_env, reference):
    DAMAGES["manifest.json_missing"](path_of(workdir, 27))
    path = path_of(workdir, 27)
    run = fault_runs.run(user_env, fault_runs.NO_EXPORT, run_words)
    assert run.returncode == 0, run.stderr
    assert run.stderr.splitlines()[:2] == [
        f"warning: checkpoint {path.name} is damaged and not used: {path}: no "
        f"readable manifest: [Errno 2] No such file or directory: "
        f"'{path}/manifest.json'",
        "continuing from step 24 of 40: epoch 3 of 4, step 4 of 10",
    ]
    assert fault_runs.outcome(workdir) == reference


def test_no_run_restarts_if_all_checkpoints_are_damaged(
    workdir, run_words, user_env
):
    for step in fault_runs.steps(workdir):
        flip("arrays.npz", step)(path_of(workdir, step))
    before = fault_runs.tree(workdir)
    run = fault_runs.run(user_env, "", run_words)
    assert (run.returncode, run.stdout) == (1, "")
    lines = run.stderr.splitlines()
    assert lines == [
        *(
            f"warning: checkpoint step-{n:08d} is damaged and not used: "
            f"{path_of(workdir, n)}/arrays.npz: missing or damaged."
            for n in (27, 24, 20)
        ),
        f"error: none of the 3 checkpoints in {workdir}/checkpoints is whole, "
        "and the command never restarts a run by itself. Restore one from a "
        "backup, or choose another --workdir.",
    ]
    assert fault_runs.tree(workdir) == before


@pytest.mark.parametrize(
    "name",
    ["arrays.npz_flip_3", "manifest.json_cut_3", "a_dead_link"],
)
def test_verify_ends_with_one(name, workdir, run_command):
    DAMAGES[name](path_of(workdir, 27))
    run = run_command(
        "trainers.checkpoints", f"--workdir={workdir}", "--verify"
    )
    assert run.returncode == 1
    assert run.stderr == f"error: damaged: {path_of(workdir, 27)}.\n"
    listed = run.stdout.splitlines()[1:5]
    assert " damaged" in listed[0]
    assert all(" whole " in line for line in listed[1:])


def test_verify_of_a_run_that_is_whole_ends_with_none(workdir, run_command):
    run = run_command(
        "trainers.checkpoints", f"--workdir={workdir}", "--verify"
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.count(" whole ") == 4


def test_verify_without_checkpoints_ends_with_one(workdir, run_command):
    shutil.rmtree(workdir / "checkpoints")
    run = run_command(
        "trainers.checkpoints", f"--workdir={workdir}", "--verify"
    )
    assert run.returncode == 1
    assert run.stderr == f"error: no checkpoints in {workdir}/checkpoints.\n"


def test_a_run_that_lost_its_checkpoints_does_not_restart(workdir, run_words):
    shutil.rmtree(workdir / "checkpoints")
    before = fault_runs.tree(workdir)
    with pytest.raises(RunError) as error:
        fault_runs.train(run_words)
    assert str(error.value) == (
        f"{workdir} contains a run with best, but without its checkpoints, and "
        "would start again from step 0. Choose another --workdir, or delete "
        "this one."
    )
    assert fault_runs.tree(workdir) == before


@pytest.mark.parametrize("keep", [1, 2])
def test_damaged_ones_do_not_take_the_place_of_whole_ones(
    keep, workdir, run_words, reference
):
    """They are of steps ahead of the new ones, which are to stay."""
    for step in (27, 24):
        DAMAGES["arrays.npz_cut_1"](path_of(workdir, step))
    all_words = [*run_words, f"--config.trainer.keep_checkpoints={keep}"]
    fault_runs.stopped(all_words, 22)
    assert fault_runs.whole_steps(workdir)[:keep] == [22, 20][:keep]
    fault_runs.train(run_words)
    assert fault_runs.outcome(workdir) == reference


def test_best_weights_that_are_damaged_are_not_exported(
    workdir, run_words, user_env
):
    """They are of an epoch before the checkpoint, and of no use without."""
    fault_runs.train(run_words)
    (best,) = Workdir(workdir).best.steps.paths().values()
    flip("weights.npz", 5)(best)
    with pytest.raises(RunError) as error:
        fault_runs.train(run_words)
    assert str(error.value) == (
        "the best weights so far, of step 20, are missing or damaged: "
        f"{best}/weights.npz: missing or damaged. Restore them from a backup, "
        "or choose another --workdir."
    )


@pytest.mark.torture
def test_no_byte_of_a_manifest_can_change_in_silence(workdir, tmp_path, caplog):
    """Nothing but its own sum can tell of a digit in the step, or a seed."""
    file = path_of(workdir, 27) / "manifest.json"
    identity, data = identity_in(workdir, 24), file.read_bytes()
    unnoticed = []
    damaged = file.parent.with_name(f"damaged-{file.parent.name}")
    for place in range(len(data)):
        if damaged.exists():
            damaged.rename(file.parent)
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        file.write_bytes(changed)
        try:
            found = checkpointing.restore_latest(Workdir(workdir), identity)
            if found.step != 24:
                unnoticed.append((place, data[place - 15 : place + 5]))
        except Exception as error:  # As if it were another run.
            unnoticed.append((place, type(error).__name__))
    assert unnoticed == []
