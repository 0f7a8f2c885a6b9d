"""Compares a run with one label a text with TF-IDF and a logistic regression.

    pip install -e .
    python benchmarks/tfidf.py --workdir=/tmp/intents
    python benchmarks/tfidf.py --workdir=/tmp/reviews --characters=3

The baseline learns from the words and pairs of words of the same training
split, or from sequences of up to N characters, for languages that do not
separate words. Both are measured on the same test split.
"""

import argparse
import json

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.metrics import f1_score
from sklearn.metrics import log_loss

from trainers import tasks
from trainers.run.workdir import Workdir

METRICS = ("accuracy", "macro_f1", "loss")


def main():
    """Measures the baseline and prints both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--workdir", required=True)
    parser.add_argument("--characters", type=int, metavar="N")
    options = parser.parse_args()
    paths = Workdir(options.workdir)
    config = paths.read_config()
    task = tasks.restore_task(config, paths)
    splits = {
        name: task.inputs.load_raw(config.data, name, task.objective)
        for name in ("train", "test")
    }
    run = json.loads((paths.path / "metrics.json").read_text())["test"]
    columns = {"TF-IDF": _baseline(splits, options.characters), "the run": run}
    print(f"examples: { {name: len(x) for name, x in splits.items()} }")
    print(f"| | {' | '.join(METRICS)} |")
    print("|---|" + "---:|" * len(METRICS))
    for name, metrics in columns.items():
        numbers = [f"{metrics[metric]:.3f}" for metric in METRICS]
        print(f"| {name} | {' | '.join(numbers)} |")


def _baseline(splits, num_characters):
    """Returns the metrics of the baseline on the test split."""
    texts = {
        name: [text.decode() for text in examples.features["text"]]
        for name, examples in splits.items()
    }
    settings = {"analyzer": "word", "ngram_range": (1, 2)}
    if num_characters:
        settings = {"analyzer": "char", "ngram_range": (1, num_characters)}
    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2, **settings)
    model = LogisticRegression(C=10, max_iter=1000)
    train, test = splits["train"].targets, splits["test"].targets
    model.fit(vectorizer.fit_transform(texts["train"]), train)
    scores = model.predict_proba(vectorizer.transform(texts["test"]))
    answers = model.classes_[scores.argmax(axis=1)]
    return {
        "accuracy": accuracy_score(test, answers),
        "macro_f1": f1_score(test, answers, average="macro"),
        "loss": log_loss(test, scores, labels=model.classes_),
    }


if __name__ == "__main__":
    main()
