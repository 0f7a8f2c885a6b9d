r"""Creates the embedded tags of Debian packages from apt's records.

    apt-cache dumpavail | python tools/make_debian_tags.py \
        packages.csv.gz tags.csv.gz

The texts are those of `make_debian_packages.py`. The commands for apt are in
trainers/data/debian_packages/README.md.
"""

import collections
import csv
import gzip
import io
import sys

import make_debian_packages

# What a description does not say: how a package is built or published.
LEFT_OUT = ("devel", "implemented-in", "role", "special", "suite")
MIN_ROWS = 60


def read_tags(lines):
    """Returns the tags of each package that has some.

    Args:
        lines: Iterable of str. Debian control data.

    Returns:
        Dict from the name of a package to a list of str, such as
        `use::viewing`.
    """
    found = {}
    for record in make_debian_packages.read_records(lines):
        words = record.get("Tag", "").replace("\n", " ").split(",")
        if tags := [word.strip() for word in words if word.strip()]:
            found[record["Package"]] = tags
    return found


def choose_rows(rows, tags):
    """Returns the rows with tags, and their frequent tags as `label`.

    Args:
        rows: List of dicts with `text` and `package`.
        tags: Dict from `read_tags`.

    Returns:
        List of dicts with `text`, `label` and `package`, in the same order.
        `label` has the sorted tags that at least 60 rows have, with `;`
        between them. It can be empty.
    """
    tagged = [row for row in rows if row["package"] in tags]
    counts = collections.Counter(
        tag for row in tagged for tag in tags[row["package"]]
    )
    chosen = {
        tag
        for tag, count in counts.items()
        if count >= MIN_ROWS and tag.partition("::")[0] not in LEFT_OUT
    }
    return [
        row | {"label": ";".join(sorted(chosen & {*tags[row["package"]]}))}
        for row in tagged
    ]


def main(packages, path):
    """Reads records from stdin and writes the file.

    Args:
        packages: str. The file of `make_debian_packages.py`.
        path: str. File to write.
    """
    with gzip.open(packages, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = io.TextIOWrapper(sys.stdin.buffer, "utf-8")
    data = make_debian_packages.to_csv_gz(choose_rows(rows, read_tags(lines)))
    with open(path, "wb") as file:
        file.write(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
