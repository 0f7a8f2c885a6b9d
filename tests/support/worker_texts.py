"""A run of two workers on texts, and what each of them evaluates."""

import fault_runs
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


def texts(file, size):
    """Returns texts of several lengths, and what is told of each.

    Some texts take more than one line.
    """
    lines, expected = ["text,label"], []
    for number in range(size):
        label = CLASSES[number % 3]
        line = sum(text.count("\n") + 1 for text in lines) + 1
        expected.append(f"{file}, line {line}: {label}")
        words = " ".join([f"{label}s live in water"] * (number % 7 + 1))
        end = f"\nand number {number}" if number % 4 == 0 else f" {number}"
        lines.append(f'"{words}{end}",{label}')
    return "\n".join(lines) + "\n", expected


def words(directory):
    """Returns the flags of a run on the texts in a directory: 15 steps."""
    return [
        f"--config={worker_runs.ROOT}/configs/bert_classifier.py:smoke",
        f"--config.data.train={directory / 'train.csv'}",
        f"--config.data.validation={directory / 'validation.csv'}",
        "--config.data.test=none",
        f"--config.data.cache_dir={directory / 'cache'}",
        "--config.data.sequence_length=16",
        "--config.data.global_batch_size=4",
        "--config.model.encoder.hidden_dim=16",
        "--config.model.encoder.intermediate_dim=32",
        "--config.model.encoder.num_layers=1",
        "--config.model.encoder.vocabulary_size=120",
        "--config.trainer.save_every_steps=3",
        "--config.trainer.save_every_seconds=0",
    ]


def run(directory, workers, check_data):
    """Writes texts, tokenizes them once, and trains with two workers.

    Args:
        directory: It is made. `run` in it is the work directory, `0.txt` and
            `1.txt` are what the workers tell, see `TELL_PLACES`.
        workers: `worker_runs.Workers`.
        check_data: Called with flags; writes the cache.

    Returns:
        How the workers ended.
    """
    directory.mkdir()
    # An odd number: one worker has a row that fills up the last batch.
    for name, size in (("train", 60), ("validation", 21)):
        file = directory / f"{name}.csv"
        file.write_text(texts(file, size)[0])
    check_data(words(directory))
    told = [directory / f"{index}.txt" for index in range(2)]
    codes = [
        f"told_by_worker = open({str(file)!r}, 'w')\n"
        f"{TELL_PLACES}{fault_runs.NO_EXPORT}"
        for file in told
    ]
    all_words = [*words(directory), f"--workdir={directory / 'run'}"]
    return workers.run(all_words, codes=codes)
