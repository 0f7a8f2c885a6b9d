"""Each example of an evaluation can be named, from the cache and by workers."""

import json

import worker_runs

CLASSES = ("ant", "bee", "cat")
# Writes file, line and label of each row of each evaluation, in its order.
TELL_PLACES = """
from trainers.evaluation.evaluator import Evaluator

init = Evaluator.__init__

def remember(self, network, task, examples, strategy=None):
    init(self, network, task, examples, strategy)
    self.examples, self.names = examples, task.objective.names

def evaluate(self, on_batch=None):
    def told():
        for rows, summaries in self.batches(on_batch):
            for row, label in zip(rows, summaries["label"], strict=True):
                place = self.examples.places[row]
                print(f"{place}: {self.names[label]}", file=told_by_worker)
            yield summaries
    metrics = self._objective.measure(told())
    told_by_worker.flush()
    return metrics

Evaluator.__init__, Evaluator.evaluate = remember, evaluate
"""


def write_texts(file, size):
    """Writes texts of several lengths; some take more than one line."""
    lines, expected = ["text,label"], []
    for number in range(size):
        label = CLASSES[number % 3]
        line = sum(text.count("\n") + 1 for text in lines) + 1
        expected.append(f"{file}, line {line}: {label}")
        words = " ".join([f"{label}s live in water"] * (number % 7 + 1))
        end = f"\nand number {number}" if number % 4 == 0 else f" {number}"
        lines.append(f'"{words}{end}",{label}')
    file.write_text("\n".join(lines) + "\n")
    return expected


def test_two_workers_know_the_line_of_each_text(workers, run_command, tmp_path):
    """The texts come from the cache, in batches by length."""
    write_texts(tmp_path / "train.csv", 60)
    # An odd number: one worker has a row that fills up the last batch.
    expected = write_texts(tmp_path / "validation.csv", 21)
    workdir = tmp_path / "run"
    words = [
        f"--config={worker_runs.ROOT}/configs/bert_classifier.py:smoke",
        f"--config.data.train={tmp_path / 'train.csv'}",
        f"--config.data.validation={tmp_path / 'validation.csv'}",
        "--config.data.test=none",
        f"--config.data.cache_dir={tmp_path / 'cache'}",
        "--config.model.encoder.vocabulary_size=120",
        "--config.trainer.epochs=1",
    ]
    checked = run_command("trainers.check_data", *words)
    assert checked.returncode == 0, checked.stderr
    report = json.loads(checked.stdout)
    assert report["splits"]["validation"]["examples"] == 21
    assert len(list((tmp_path / "cache").iterdir())) == 1
    told = [tmp_path / f"{index}.txt" for index in range(2)]
    # A run from files would write a second one.
    codes = [
        f"told_by_worker = open({str(x)!r}, 'w')\n"
        + TELL_PLACES
        + worker_runs.fault_runs.NO_EXPORT
        for x in told
    ]
    ended = workers.run([*words, f"--workdir={workdir}"], codes=codes)
    assert [worker.code for worker in ended] == [0, 0], ended
    assert len(list((tmp_path / "cache").iterdir())) == 1
    chief, other = (file.read_text().splitlines() for file in told)
    # All workers get all rows. The chief also evaluates the best weights.
    assert len(other) == 21 and len(chief) == 42
    assert sorted(other) == sorted(expected) and other != expected
    assert chief[:21] == other
    assert sorted(chief[21:]) == sorted(expected)
