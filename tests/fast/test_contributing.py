"""CONTRIBUTING.md shows what is there; `test_own_package` runs its examples."""

import re

from repository import ROOT

from trainers.config import kinds

DOCUMENT = ROOT / "CONTRIBUTING.md"


def test_paths_and_names_in_the_document_exist():
    text = DOCUMENT.read_text(encoding="utf-8")
    paths = re.findall(r"\]\(([\w/.]+)(?:#[\w-]+)?\)", text)
    paths += re.findall(r"`((?:tfmodels|trainers|tests)/[\w/.]*)`", text)
    assert len(paths) > 20
    for path in paths:
        assert (ROOT / path).exists(), path
    for table, module in re.findall(
        r"`(_?[A-Z_]+)`\s+in\s+(?:`|\[)([\w/]+\.py)", text
    ):
        assert f"\n{table} = " in (ROOT / module).read_text(encoding="utf-8")


def test_each_kind_has_a_row():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert set(re.findall(r"\| `\"(\w+)\"` \|", text)) == set(kinds.KINDS)


def test_the_config_file_shown_is_the_one_that_is_tested():
    text = DOCUMENT.read_text(encoding="utf-8")
    ((name, code),) = re.findall(
        r"<!-- example: (\S+) -->\n```python\n(.*?)```", text, re.S
    )
    file = ROOT / "tests" / "own_package" / name
    assert code == file.read_text(encoding="utf-8")
