"""Two workers learn numbers of pairs of texts, and are killed."""

import signal

import comparison
import fault_runs
import worker_runs
import worker_texts

# In the second epoch of 15 steps, after the checkpoint at step 18.
_STEP = 20


def write_pairs(file, size):
    lines = ["text,text_pair,label"]
    for number in range(size):
        words = "red sky over water " * (number % 5 + 1)
        other = "blue sea " * (number % 7)
        lines.append(f"{words}{number},{other},{(number % 11) / 4 - 1}")
    file.write_text("\n".join(lines) + "\n")


def test_a_killed_run_of_two_workers_ends_with_the_same_bits(workers, tmp_path):
    for name, size in (("train", 60), ("validation", 21)):
        write_pairs(tmp_path / f"{name}.csv", size)
    words = [
        f"--config={worker_runs.ROOT}/configs/bert_pairs.py:smoke",
        *worker_texts.words(tmp_path)[1:],
        "--config.task.objective=regression",
        "--config.trainer.best_metric=mae",
        "--config.trainer.epochs=2",
    ]

    def run(name, code=""):
        ended = workers.run(
            [*words, f"--workdir={tmp_path / name}"],
            codes=(fault_runs.NO_EXPORT, f"{fault_runs.NO_EXPORT}{code}"),
            seconds=60,
        )
        return [worker.code for worker in ended]

    assert run("whole") == [0, 0]
    killed = worker_runs.at_step(_STEP, signal.SIGKILL)
    assert run("killed", killed) == [1, -signal.SIGKILL]
    assert fault_runs.whole_steps(tmp_path / "killed")[0] == 18
    assert run("killed") == [0, 0]
    comparison.check_same(tmp_path / "whole", tmp_path / "killed")
