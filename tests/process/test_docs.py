"""The commands in README.md and docs/ do what these documents say."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess

import commands as commands_lib
import pytest
import warm_programs
from repository import ROOT

# The documents in the order in which their blocks run, and the commands in
# each block. Later documents use the runs of earlier ones.
DOCUMENTS = {
    "README.md": [
        "train-predict",
        "train-predict-evaluate",
        "serve-predict",
        "train",
    ],
    "docs/commands.md": ["evaluate-export-predict", "train", "python"],
    "docs/data.md": ["check_data"],
    "docs/resume.md": ["train-checkpoints-train"],
    "docs/serving.md": [],
    "docs/distribution.md": ["launch"],
    "docs/performance.md": [],
}


def read(document):
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document):
    """Returns `(language, text)` of each block that is marked to run."""
    return re.findall(
        r"^<!-- run -->\n```(sh|python)\n(.*?)^```$",
        read(document),
        re.S | re.M,
    )


def commands(language, block):
    """Returns the names of a block's commands."""
    if language == "python":
        return language
    return "-".join(re.findall(r"-m trainers\.(\w+)", block))


BLOCKS = [
    pytest.param(*block, id=f"{pathlib.Path(document).stem}-{commands(*block)}")
    for document in DOCUMENTS
    for block in blocks(document)
]


@pytest.fixture(scope="module")
def docs_tmp(tmp_path_factory):
    """Replaces /tmp of the documents. All blocks share it, in order."""
    return tmp_path_factory.mktemp("docs")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Replaces PATH. Each start of Python itself would take 4 s."""
    directory = tmp_path_factory.mktemp("bin")
    warm_programs.install(directory)
    return f"{directory}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture
def port():
    """Replaces port 8501 of the documents, which can be in use."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_each_document_has_its_blocks():
    found = {
        document: [commands(*block) for block in blocks(document)]
        for document in DOCUMENTS
    }
    assert found == DOCUMENTS
    for document in DOCUMENTS:
        marks = read(document).count("<!-- run -->")
        assert marks == len(DOCUMENTS[document]), document


def test_no_document_is_forgotten():
    in_docs = {f"docs/{path.name}" for path in (ROOT / "docs").iterdir()}
    assert in_docs == set(DOCUMENTS) - {"README.md"}
    for document in in_docs:
        assert f"]({document})" in read("README.md")


@pytest.mark.parametrize(("language", "block"), BLOCKS)
def test_block_runs(language, block, docs_tmp, port, path):
    if "curl" in block and not shutil.which("curl"):
        pytest.skip("needs the program `curl`")
    # Installing is what the test command itself has done.
    script = block.replace("pip install -e . && ", "")
    script = script.replace("/tmp/", f"{docs_tmp}/")
    script = script.replace("8501", str(port))
    env = os.environ | {"PATH": path}
    if language == "python":
        run = commands_lib.run("", env=env, cwd=ROOT, code=script)
    else:
        # The trap ends what a failure leaves in the background.
        script = f"trap 'jobs -p | xargs -r kill' EXIT\n{script}"
        run = subprocess.run(
            ["bash", "-ec", script],
            cwd=ROOT,
            env=env,
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
    if language == "python":
        check_python(run.stdout, docs_tmp)
    elif "curl" in block:
        check_served(run.stdout, port)
    elif "A mail reader" in block:
        # The path of the export, the answer, and the metrics.
        _, answer, metrics = run.stdout.split("\n", 2)
        assert len(json.loads(answer)["scores"]) == 8
        assert json.loads(metrics)["num_examples"] == 451


def check_python(stdout, docs_tmp):
    """Checks what the functions of the package return."""
    exported, answered = stdout.splitlines()
    version = docs_tmp / "wide" / "export" / "mnist_mlp" / "1"
    assert exported == f"{version} 1000"
    label = re.fullmatch(r"\[b'(\w+)'\]", answered)[1]
    labels = docs_tmp / "sections" / "labels.json"
    assert label in json.loads(labels.read_text(encoding="utf-8"))


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


def test_docker_command_is_that_of_the_model_card(docs_tmp):
    base = docs_tmp / "sections" / "export" / "bert_classifier"
    (command,) = [
        command
        for document in DOCUMENTS
        for command in re.findall(
            r"^docker run (?:.*\\\n)*.*\n", read(document), re.M
        )
    ]
    card = (base / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert command in card
    files = re.findall(r"=/models/bert_classifier/(\S+)", command)
    assert files == ["models.config", "batching.config", "monitoring.config"]
    for name in [*files, "request.json"]:
        assert (base / name).is_file()


def test_the_test_command_is_one_block_between_its_marks():
    # `.ci/run` cuts it out of the README.
    between = re.findall(
        r"<!-- test -->\n(.*?)<!-- end -->", read("README.md"), re.S
    )
    (block,) = between
    assert re.fullmatch(r"```sh\n[^\n]*-m pytest[^\n]*\n```\n", block)


def anchors(text):
    """Returns the names by which headings can be linked to, as GitHub's."""
    without_code = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
    headings = re.findall(r"^#+ (.*)$", without_code, re.M)
    return {
        re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
        for heading in headings
    }


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", *DOCUMENTS])
def test_links_lead_to_what_exists(document):
    directory = (ROOT / document).parent
    links = re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]*))?\)", read(document))
    for target, anchor in links:
        path = directory / target if target else ROOT / document
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), anchor
