"""The embedded descriptions of Debian packages, and how they are made."""

import collections
import csv
import gzip
import hashlib
import io
import pathlib
import subprocess
import sys
import unicodedata

import pytest

from trainers.data import debian_packages

FOLDER = pathlib.Path(debian_packages.__file__).parent
FILE = FOLDER / "packages.csv.gz"
SCRIPT = FOLDER / "make_debian_packages.py"
COUNTS = {
    "games": 734,
    "graphics": 374,
    "mail": 224,
    "net": 900,
    "science": 900,
    "sound": 599,
    "text": 458,
    "web": 329,
}
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


def test_the_file_has_these_bytes_and_is_under_2_mb():
    data = FILE.read_bytes()
    assert len(data) == 888_253
    assert hashlib.sha256(data).hexdigest() == (
        "69ef0c578d7267ae5ddaa0eb08869d6978e2d6c317df1a491b37a647c15e10bb"
    )
    assert hashlib.sha256(gzip.decompress(data)).hexdigest() == (
        "503db31c38426e9999ad0fc0dc426a3a92a63224c0a7df37701805b8764a5002"
    )


def test_the_header_names_text_label_and_package():
    assert read(FILE.read_bytes())[0] == ["text", "label", "package"]


def test_the_sections_have_these_numbers_of_rows(rows):
    assert collections.Counter(row["label"] for row in rows) == COUNTS
    assert len(rows) == 4_518


def test_the_readme_states_the_rows_of_each_section():
    readme = (FOLDER / "README.md").read_text()
    for section, count in COUNTS.items():
        assert f"\n| {section} | {count} | " in readme


def test_no_text_and_no_package_is_there_twice(rows):
    texts = {" ".join(row["text"].casefold().split()) for row in rows}
    assert len(texts) == len(rows)
    assert len({row["package"] for row in rows}) == len(rows)


def test_every_text_is_one_line_of_60_characters_or_more(rows):
    for row in rows:
        assert row["text"] == " ".join(row["text"].split())
        assert all(unicodedata.category(c) != "Cc" for c in row["text"])
        assert len(row["text"]) >= 60


def test_the_rows_are_ordered_by_the_hash_of_the_package(rows):
    hashes = [hashlib.sha256(r["package"].encode()).hexdigest() for r in rows]
    assert hashes == sorted(hashes)


def test_known_packages_are_there_word_for_word(rows):
    by_package = {row["package"]: row for row in rows}
    assert by_package["lightsoff"] == {
        "text": "Light puzzle game. "
        "Puzzle where all lights have to be switched off.",
        "label": "games",
        "package": "lightsoff",
    }
    assert by_package["rxp"] == {
        "text": "Validating XML parser. "
        "Rxp reads, parses, and can optionally validate XML.",
        "label": "text",
        "package": "rxp",
    }
    longest = max(rows, key=lambda row: len(row["text"]))
    assert longest["package"] == "irssi-scripts"
    assert len(longest["text"]) == 21_335
    assert "imagemagick" not in by_package  # A dummy in Debian 12.


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
def test_of_two_that_are_nearly_the_same_the_first_by_hash_stays(
    tmp_path, twin
):
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
