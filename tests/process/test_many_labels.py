"""One run on many labels: what it decides, exports, answers and writes."""

import json
import urllib.request

import numpy as np
import pytest

from trainers import tasks
from trainers.evaluation import evaluator
from trainers.metrics import label_names
from trainers.metrics import thresholds as thresholds_lib
from trainers.prediction import rows
from trainers.run.workdir import Workdir
from trainers.tasks import example_signatures


@pytest.fixture(scope="module")
def run(smoke_label_workdir):
    """The `Workdir` of the run."""
    return Workdir(smoke_label_workdir)


@pytest.fixture(scope="module")
def task(run):
    return tasks.restore_task(run.read_config(), run)


@pytest.fixture(scope="module")
def answers(label_export):
    """What the export answers for the split `test`."""
    return list(rows.predict(label_export, None, split="test", scores=True))


def test_thresholds_are_chosen_on_validation_and_kept(run, task, label_export):
    metrics = json.loads((run.path / "metrics.json").read_text())
    chosen = {
        name: numbers["threshold"]
        for name, numbers in metrics["validation"]["per_label"].items()
    }
    assert len(set(chosen.values())) > 20
    assert run.read_decisions() == {"thresholds": chosen}
    manifest = label_export / "1/assets.extra/manifest.json"
    assert json.loads(manifest.read_text())["decisions"] == {
        "thresholds": chosen
    }
    assert task.objective.thresholds == [
        chosen[name] for name in task.objective.names
    ]
    assert metrics["validation"]["thresholds_of"] == "this split"
    test = metrics["test"]
    assert test["thresholds_of"] == "the run"
    assert {k: x["threshold"] for k, x in test["per_label"].items()} == chosen
    # `evaluate` measures with the same thresholds.
    again = evaluator.evaluate(run.read_config(), run.path, "test")
    for name in label_names.METRICS:
        assert again[name] == pytest.approx(test[name], abs=1e-6)
    assert again["per_label"].keys() == test["per_label"].keys()


def test_the_export_answers_as_the_evaluation_row_by_row(run, task, answers):
    network, _ = evaluator.load_best(task, run)
    config = run.read_config()
    examples = task.inputs.load_one(config.data, "test", task.objective)
    found = {}
    for numbers, kept in evaluator.Evaluator(network, task, examples).batches():
        found |= dict(zip(numbers.tolist(), kept["logits"], strict=True))
    logits = np.array([found[number] for number in range(len(examples))])
    smallest = thresholds_lib.logits_of(task.objective.thresholds)
    # No logit is at its threshold: rounding changes nothing.
    assert np.abs(logits - smallest).min() > 1e-6
    names = task.objective.names
    for row, answer in zip(logits >= smallest, answers, strict=True):
        expected = {names[label] for label in np.flatnonzero(row)}
        assert set(answer["labels"]) == expected
        falling = answer["probabilities"]
        assert falling == sorted(falling, reverse=True)
        assert falling == [answer["scores"][x] for x in answer["labels"]]
    true_labels = [answer["true_label"] for answer in answers]
    assert true_labels == [task.objective.describe(x) for x in examples.targets]


@pytest.mark.parametrize("scores", [False, True])
def test_a_served_model_answers_as_the_export(
    label_export, served_labels, tmp_path, scores
):
    file = tmp_path / "new.jsonl"
    file.write_text('{"text": "A chess game"}\n{"text": ""}\n')
    asked = {"files": [str(file)], "scores": scores}
    local = list(rows.predict(label_export, None, **asked))
    served = list(rows.predict(served_labels, None, **asked))
    assert len(local) == 2 and ("scores" in local[0]) is scores
    for one, other in zip(local, served, strict=True):
        assert list(one) == list(other)
        assert one["labels"] == other["labels"]
        for name in {"probabilities", "scores"} & one.keys():
            assert one[name] == pytest.approx(other[name], abs=1e-6)


def test_classify_ranks_all_labels_by_their_own_probability(
    label_export, served_labels
):
    text = "A chess game"
    body = {"signature_name": "classify", "examples": [{"text": text}]}
    with urllib.request.urlopen(
        f"{served_labels}:classify", json.dumps(body).encode()
    ) as response:
        ((*pairs,),) = json.load(response)["results"]
    assert len(pairs) == 45
    scores = [score for _, score in pairs]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) != pytest.approx(1, abs=0.1)
    predictor = rows.connect.connect(label_export)
    outputs = predictor("serving_default", {"text": [text]})
    wanted = dict(
        zip(
            (name.decode() for name in outputs["labels"][0]),
            outputs["probabilities"][0].tolist(),
            strict=True,
        )
    )
    assert dict(pairs) == pytest.approx(wanted, abs=1e-6)
    example = example_signatures.check_inputs(text=[text.encode()])
    ranked = predictor("classify", example)
    assert ranked["classes"][0, 0].decode() == max(wanted, key=wanted.get)


def test_the_card_says_what_an_answer_is(label_export):
    card = (label_export / "MODEL_CARD.md").read_text()
    assert "Finds which of 45 labels texts have: `admin::monitoring`" in card
    assert "threshold of the label, which is in the graph" in card
    assert "| micro F1 | macro F1 | weighted F1 | samples F1 | LRAP |" in card
    assert "so its numbers are too good" not in card
    assert "`predicted: bool[batch, 45]`" in card
