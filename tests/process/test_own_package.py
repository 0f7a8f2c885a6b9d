"""A package of a user adds kinds, without a change of this project.

`tests/own_package` is such a package, `team`, with its config files. Each kind
is one file. CONTRIBUTING.md shows them.
"""

import json
import shutil

import numpy as np
import pytest
from repository import ROOT

WORDS = {"money": ["bank", "coin", "price"], "sport": ["goal", "team", "ball"]}


def make_images(directory):
    """Class 1 is bright, class 0 is dark."""
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    images = rng.integers(0, 100, (200, 28, 28)) + labels[:, None, None] * 100
    directory.mkdir()
    np.save(directory / "images.npy", images.astype(np.uint8))
    np.save(directory / "labels.npy", labels)


def make_mails():
    """Yields labels and a text: three words of each of its labels."""
    rng = np.random.default_rng(0)
    for number in range(160):
        labels = [x for i, x in enumerate(WORDS) if number >> i & 1]
        words = [str(rng.choice(WORDS[x])) for x in labels for _ in range(3)]
        yield labels, " ".join(["note", str(number), *words])


def make_vectors(file, num_rows):
    rng = np.random.default_rng(num_rows)
    vectors = rng.normal(size=(num_rows, 2)).round(3).tolist()
    lines = [f"{a},{b},{'up' if a > b else 'down'}\n" for a, b in vectors]
    file.write_text("".join(lines))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The directory in which the user works, with his package and data."""
    home = tmp_path_factory.mktemp("own") / "home"
    shutil.copytree(ROOT / "tests" / "own_package", home)
    make_images(home / "digits")
    blocks = [f"labels: {';'.join(x)}\n{text}" for x, text in make_mails()]
    (home / "mails.txt").write_text("\n\n".join(blocks) + "\n")
    rows = [f"{text},{';'.join(x)}" for x, text in make_mails()]
    (home / "mails.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    make_vectors(home / "train.csv", 200)
    make_vectors(home / "test.csv", 50)
    return home


@pytest.fixture
def run(home, run_command):
    def run(command, *words, code=0):
        done = run_command(f"trainers.{command}", *words, cwd=home)
        assert done.returncode == code, done.stderr
        return done.stderr if code else done.stdout

    return run


def read(home, workdir, name):
    return json.loads((home / workdir / name).read_text())


def test_a_model_a_source_of_images_and_a_tracker(home, run):
    version = run(
        "train",
        "--config=tiny_cnn.py",
        "--workdir=cnn",
        "--config.trainer.trackers=tensorboard,team.best_so_far:BestSoFar",
    )
    assert version == "cnn/export/model/1\n"
    assert (home / "cnn" / "best_so_far.txt").read_text() == "step 75: 1.000\n"
    assert (home / "cnn" / "tensorboard").exists()
    config = read(home, "cnn", "config.json")
    assert config["data"]["source"] == "team.npy:open_source"
    assert config["model"] == {
        "kind": "team.tiny_cnn:TinyCnnConfig",
        "image_shape": [28, 28],
        "filters": [4],
    }
    metrics = read(home, "cnn", "metrics.json")["test"]
    assert (metrics["accuracy"], metrics["num_examples"]) == (1.0, 20)
    answer = json.loads(
        run("predict", "--workdir=cnn", "--split=train[180:181]")
    )
    assert answer["example"].endswith("digits/labels.npy, item 180")
    assert answer["label"] == answer["true_label"] == "0"


def test_an_objective_and_a_format_of_texts(home, run, start_server):
    version = run(
        "train",
        "--config=multi_label.py",
        "--workdir=labels",
        "--config.task.threshold=0.3",
    )
    assert version == "labels/export/model/1\n"
    config = read(home, "labels", "config.json")
    assert config["data"]["source"] == "team.blocks:BLOCKS"
    assert config["task"] == {
        "objective": "team.multi_label:MultiLabelConfig",
        "threshold": 0.3,
    }
    assert read(home, "labels", "labels.json") == ["money", "sport"]
    # Without `--config`, config.json is read.
    metrics = json.loads(run("evaluate", "--workdir=labels"))
    assert metrics == read(home, "labels", "metrics.json")["test"]
    assert metrics.keys() == {
        "loss",
        "subset_accuracy",
        "micro_f1",
        "num_examples",
    }
    assert metrics["micro_f1"] > 0.8
    assert run("export", "--workdir=labels") == "labels/export/model/2\n"
    report = read(home, "labels", "data_report.json")
    assert report["splits"]["test"]["examples_by_class"] == {
        "money": 8,
        "sport": 8,
    }
    answers = run("predict", "--workdir=labels", "--split=test").splitlines()
    answers = list(map(json.loads, answers))
    assert len(answers) == 16
    assert answers[0]["example"].startswith("mails.txt, block ")
    assert answers[0]["labels"] == ["money", "sport"]
    # The threshold is in the graph of the export.
    for answer in answers:
        assert answer["answered"] == [
            float(p >= 0.3) for p in answer["probabilities"]
        ]
    card = (home / "labels/export/model/MODEL_CARD.md").read_text()
    assert "Finds which of 2 labels fit texts.\n" in card
    assert "| loss | subset_accuracy | micro_f1 |\n" in card
    # A client knows a served model by its signatures alone.
    url = start_server(home / "labels" / "export" / "model")
    (home / "one.txt").write_text("note 7 bank coin price\n")
    answer = json.loads(run("predict", f"--server={url}", "one.txt"))
    assert answer["example"] == "one.txt, line 1"
    assert answer["labels"] == ["money", "sport"]
    assert answer["answered"] == [1.0, 0.0]
    message = run("predict", f"--server={url}", "one.txt", "--scores", code=2)
    assert message == (
        "error: `--scores` needs a served model with the signature "
        f"`classify`. Received: '{url}', with the signatures "
        "serving_default, tokenize, tokens.\n"
    )


def test_an_objective_for_a_shipped_experiment(home, run):
    flags = (
        "--config=configs/bert_classifier.py:smoke",
        "--config.task.objective=team.multi_label:MultiLabelConfig",
        "--config.data.train=mails.csv",
        "--config.trainer.epochs=2",
        "--config.trainer.best_metric=loss",
    )
    text = run("train", *flags, "--help")
    assert "--config.task.objective=team.multi_label:MultiLabelConfig\n" in text
    assert (
        "--config.task.threshold=0.5\n"
        "      Smallest probability of a label in an answer.\n"
    ) in text
    assert "label_smoothing" not in text
    assert "      One of: loss, subset_accuracy, micro_f1.\n" in text
    run("train", *flags, "--workdir=switched")
    names = read(home, "switched", "metrics.json")["test"].keys()
    assert "subset_accuracy" in names and "accuracy" not in names
    # The setting of another objective is unknown.
    message = run(
        "train",
        *flags,
        "--workdir=x",
        "--config.task.label_smoothing=0.1",
        code=2,
    )
    assert message == (
        "error: `--config.task.label_smoothing` is not a setting. Choices: "
        "--config.task.objective, --config.task.threshold.\n"
    )


def test_inputs_of_another_kind(home, run):
    assert run("train", "--config=vectors.py", "--workdir=vectors") == (
        "vectors/export/model/1\n"
    )
    metrics = json.loads(run("evaluate", "--workdir=vectors"))
    assert metrics == read(home, "vectors", "metrics.json")["test"]
    assert metrics["accuracy"] > 0.9
    (home / "rows.csv").write_text("3,-3\n-3,3\n")
    answers = run("predict", "--workdir=vectors", "rows.csv").splitlines()
    answers = list(map(json.loads, answers))
    assert [(a["example"], a["label"]) for a in answers] == [
        ("rows.csv, line 1", "up"),
        ("rows.csv, line 2", "down"),
    ]


def test_a_run_of_changed_code_is_refused(home, run):
    """After the test before, whose run resumes."""
    words = ("--config=vectors.py", "--workdir=vectors")
    run("train", *words)
    file = home / "team" / "vectors.py"
    code = file.read_text()
    file.write_text(f"{code}\n\nFACTOR = 2\n")
    assert run("train", *words, code=2) == (
        "error: `--workdir` 'vectors' contains a run that differs, and a run "
        "can only resume unchanged. Undo the differences, or choose another "
        "--workdir:\n"
        "error: the code of the module team.vectors has changed.\n"
    )
    file.write_text(code)
    run("train", *words)


def test_a_function_in_place_of_a_format_is_refused_at_once(run):
    assert run(
        "train",
        "--config=multi_label.py",
        "--workdir=x",
        "--config.data.source=team.blocks:read_rows",
        code=2,
    ) == (
        "error: `--config.data.source` must name a "
        "trainers.data.texts.text_format.TextFormat. Received: "
        "'team.blocks:read_rows', which is of the class function.\n"
    )


def test_without_the_package_the_error_says_where_python_looks(
    home, run_command, tmp_path
):
    """After the first test, whose run is read elsewhere."""
    run = run_command(
        "trainers.evaluate", f"--workdir={home / 'cnn'}", cwd=tmp_path
    )
    assert run.returncode == 2
    assert run.stderr == (
        f"error: `--config={home / 'cnn' / 'config.json'}` cannot be loaded: "
        "`config.model.kind` must be importable. Received: "
        "'team.tiny_cnn:TinyCnnConfig': ModuleNotFoundError: No module named "
        "'team'. Python imports from the current directory and from those in "
        "PYTHONPATH.\n"
    )
