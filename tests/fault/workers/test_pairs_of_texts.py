"""Two workers learn labels or numbers of pairs of texts, and are killed."""

import signal

import comparison
import fault_runs
import pytest
import worker_runs
import worker_texts

# In the second epoch of 15 steps, after the checkpoint at step 18.
_STEP = 20
# The best weights are there; what is decided for them is not.
_KILL_BEFORE_DECISIONS = """
import os, signal
from trainers.run.workdir import Workdir
Workdir.write_decisions = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
"""
_OBJECTIVES = {
    "multi_label": [
        "--config.task.positive_weights=balanced",
        "--config.trainer.best_metric=micro_f1",
    ],
    "regression": ["--config.trainer.best_metric=mae"],
}


def write_pairs(file, size):
    lines = ["text,text_pair,number,labels"]
    for number in range(size):
        words = "red sky over water " * (number % 5 + 1)
        other = "blue sea " * (number % 7)
        found = ["a", "a;b", "b;c", ""][number % 4]
        lines.append(f"{words}{number},{other},{(number % 11) / 4 - 1},{found}")
    file.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("objective", "column"),
    [
        ("multi_label", "labels"),
        pytest.param("regression", "number", marks=pytest.mark.torture),
    ],
)
def test_a_killed_run_of_two_workers_ends_with_the_same_bits(
    workers, tmp_path, objective, column
):
    for name, size in (("train", 60), ("validation", 21)):
        write_pairs(tmp_path / f"{name}.csv", size)
    words = [
        f"--config={worker_runs.ROOT}/configs/bert_pairs.py:smoke",
        *worker_texts.words(tmp_path)[1:],
        f"--config.task.objective={objective}",
        f"--config.data.label_column={column}",
        *_OBJECTIVES[objective],
        "--config.trainer.epochs=2",
    ]

    def run(name, *, chief="", other=""):
        ended = workers.run(
            [*words, f"--workdir={tmp_path / name}"],
            codes=[fault_runs.NO_EXPORT + code for code in (chief, other)],
            seconds=60,
        )
        return [worker.code for worker in ended]

    assert run("whole") == [0, 0]
    killed = worker_runs.at_step(_STEP, signal.SIGKILL)
    assert run("killed", other=killed) == [1, -signal.SIGKILL]
    assert fault_runs.whole_steps(tmp_path / "killed")[0] == 18
    if objective == "multi_label":
        codes = run("killed", chief=_KILL_BEFORE_DECISIONS)
        assert codes[0] == -signal.SIGKILL
        assert not (tmp_path / "killed/decisions.json").exists()
    assert run("killed") == [0, 0]
    comparison.check_same(tmp_path / "whole", tmp_path / "killed")
