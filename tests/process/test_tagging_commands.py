"""What commands do with a run on tagged texts."""

import json
import shutil

import pytest

from trainers import tasks
from trainers.evaluation import evaluator
from trainers.prediction import rows
from trainers.prediction.saved_model import Predictor
from trainers.run.workdir import Workdir
from trainers.serving import exporter

TEXTS = [
    "Osaka Steel thanks O'Brien for ten years of work .",
    "",
    "A parcel for Tomas Okafor waits, \U0001f469\u200d a\u0301 \u5317\u4eac.",
    # Several windows of 32 tokens.
    "The meeting of Radio Nine in Green Hill is moved to next Tuesday . " * 9,
]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    file = tmp_path_factory.mktemp("texts") / "texts.txt"
    file.write_text("".join(f"{text}\n" for text in TEXTS))
    return file


def lines_of(run):
    assert (run.returncode, run.stderr) == (0, "")
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_predicted_spans_are_read_back(
    run_command, smoke_tagger_workdir, file, tmp_path
):
    """Each line is a text with spans, as files for training have them."""
    run = run_command(
        "trainers.predict", f"--workdir={smoke_tagger_workdir}", str(file)
    )
    answers = lines_of(run)
    assert [answer["text"] for answer in answers] == TEXTS
    assert [answer["example"] for answer in answers] == [
        f"{file}, line {line}" for line in (1, 2, 3, 4)
    ]
    assert [set(answer) for answer in answers] == [
        {"example", "text", "label"}
    ] * 4
    # The last window has entities, too.
    assert answers[3]["label"][-1][0] > len(TEXTS[3]) - 70
    predicted = tmp_path / "predicted.jsonl"
    predicted.write_text(run.stdout)
    paths = Workdir(smoke_tagger_workdir)
    config = paths.read_config()
    task = tasks.restore_task(config, paths)
    raw = task.inputs.load_raw(config.data, str(predicted), task.objective)
    types = task.objective.types
    assert [
        [
            [start, end, types[(-1 - tag) // 2]]
            for start, end, tag in items.tolist()
        ]
        for items in raw.targets
    ] == [answer["label"] for answer in answers]
    # A model is right about what it has said itself.
    network, _ = evaluator.load_best(task, paths)
    examples = task.inputs.load_one(config.data, str(predicted), task.objective)
    metrics = evaluator.evaluate_examples(
        network, task, examples, name="predicted"
    )
    assert metrics["span_f1"] == 1
    assert metrics["entity_f1"] == 1


def test_an_export_a_server_and_the_best_weights_answer_alike(
    tagger_export, served_tagger, smoke_tagger_workdir, file
):
    scored, expected = (
        list(rows.predict(tagger_export, None, files=[str(file)], scores=x))
        for x in (True, False)
    )
    served = list(rows.predict(served_tagger, None, files=[str(file)]))
    assert served == expected
    served = rows.predict(served_tagger, None, files=[str(file)], scores=True)
    for answer, one in zip(served, scored, strict=True):
        # The server computes each text alone.
        assert answer.pop("score") == pytest.approx(one.pop("score"), abs=1e-6)
        assert answer == one
    config = Workdir(smoke_tagger_workdir).read_config()
    best = rows.predict_best(
        config,
        smoke_tagger_workdir,
        dtype_policy="float32",
        files=[str(file)],
    )
    assert list(best) == expected


def test_a_split_is_answered_with_texts_and_targets(tagger_export):
    first = next(
        iter(rows.predict(tagger_export, None, split="test", scores=True))
    )
    assert list(first) == ["example", "text", "true_label", "label", "score"]
    assert len(first["score"]) == len(first["label"])
    assert len(first["true_label"].split()) == len(first["text"].split())


def test_an_export_has_the_width_of_its_settings(
    smoke_tagger_workdir, tmp_path
):
    """Another width is another version, of the same weights."""
    workdir = shutil.copytree(smoke_tagger_workdir, tmp_path / "run")
    config = Workdir(workdir).read_config()
    assert exporter.export_once(config, workdir).name == "1"
    narrow = config.with_overrides({"export.max_entities": 2})
    version = exporter.export_once(narrow, workdir)
    assert version.name == "2"
    assert exporter.export_once(narrow, workdir) == version
    answer = Predictor(version)("serving_default", {"text": [TEXTS[3]]})
    assert answer["entity_start"].shape == (1, 2)
    assert answer["num_entities"].tolist()[0] > 2
