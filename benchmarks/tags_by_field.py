"""Compares a run on many labels with TF-IDF and logistic regressions.

    pip install -e .
    python -m trainers.train --config=configs/bert_multi_label.py:minilm \\
        --workdir=/tmp/tags
    python benchmarks/tags_by_field.py --workdir=/tmp/tags

The baseline learns from the words and pairs of words of the same training
split. Its thresholds are chosen on the same validation split by the same rule,
and the same code measures both on the test split. The second column of the
baseline has the threshold 0.5 for each label.
"""

import argparse
import json

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from trainers import tasks
from trainers.metrics import many_labels
from trainers.run.workdir import Workdir

METRICS = (
    *("micro_f1", "macro_f1", "weighted_f1", "samples_f1", "lrap", "map"),
    *("hamming_loss", "subset_accuracy"),
)


def main():
    """Measures the baseline and prints both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--workdir", required=True)
    paths = Workdir(parser.parse_args().workdir)
    config = paths.read_config()
    task = tasks.restore_task(config, paths)
    splits = {
        name: task.inputs.load_raw(config.data, name, task.objective)
        for name in ("train", "validation", "test")
    }
    scores = _baseline(splits)
    names = task.objective.names

    def measure(split, thresholds):
        batch = splits[split].targets, scores[split]
        return many_labels.metrics_of_batches([batch], names, thresholds)

    found = measure("validation", None)["per_label"].values()
    columns = {
        "TF-IDF, 0.5": measure("test", [0.5] * len(names)),
        "TF-IDF": measure("test", [x["threshold"] for x in found]),
        "the run": json.loads((paths.path / "metrics.json").read_text())[
            "test"
        ],
    }
    counts = {name: len(examples) for name, examples in splits.items()}
    print(f"{len(names)} labels; examples: {counts}")
    print(f"| | {' | '.join(columns)} |")
    print("|---|" + "---:|" * len(columns))
    for metric in METRICS:
        numbers = [f"{column[metric]:.3f}" for column in columns.values()]
        print(f"| {metric} | {' | '.join(numbers)} |")


def _baseline(splits):
    """Returns logits of each split, float32[num_examples, num_labels]."""
    texts = {
        name: [text.decode() for text in examples.features["text"]]
        for name, examples in splits.items()
    }
    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2)
    model = OneVsRestClassifier(LogisticRegression(C=10, solver="liblinear"))
    model.fit(words.fit_transform(texts["train"]), splits["train"].targets)
    return {
        name: model.decision_function(words.transform(found)).astype(np.float32)
        for name, found in texts.items()
    }


if __name__ == "__main__":
    main()
