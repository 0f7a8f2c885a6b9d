"""The script that makes the embedded descriptions of Debian packages."""

import collections
import csv
import gzip
import hashlib
import io
import pathlib
import subprocess
import sys

import pytest
from repository import ROOT

from trainers.data import debian_packages

FOLDER = pathlib.Path(debian_packages.__file__).parent


FILE = FOLDER / "packages.csv.gz"


SCRIPT = ROOT / "tools" / "make_debian_packages.py"


LONG = "Draws the phases of the moon for any day of the years 1 to 9999"


def read(data):
    """Returns header and rows of the bytes of a packed file."""
    text = gzip.decompress(data).decode()
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    return reader.fieldnames, list(reader)


@pytest.fixture(scope="module")
def rows():
    return read(FILE.read_bytes())[1]


def record(package, description, section="games", source=None, area="main"):
    """Returns one record as `apt-cache show` prints it."""
    lines = [f"Package: {package}"]
    if source:
        lines.append(f"Source: {source}")
    lines += [
        "Version: 1.0-1",
        f"Description-en: {description}",
        "Tag: role::program,",
        " use::viewing",
        f"Section: {section}",
        f"Filename: pool/{area}/p/{package}_1.0-1_amd64.deb",
    ]
    return "\n".join(lines) + "\n\n"


def make(folder, records):
    """Returns the bytes that the script writes."""
    path = folder / "out.csv.gz"
    subprocess.run(
        [sys.executable, SCRIPT, path],
        input="".join(records).encode(),
        check=True,
    )
    return path.read_bytes()


def test_formatting_is_undone(tmp_path):
    description = (
        "moon,  for \u201canybody\u201d.\n"
        " Draws the moon.  It can\n"
        " \t do more to it:\n"
        " .\n"
        "  * go on\n"
        "    for two lines\n"
        "  - 2 - 1 moons\n"
        "  \u2022 so\n"
        " .\n"
        " The end."
    )
    header, rows = read(make(tmp_path, [record("moon", description)]))
    assert header == ["text", "label", "package"]
    assert rows == [
        {
            "text": "moon, for \u201canybody\u201d. Draws the moon. It can do "
            "more to it: - go on for two lines - 2 - 1 moons - so The end.",
            "label": "games",
            "package": "moon",
        }
    ]


def test_the_script_writes_exactly_these_bytes(tmp_path):
    records = [
        record("zoo", f'"zoo", free\n {LONG}.', "web"),
        record("apt-moon", f"moon\n About it: {LONG}.", "science"),
    ]
    data = make(tmp_path, records)
    assert gzip.decompress(data).decode() == (
        "text,label,package\n"
        f'"""zoo"", free. {LONG}.",web,zoo\n'
        f"moon. About it: {LONG}.,science,apt-moon\n"
    )
    assert data[4:8] == bytes(4)  # No time in the header.
    assert data == make(tmp_path, records)
    assert data == make(tmp_path, records[::-1])


def test_one_package_of_a_source_stays(tmp_path):
    records = [
        record("amoon", f"a\n {LONG}.", source="moon (1.0-2)"),
        record("moon", f"b\n Different. {LONG}."),
        record("sun-data", f"c\n The sun, not: {LONG}.", source="sol"),
        record("sun", f"d\n The sun, again not: {LONG}.", source="sol"),
    ]
    _, rows = read(make(tmp_path, records))
    assert sorted(row["package"] for row in rows) == ["moon", "sun"]


@pytest.mark.parametrize(
    "left_out",
    [
        record("b", f"transitional package\n Go to moon. {LONG}"),
        record("b", f"moon (dummy package)\n Go to moon. {LONG}"),
        record("b", f"moon\n This is a Transitional metapackage. {LONG}"),
        record("b", f"other area\n Go to moon. {LONG}", area="contrib"),
        record("b", f"other area\n Go. {LONG}", "contrib/games"),
        record("b", f"other section\n Go to moon. {LONG}", "admin"),
        record("b", "too short\n" + " 123456789" * 4 + " 12345678"),
    ],
)
def test_what_is_no_description_of_its_own_is_left_out(tmp_path, left_out):
    kept = record("moon", f"moon\n {LONG}.")
    _, rows = read(make(tmp_path, [left_out, kept]))
    assert [row["package"] for row in rows] == ["moon"]


@pytest.mark.parametrize(
    "twin",
    [
        f"Moon\n  {LONG.upper()},  and here they differ: 12345",
        f"other synopsis\n {LONG}, and here they differ: 23456",
    ],
)
def test_the_first_by_hash_of_two_similar_packages_stays(tmp_path, twin):
    moon = record("moon", f"moon\n {LONG}, and here they differ: 12345")
    hashes = [hashlib.sha256(name).hexdigest() for name in (b"b", b"moon")]
    assert hashes == sorted(hashes)
    _, rows = read(make(tmp_path, [moon, record("b", twin)]))
    assert [row["package"] for row in rows] == ["b"]


def test_60_characters_are_enough(tmp_path):
    text = "too short\n" + " 123456789" * 4 + " 123456789"
    _, rows = read(make(tmp_path, [record("b", text)]))
    assert [len(row["text"]) for row in rows] == [60]


def test_a_section_is_cut_to_900_by_hash_not_by_name(tmp_path):
    names = [f"moon-{i:03}" for i in range(910)]
    records = [record(n, f"{n}\n Number {n} of them: {LONG}") for n in names]
    _, rows = read(make(tmp_path, records))
    by_hash = sorted(names, key=lambda n: hashlib.sha256(n.encode()).digest())
    assert [row["package"] for row in rows] == by_hash[:900]


# Tags.


TAGS = FOLDER / "tags.csv.gz"


def test_the_tags_are_those_of_the_embedded_texts(rows):
    header, tagged = read(TAGS.read_bytes())
    assert header == ["text", "label", "package"]
    text_of = {row["package"]: row["text"] for row in rows}
    assert len(tagged) == 2867
    assert all(text_of[row["package"]] == row["text"] for row in tagged)
    sets = [row["label"].split(";") if row["label"] else [] for row in tagged]
    assert all(sorted({*labels}) == labels for labels in sets)
    counts = collections.Counter(label for labels in sets for label in labels)
    assert len(counts) == 45 and min(counts.values()) == 60
    assert sum(not labels for labels in sets) == 276


def test_the_script_of_the_tags_writes_exactly_these_bytes(tmp_path):
    records = [record(f"moon{n}", f"moon {n}\n {n} {LONG}.") for n in range(70)]
    records[3] = records[3].replace("Tag: role::program,\n use::viewing\n", "")
    for n in range(5):
        records[n] = records[n].replace("use::viewing", "use::rare")
    make(tmp_path, records)
    script = SCRIPT.with_name("make_debian_tags.py")
    words = [sys.executable, script, "out.csv.gz", "tags.csv.gz"]
    for _ in range(2):
        subprocess.run(
            words, input="".join(records).encode(), check=True, cwd=tmp_path
        )
    data = (tmp_path / "tags.csv.gz").read_bytes()
    assert data[4:8] == bytes(4)  # No time in the header.
    _, rows = read(data)
    labels = {row["package"]: row["label"] for row in rows}
    # A package without tags is left out; one without frequent tags is not.
    assert labels == {
        f"moon{n}": "use::viewing" if n > 4 else "" for n in range(70) if n != 3
    }
