"""The commands in README.md and docs/ do what these documents say."""

import csv
import gzip
import io
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess

import commands as commands_lib
import numpy as np
import pytest
import warm_programs
from PIL import Image
from repository import ROOT

# The documents in the order in which their blocks run, and the commands in
# each block. Later documents use the runs of earlier ones.
DOCUMENTS = {
    "README.md": [
        "train-predict",
        "train",  # MiniLM
        "train-predict-evaluate",
        "train",  # images
        "serve-predict",
        "train",  # mirrored
    ],
    "docs/commands.md": [
        "evaluate-export-predict",
        "evaluate",
        "train",
        "python",
    ],
    "docs/data.md": ["train", "check_data"],
    "docs/many_labels.md": [],
    "docs/jobs/chinese_sentiment.md": [],
    "docs/jobs/customer_intents.md": [],
    "docs/jobs/news_topics.md": [],
    "docs/jobs/tags_by_field.md": [],
    "docs/numbers.md": [],
    "docs/pairs.md": [],
    "docs/tagging.md": ["train-predict"],
    "docs/jobs/entities.md": [],
    "docs/trackers.md": ["train"],
    "docs/resume.md": ["train-checkpoints-train", "train"],
    "docs/serving.md": ["python"],
    "docs/distribution.md": ["launch"],
    "docs/performance.md": [],
    "docs/jobs/matching_descriptions.md": [],
    "docs/jobs/tweet_sentiment.md": [],
}


SECTIONS = ("games", "science", "sound")


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
def users_dir(tmp_path_factory):
    """The current directory of the documents, with the files of a user."""
    directory = tmp_path_factory.mktemp("user")
    packages = ROOT / "trainers/data/debian_packages/packages.csv.gz"
    with gzip.open(packages, "rt", encoding="utf-8", newline="") as stream:
        rows = [r for r in csv.DictReader(stream) if r["label"] in SECTIONS]
    texts = io.StringIO()
    table = csv.DictWriter(texts, ("text", "label"), extrasaction="ignore")
    table.writeheader()
    table.writerows(rows[:64])
    content = texts.getvalue().encode()
    (directory / "mails.csv").write_bytes(content)
    for name in "abc":
        path = directory / f"{name}.csv.gz"
        path.write_bytes(gzip.compress(content))
    rng = np.random.default_rng(0)
    for folder, shape in (("photos", (80, 60, 3)), ("digits", (28, 28))):
        for label in range(10):
            (directory / folder / str(label)).mkdir(parents=True)
            for number in range(12):
                pixels = rng.integers(0, 256, shape, np.uint8)
                path = directory / folder / str(label) / f"{number}.png"
                Image.fromarray(pixels).save(path)
    return directory


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
    in_docs = {
        str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")
    }
    assert in_docs == set(DOCUMENTS) - {"README.md"}
    for document in in_docs:
        assert f"]({document})" in read("README.md")


@pytest.mark.parametrize(("language", "block"), BLOCKS)
def test_block_runs(language, block, docs_tmp, port, path, users_dir):
    if "curl" in block and not shutil.which("curl"):
        pytest.skip("needs the program `curl`")
    # Installing is what the test command itself has done.
    script = re.sub(r"^pip install .*?(&& |\n)", "", block)
    script = script.replace("/tmp/", f"{docs_tmp}/")
    script = script.replace("8501", str(port))
    # `test_text_commands` trains MiniLM with the flags of docs/data.md.
    script = script.replace(":minilm", ":smoke")
    # As many epochs of 250 steps as the stop, and the extension, need.
    script = script.replace(".epochs=40", ".epochs=4")
    script = script.replace(".epochs=42", ".epochs=6")
    env = os.environ | {"PATH": path}
    if language == "python":
        run = commands_lib.run("", env=env, cwd=users_dir, code=script)
    else:
        # The trap ends what a failure leaves in the background.
        script = f"trap 'jobs -p | xargs -r kill' EXIT\n{script}"
        run = subprocess.run(
            ["bash", "-ec", script],
            cwd=users_dir,
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
    """Checks what Python prints: perhaps an export, and a label."""
    *exported, answered = stdout.splitlines()
    if exported:
        version = docs_tmp / "wide" / "export" / "mnist_mlp" / "1"
        assert exported == [f"{version} 1000"]
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
