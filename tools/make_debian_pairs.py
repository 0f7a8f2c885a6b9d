r"""Makes pairs and numbers out of the embedded Debian package descriptions.

    python tools/make_debian_pairs.py /tmp/pairs

It writes two files into the directory, and the first rows of each, packed, as
they are embedded in trainers/data/debian_packages:

- `pairs.csv`, 4,518 rows: a synopsis, a long description, and whether both are
  of the same package. Half of the synopses have the description of another
  package of the same section, so the words of the section do not help.
- `numbers.csv`, 4,518 rows: a synopsis and the number of its words.

- `pairs.csv.gz`, the first 400 rows, and `numbers.csv.gz`, the first 1,000.

Each description is in one row, so no text of test is in train.
"""

import collections
import csv
import gzip
import hashlib
import io
import pathlib
import sys

# Rows that are embedded.
EMBEDDED = {"pairs": 400, "numbers": 1000}
FOLDER = pathlib.Path(__file__).parents[1] / "trainers/data/debian_packages"


def read_packages():
    """Returns `(synopsis, description, section, package)` of each row."""
    with gzip.open(FOLDER / "packages.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        (*row["text"].split(". ", 1), row["label"], row["package"])
        for row in rows
    ]


def make_pairs(packages):
    """Returns rows of `text`, `text_pair` and `label`, and the header.

    Args:
        packages: From `read_packages`.
    """
    moved = collections.defaultdict(list)
    for number, (_, _, section, package) in enumerate(packages):
        # Fixed for a package, and as good as a coin.
        if hashlib.sha256(f"pair {package}".encode()).digest()[0] % 2:
            moved[section].append(number)
    other_of = {}
    for numbers in moved.values():
        # Each takes the description of the next one.
        other_of |= dict(zip(numbers, [*numbers[1:], numbers[0]], strict=True))
    rows = [
        (
            synopsis,
            packages[other_of.get(number, number)][1],
            "other" if number in other_of else "same",
        )
        for number, (synopsis, *_) in enumerate(packages)
    ]
    return [("text", "text_pair", "label"), *rows]


def make_numbers(packages):
    """Returns rows of `text` and `label`, the number of words, and the header.

    Args:
        packages: From `read_packages`.
    """
    rows = [(synopsis, len(synopsis.split())) for synopsis, *_ in packages]
    return [("text", "label"), *rows]


def to_csv(rows):
    """Returns rows as the bytes of a CSV file.

    Args:
        rows: List of tuples.
    """
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue().encode()


def make_files():
    """Returns the rows of each file, with the header, by its name."""
    packages = read_packages()
    return {"pairs": make_pairs(packages), "numbers": make_numbers(packages)}


def main(directory):
    """Writes the files."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for name, rows in make_files().items():
        (directory / f"{name}.csv").write_bytes(to_csv(rows))
        first = to_csv(rows[: EMBEDDED[name] + 1])
        # The bytes depend on the rows alone.
        packed = gzip.compress(first, 9, mtime=0)
        (directory / f"{name}.csv.gz").write_bytes(packed)


if __name__ == "__main__":
    main(sys.argv[1])
