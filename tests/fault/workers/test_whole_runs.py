"""16, 17, 18: undisturbed workers equal one worker, and a second run."""

import shutil

import comparison
import numpy as np
import pytest
import worker_runs

from trainers.run.workdir import Workdir


def best_weights(workdir):
    """Returns the arrays of the best weights by name."""
    [path] = Workdir(workdir).best.steps.paths().values()
    with np.load(path / "weights.npz") as archive:
        return {name: archive[name] for name in archive.files}


def last_weights(workdir):
    """Returns the arrays of weights at the end of the run, by name."""
    path = next(iter(Workdir(workdir).checkpoints.paths().values()))
    with np.load(path / "arrays.npz") as archive:
        return {n: archive[n] for n in archive.files if n.startswith("model/")}


def check_close(expected, found):
    """Compares two results of `numbers`; `None` is equal to itself."""
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        if value is None:  # Such as the ROC-AUC of a class that is not there.
            assert found[name] is None, name
        else:
            assert found[name] == pytest.approx(value, rel=0, abs=1e-6), name


@pytest.mark.parametrize(
    ("sizes", "steps", "of_two"),
    [
        ((83, 21, 20), 44, ()),
        ((3, 1, 1), 4, ()),
        ((11, 1, 1), 8, ("--config.trainer.jit_compile=always",)),
    ],
    ids=["uneven_last_batch", "fewer_rows_than_workers", "compiled"],
)
def test_two_workers_compute_what_one_process_computes(
    sizes, steps, of_two, workers, tmp_path
):
    """One of the two has rows that fill up, or no others."""
    file = tmp_path / "data.npz"
    worker_runs.write_data(file, sizes=sizes)
    # Adam would make much of a gradient that is almost 0.
    more = (
        "--config.model.dropout=0",
        "--config.model.l2=0.01",
        "--config.optimizer.name=momentum",
        "--config.optimizer.learning_rate=0.1",
        "--config.optimizer.global_clipnorm=0.2",
    )
    one, two = tmp_path / "one", tmp_path / "two"
    code = worker_runs.fault_runs.NO_EXPORT
    ended = [
        workers.run_alone(worker_runs.words(file, one, *more), code=code),
        *workers.run(
            worker_runs.words(file, two, *more, *of_two), codes=(code, code)
        ),
    ]
    assert [process.code for process in ended] == [0] * 3, ended
    assert worker_runs.fault_runs.steps(two)[0] == steps
    for get in (best_weights, last_weights):
        expected, found = get(one), get(two)
        assert list(expected) == list(found)
        assert [x.dtype for x in found.values()] == [np.float32] * len(found)
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-6)
    if steps == 44:
        # Without the limit of the gradients, the weights are others.
        free = worker_runs.words(
            file,
            tmp_path / "free",
            *more,
            "--config.optimizer.global_clipnorm=0",
        )
        worker_runs.fault_runs.train(free)
        unclipped, found = last_weights(tmp_path / "free"), last_weights(two)
        assert max(abs(unclipped[n] - found[n]).max() for n in found) > 1e-3
    for name in ("history.json", "metrics.json"):
        check_close(
            worker_runs.numbers(one, name), worker_runs.numbers(two, name)
        )
    keys = worker_runs.numbers(two)
    assert {"/0/loss", "/0/accuracy", "/3/val_loss"} <= set(keys)


# The other has its result of the first wait before this worker ends.
LEAVES_FIRST = """
import os, time
from trainers.distribution.workers import Workers

def leave(self):
    self.wait()
    while not os.path.exists(flag):
        time.sleep(0.01)
    os._exit(0)

Workers.leave = leave
"""
LEAVES_LAST = """
from trainers.distribution.workers import Workers

leave, wait = Workers.leave, Workers.wait

def wait_and_tell(self):
    wait(self)
    open(flag, "w").close()

def leave_and_tell(self):
    Workers.wait = wait_and_tell
    leave(self)

Workers.leave = leave_and_tell
"""


def test_a_worker_that_leaves_first_fails_no_other_and_a_run_is_extended(
    whole, workers, data_file, tmp_path
):
    """The second wait of the other worker fails, which means nothing.

    Of the two runs, one extends a finished run by an epoch, and one has this
    epoch from its start. There, an epoch is one call of the graph.
    """
    extend = f"--config.trainer.extend_from={whole[0]}"
    one_call = "--config.trainer.steps_per_execution=11"
    for first, more in enumerate([extend, one_call]):
        codes = [LEAVES_LAST, LEAVES_LAST]
        codes[first] = LEAVES_FIRST
        flag = f"flag = {str(tmp_path / f'flag{first}')!r}\n"
        words = worker_runs.words(
            data_file,
            tmp_path / f"run{first}",
            "--config.trainer.epochs=5",
            more,
        )
        code = worker_runs.fault_runs.NO_EXPORT
        codes = [code + leaves for leaves in codes]
        ended = workers.run(words, codes=[flag + code for code in codes])
        assert [worker.code for worker in ended] == [0, 0], ended
        assert len(ended[0].epochs) == (1 if more == extend else 5)
    extended, longer = (
        worker_runs.fault_runs.outcome(tmp_path / name)
        for name in ("run0", "run1")
    )
    assert extended == longer
    assert extended["step"] == 5 * worker_runs.STEPS_PER_EPOCH


def test_the_chief_alone_writes(whole):
    workdir, (chief, other) = whole
    assert other.operations == []
    assert "rename checkpoints/step-N.tmp" in chief.operations
    events = [file.name for file in workdir.glob("tensorboard/*/*")]
    assert len(events) == 2
    assert [name.split(".")[-3] for name in events] == [str(chief.pid)] * 2


def test_the_chief_alone_speaks(whole):
    workdir, (chief, other) = whole
    assert (other.stdout, other.lines) == ("", [])
    assert chief.stdout == f"{workdir}/export/mnist_mlp/1\n"
    assert [line.split(":")[0] for line in chief.epochs] == [
        f"epoch {epoch}/4" for epoch in (1, 2, 3, 4)
    ]


def test_a_finished_run_trains_nothing_when_it_is_started_again(
    whole, workers, data_file, tmp_path
):
    workdir = shutil.copytree(whole[0], tmp_path / "run")
    chief, other = workers.run(worker_runs.words(data_file, workdir))
    assert [chief.code, other.code] == [0, 0], [chief, other]
    assert chief.lines[0] == (
        "continuing from step 44 of 44: the end of training"
    )
    assert chief.epochs == []
    assert (other.stdout, other.lines) == ("", [])
    assert chief.stdout == f"{workdir}/export/mnist_mlp/1\n"
    # All weights, and all that is derived from them.
    comparison.check_same(whole[0], workdir)


def test_other_reads_do_not_count_as_writes(whole):
    """The log of operations does not stay empty because nothing is logged."""
    _, (chief, _) = whole
    kinds = {operation.split()[0] for operation in chief.operations}
    assert {"read", "write", "mkdir", "rename", "remove"} <= kinds
