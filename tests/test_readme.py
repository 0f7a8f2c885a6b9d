"""The README's commands do what it says."""

import json
import os
import pathlib
import re
import shutil
import socket
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
    assert len(BLOCKS) == 9


@pytest.fixture
def port():
    """Stands for the README's 8501, which may be taken."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def commands(block):
    """Returns the names of a block's commands."""
    return "-".join(re.findall(r"-m trainers\.(\w+)", block))


@pytest.mark.parametrize("block", BLOCKS, ids=commands)
def test_block_runs(block, readme_tmp, port):
    if "curl" in block and not shutil.which("curl"):
        pytest.skip("needs the program `curl`")
    # Installing is what the test command itself has done.
    script = block.replace("pip install -e . && ", "")
    script = script.replace("/tmp/", f"{readme_tmp}/")
    script = script.replace("8501", str(port))
    # What a failure leaves in the background.
    script = f"trap 'jobs -p | xargs -r kill' EXIT\n{script}"
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
    if "curl" in block:
        check_served(run.stdout, port)
    elif "A mail reader" in block:
        # The path of the export, the answer, and the metrics.
        _, answer, metrics = run.stdout.split("\n", 2)
        assert len(json.loads(answer)["scores"]) == 8
        assert json.loads(metrics)["num_examples"] == 451


def check_served(stdout, port):
    """Checks what a server and its clients print."""
    url, *answers = stdout.splitlines()
    assert url == f"http://127.0.0.1:{port}/v1/models/bert_classifier"
    # The server ends its answers without a line break.
    decoder = json.JSONDecoder()
    rest, found = "".join(answers), []
    while rest:
        answer, end = decoder.raw_decode(rest)
        found.append(answer)
        rest = rest[end:]
    status, predicted, classified, answer = found
    (version,) = status["model_version_status"]
    assert (version["version"], version["state"]) == ("1", "AVAILABLE")
    (prediction,) = predicted["predictions"]
    assert answer["label"] == prediction["label"]
    (ranking,) = classified["results"]
    assert len(ranking) == 8
    assert ranking[0][0] == answer["label"]
    assert sorted(ranking, key=lambda pair: -pair[1]) == ranking


def test_docker_command_is_that_of_the_model_card(readme_tmp):
    base = readme_tmp / "sections" / "export" / "bert_classifier"
    text = README.read_text(encoding="utf-8")
    (command,) = re.findall(r"^docker run (?:.*\\\n)*.*\n", text, re.M)
    card = (base / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert command in card
    files = re.findall(r"=/models/bert_classifier/(\S+)", command)
    assert files == ["models.config", "batching.config", "monitoring.config"]
    for name in [*files, "request.json"]:
        assert (base / name).is_file()


def test_docs_name_only_files_that_exist():
    root = README.parent
    for document in ("README.md", "CONTRIBUTING.md"):
        text = (root / document).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            assert (root / target).exists(), (document, target)
