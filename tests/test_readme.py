"""The README's commands do what it says."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

README = pathlib.Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(
    r"<!-- run -->\n```sh\n(.*?)```", README.read_text(encoding="utf-8"), re.S
)


@pytest.fixture(scope="module")
def readme_tmp(tmp_path_factory):
    """Stands for /tmp of the README, for all its blocks in order."""
    return tmp_path_factory.mktemp("readme")


def test_readme_has_its_blocks():
    assert len(BLOCKS) == 8


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split()[-1])
def test_block_runs(block, readme_tmp):
    # Installing is what the test command itself has done.
    script = block.replace("pip install -e . && ", "")
    script = script.replace("/tmp/", f"{readme_tmp}/")
    path = os.path.dirname(sys.executable)
    run = subprocess.run(
        ["bash", "-ec", script],
        cwd=README.parent,
        env=os.environ | {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    if "'test[:3]'" in block:
        answers = run.stdout.splitlines()[-3:]
        for answer in answers:
            label = re.search(r'"true_label": "(\d)", "label": "(\d)"', answer)
            assert label[1] == label[2]
    if "timeout" in block:
        assert "exit code 75" in run.stdout.splitlines()
    if "A mail reader" in block:
        # The path of the export, the answer, and the metrics.
        _, answer, metrics = run.stdout.split("\n", 2)
        assert len(json.loads(answer)["scores"]) == 8
        assert json.loads(metrics)["num_examples"] == 451


def test_docs_name_only_files_that_exist():
    root = README.parent
    for document in ("README.md", "CONTRIBUTING.md"):
        text = (root / document).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            assert (root / target).exists(), (document, target)
