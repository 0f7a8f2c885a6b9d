r"""Makes the embedded Debian package descriptions from apt's records.

    apt-cache pkgnames | xargs apt-cache show --no-all-versions > records.txt
    python tools/make_debian_packages.py \
        packages.csv.gz < records.txt

Not `apt-cache dumpavail`: the long descriptions are in Translation-en, which
`show` joins and `dumpavail` does not; without them it prints only the synopsis.
trainers/data/debian_packages/README.md says how apt fetches them.
"""

import collections
import csv
import gzip
import hashlib
import io
import re
import sys

SECTIONS = (
    "games",
    "graphics",
    "mail",
    "net",
    "science",
    "sound",
    "text",
    "web",
)
MAX_ROWS = 900
MIN_CHARACTERS = 60
SAME_START = 80
HEADER = ("text", "label", "package")

BULLET = re.compile(r"\A\s+[-*+o\u2022\u00b7]\s+(?=\S)")
# Packages that hold nothing, but pull in another under its new name.
EMPTY = re.compile(
    r"\b(transition(al)?|dummy)[\w /-]{,20} (meta)?package"
    r"|\((transitional|dummy)",
    re.IGNORECASE,
)


def read_records(lines):
    """Yields one dict a record: field to value.

    Args:
        lines: iterable of str, Debian control data. Further lines of a value
            keep their leading space.

    Yields:
        dict from str to str, lines joined with a newline.
    """
    record, field = {}, None
    for line in lines:
        line = line.rstrip("\r\n")
        if line.startswith((" ", "\t")):
            record[field] += "\n" + line
        elif line:
            field, _, value = line.partition(":")
            record[field] = value.strip()
        elif record:
            yield record
            record = {}
    if record:
        yield record


def tidy(text):
    """Returns the text with every run of white space as one space."""
    return " ".join(text.split())


def unfold(long_description):
    """Undoes Debian's formatting of a long description.

    Args:
        long_description: str, lines as in the record: each with its leading
            space, ` .` for a blank line.

    Returns:
        str, one line, single spaces; items of lists begin with `- `.
    """
    lines = []
    for line in long_description.split("\n"):
        if line.strip() != ".":
            lines.append(BULLET.sub("- ", line))
    return tidy(" ".join(lines))


def source_of(record):
    """Returns the name of the source package, without a version."""
    return record.get("Source", record["Package"]).split(" ")[0]


def main_package(source, names):
    """Returns the name that is the source's, else the shortest.

    The shortest has no `-data` or `-plugins` behind it.
    """
    return min(names, key=lambda name: (name != source, len(name), name))


def name_hash(name):
    """Returns what rows are ordered and chosen by, str."""
    return hashlib.sha256(name.encode()).hexdigest()


def read_candidates(lines):
    """Returns what may become rows: from source name to its packages.

    A candidate is in the archive area `main` and one of `SECTIONS`, is not
    transitional, and its text has `MIN_CHARACTERS` or more.

    Args:
        lines: iterable of str, Debian control data.

    Returns:
        dict from str to dicts `text`, `label`, `package`, `start`; the last
        is the beginning of the long description, for the comparison.
    """
    candidates = collections.defaultdict(dict)
    for record in read_records(lines):
        label = record.get("Section", "")
        in_main = record.get("Filename", "").startswith("pool/main/")
        if label not in SECTIONS or not in_main:
            continue
        description = record.get(
            "Description-en", record.get("Description", "")
        )
        synopsis, _, rest = description.partition("\n")
        synopsis, rest = tidy(synopsis), unfold(rest)
        text = f"{synopsis.removesuffix('.')}. {rest}".strip()
        if EMPTY.search(text) or len(text) < MIN_CHARACTERS:
            continue
        # By name, so that a package that is listed twice is one.
        name = record["Package"]
        candidates[source_of(record)][name] = {
            "text": text,
            "label": label,
            "package": name,
            "start": (rest or text).casefold()[:SAME_START],
        }
    return candidates


def choose_rows(candidates):
    """Returns the rows: one a source, none twice, `MAX_ROWS` a section.

    Args:
        candidates: what `read_candidates` returns.

    Returns:
        list of dicts as in `candidates`, ordered by `name_hash`.
    """
    rows = [
        packages[main_package(source, packages)]
        for source, packages in candidates.items()
    ]
    rows.sort(key=lambda row: name_hash(row["package"]))
    counts, seen, chosen = collections.Counter(), set(), []
    for row in rows:
        keys = {("text", row["text"].casefold()), ("start", row["start"])}
        if keys & seen or counts[row["label"]] == MAX_ROWS:
            continue
        seen |= keys
        counts[row["label"]] += 1
        chosen.append(row)
    return chosen


def to_csv_gz(rows):
    """Returns the bytes of the file, which depend on the rows alone."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(
        text, HEADER, extrasaction="ignore", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", 9, packed, mtime=0) as file:
        file.write(text.getvalue().encode())
    return packed.getvalue()


def main(path):
    """Reads records from standard input and writes the file `path`."""
    lines = io.TextIOWrapper(sys.stdin.buffer, "utf-8")
    data = to_csv_gz(choose_rows(read_candidates(lines)))
    with open(path, "wb") as file:
        file.write(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
