"""The embedded descriptions of Debian packages, and how they are made."""

import collections
import csv
import gzip
import hashlib
import io
import pathlib
import runpy
import unicodedata

import pytest
from repository import ROOT

from trainers.data import debian_packages

FOLDER = pathlib.Path(debian_packages.__file__).parent


FILE = FOLDER / "packages.csv.gz"


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


def read(data):
    """Returns header and rows of the bytes of a packed file."""
    text = gzip.decompress(data).decode()
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    return reader.fieldnames, list(reader)


@pytest.fixture(scope="module")
def rows():
    return read(FILE.read_bytes())[1]


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


def test_the_pairs_and_numbers_are_what_their_script_makes(tmp_path):
    script = ROOT / "tools" / "make_debian_pairs.py"
    runpy.run_path(str(script))["main"](tmp_path)
    for name, num_rows, header in (
        ("pairs", 400, ["text", "text_pair", "label"]),
        ("numbers", 1000, ["text", "label"]),
    ):
        embedded = read((FOLDER / f"{name}.csv.gz").read_bytes())
        assert embedded == read((tmp_path / f"{name}.csv.gz").read_bytes())
        with (tmp_path / f"{name}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert embedded == (header, rows[:num_rows])
        assert len(rows) == 4_518
