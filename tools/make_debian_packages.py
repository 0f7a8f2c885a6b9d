r"""Creates the embedded Debian package descriptions from apt's records.

    apt-cache pkgnames | xargs apt-cache show --no-all-versions > records.txt
    python tools/make_debian_packages.py \
        packages.csv.gz < records.txt

Do not use `apt-cache dumpavail`. The long descriptions are in Translation-en;
`show` prints them, but `dumpavail` prints only the synopsis. The commands for
apt are in trainers/data/debian_packages/README.md.
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
# Empty packages that depend on the new name of a package.
EMPTY = re.compile(
    r"\b(transition(al)?|dummy)[\w /-]{,20} (meta)?package"
    r"|\((transitional|dummy)",
    re.IGNORECASE,
)


def read_records(lines):
    """Yields the fields of each record.

    Args:
        lines: Iterable of str. Debian control data, where the second and
            later lines of a value start with a space.

    Yields:
        Dict from the name of a field to its value. Newlines join the lines of
        a value.
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
    """Returns the text with single spaces as white space.

    Args:
        text: str.
    """
    return " ".join(text.split())


def unfold(long_description):
    """Removes Debian's formatting from a long description.

    Args:
        long_description: str. Lines of the record, each with a leading space;
            ` .` is a blank line.

    Returns:
        str. One line with single spaces. Items of lists start with `- `.
    """
    lines = []
    for line in long_description.split("\n"):
        if line.strip() != ".":
            lines.append(BULLET.sub("- ", line))
    return tidy(" ".join(lines))


def source_of(record):
    """Returns the name of the source package, without a version.

    Args:
        record: Dict from `read_records`.
    """
    return record.get("Source", record["Package"]).split(" ")[0]


def main_package(source, names):
    """Returns the name of the source, else the shortest name.

    The shortest name has no suffix like `-data` or `-plugins`.

    Args:
        source: str. Name of the source package.
        names: Iterable of str. Names of the packages of this source.
    """
    return min(names, key=lambda name: (name != source, len(name), name))


def name_hash(name):
    """Returns the sort key of a row.

    Args:
        name: str. Name of the package.

    Returns:
        str of 64 hexadecimal digits.
    """
    return hashlib.sha256(name.encode()).hexdigest()


def read_candidates(lines):
    """Returns the candidates for rows.

    A candidate is in the archive area `main` and in one of `SECTIONS`. It is
    not transitional, and its text has at least `MIN_CHARACTERS`.

    Args:
        lines: Iterable of str. Debian control data.

    Returns:
        Dict from the name of a source to a dict from the name of a package to
        a dict with `text`, `label`, `package` and `start`. `start` is the
        beginning of the long description, to find repeated texts.
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
        # By name, so that a package counts once if it is listed twice.
        name = record["Package"]
        candidates[source_of(record)][name] = {
            "text": text,
            "label": label,
            "package": name,
            "start": (rest or text).casefold()[:SAME_START],
        }
    return candidates


def choose_rows(candidates):
    """Selects one row of each source and at most `MAX_ROWS` of each section.

    Repeated texts are removed.

    Args:
        candidates: Dict from `read_candidates`.

    Returns:
        List of dicts with `text`, `label`, `package` and `start`, sorted by
        `name_hash`.
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
    """Returns the bytes of the file. They depend only on the rows.

    Args:
        rows: List of dicts from `choose_rows`.

    Returns:
        bytes.
    """
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
    """Reads records from stdin and writes the file.

    Args:
        path: str. File to write.
    """
    lines = io.TextIOWrapper(sys.stdin.buffer, "utf-8")
    data = to_csv_gz(choose_rows(read_candidates(lines)))
    with open(path, "wb") as file:
        file.write(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
