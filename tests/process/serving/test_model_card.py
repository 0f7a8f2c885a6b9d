"""MODEL_CARD.md, word for word."""

import json

import pytest

from trainers.config import files
from trainers.config import tree
from trainers.run.workdir import Workdir
from trainers.runtime import atomic
from trainers.serving import exporter
from trainers.serving import model_card
from trainers.serving.proof import rules


@pytest.fixture(scope="module")
def version(smoke_workdir):
    return smoke_workdir / "export" / "mnist_mlp" / "1"


@pytest.fixture
def facts(version):
    """The manifest, as if of two classes."""
    facts = atomic.verify(version, exporter.MANIFEST)
    facts["config"]["data"]["test"] = ""
    return facts | {
        "labels": ["cat", "a|`dog`"],
        "weights_sha256": "abc",
        "fingerprint": "1/2",
        "versions": {"python": "3.11.1", "tensorflow": "2.21.0"},
    }


def of_class(f1, support):
    return {"precision": 0.5, "recall": 1.0, "f1": f1, "support": support}


METRICS = {
    "test": {
        "num_examples": 1200,
        "accuracy": 0.75,
        "macro_f1": 0.5,
        "roc_auc": None,
        "pr_auc": 0.25,
        "loss": 1.23456,
        "per_class": {
            "cat": of_class(0.9, 1000),
            "a|`dog`": of_class(0.1, 200),
        },
    }
}
REPORT = {
    "classes": ["cat", "a|`dog`"],
    "splits": {
        "train": {
            "examples": 5000,
            "examples_by_class": {"cat": 4000, "a|`dog`": 1000},
        },
        "test": {
            "examples": 1200,
            "examples_by_class": {"cat": 1000, "a|`dog`": 200},
        },
    },
    "warnings": ["a warning\nin two lines"],
}
CARD = """\
# mnist_mlp, version 1

Classifies grey images of 28 x 28 pixels into 2 classes: `cat`, `` a\\|`dog` ``.

## Intended use

<!-- Written by people; the next export keeps it. -->

**To be filled in by people.**

- Intended users and decisions:
- Uses that are not allowed:
- Who is harmed by a wrong answer, and how:
- Who maintains the model:

<!-- The next export writes all that follows anew. -->

## Data

| setting | |
|---|---|
| `source` | `tfds_directory` |
| `path` | `package://trainers.data.mnist_subset/1.0.0` |
| `train` | `train[:500]` |
| `validation` | `validation[:100]` |

| examples | train | test |
|---|---:|---:|
| `cat` | 4,000 | 1,000 |
| `` a\\|`dog` `` | 1,000 | 200 |
| all | 5,000 | 1,200 |

- a warning in two lines

## Quality

On the split test, 1,200 examples, which training did not use:

| accuracy | macro F1 | ROC-AUC | PR-AUC | log loss |
|---:|---:|---:|---:|---:|
| 0.7500 | 0.5000 | not known | 0.2500 | 1.2346 |

| class | precision | recall | F1 | examples |
|---|---:|---:|---:|---:|
| `cat` | 0.5000 | 1.0000 | 0.9000 | 1,000 |
| `` a\\|`dog` `` | 0.5000 | 1.0000 | 0.1000 | 200 |

## Limits

- The model answers every input with one of its 2 classes. It cannot answer \
that none of them fits.
- The calibration of the probabilities was not measured.
- Weakest classes on the split test: `` a\\|`dog` `` (F1 0.1000), \
`cat` (F1 0.9000).
- Images of another size are resized. Images of another aspect ratio are \
stretched.

## Signatures

| signature | APIs | input | outputs |
|---|---|---|---|
| `classify` | predict, classify | `inputs: string[batch]` | \
`classes: string[batch, 10]`, `scores: float32[batch, 10]` |
| `image_bytes` | predict | `image_bytes: string[batch]` | \
`class_id: int64[batch]`, `label: string[batch]`, \
`logits: float32[batch, 10]`, `probabilities: float32[batch, 10]` |
| `serving_default` | predict | `image: float32[batch, 28, 28]` | \
`class_id: int64[batch]`, `label: string[batch]`, \
`logits: float32[batch, 10]`, `probabilities: float32[batch, 10]` |

## Serving

Run these commands in the directory of this file. The first one serves the \
model with TensorFlow Serving 2.18 or newer. The second one serves it without \
Docker. The third one sends a request:

```sh
docker run -p 8501:8501 -v "$PWD":/models/mnist_mlp tensorflow/serving:2.20.0 \\
    --model_config_file=/models/mnist_mlp/models.config \\
    --enable_batching \\
    --batching_parameters_file=/models/mnist_mlp/batching.config \\
    --monitoring_config_file=/models/mnist_mlp/monitoring.config
python -m trainers.serve --model_base_path=. --model_name=mnist_mlp --port=8501
curl http://localhost:8501/v1/models/mnist_mlp:predict -d @request.json
```

## Python

Load the SavedModel with `tensorflow`, without this project:

```python
import tensorflow as tf

model = tf.saved_model.load("1")
predict = model.signatures["serving_default"]
print(predict(image=tf.zeros([1, 28, 28], tf.float32)))
```

## Identity

| | |
|---|---|
| files | 0.4 MB |
| weights | 0.2 MB, 55,050 parameters of training step 16 |
| SHA-256 of the weights | abc |
| fingerprint of the SavedModel | 1/2 |
| oldest TensorFlow Serving | 2.18 |
| allowed batch sizes | 1, 2, 4, 8, 16, 32 |
| exported with | python 3.11.1, tensorflow 2.21.0 |

SHA-256 of each file and all settings: `1/assets.extra/manifest.json`.
"""


def card_of(version, facts, workdir, old=""):
    signatures = rules.signatures(rules.read(version))
    return model_card.make(version, facts, signatures, Workdir(workdir), old)


def write(workdir, metrics=METRICS, report=REPORT):
    (workdir / "metrics.json").write_text(json.dumps(metrics))
    (workdir / "data_report.json").write_text(json.dumps(report))


def test_the_card_says_all_that_is_known(version, facts, tmp_path):
    write(tmp_path)
    assert card_of(version, facts, tmp_path) == CARD


def section(card, title):
    return card.partition(f"## {title}\n\n")[2].partition("\n\n## ")[0]


def test_what_was_not_measured_is_not_made_up(version, facts, tmp_path):
    card = card_of(version, facts, tmp_path)
    assert section(card, "Quality") == "Not measured."
    assert section(card, "Data").endswith(
        "\n\nThe number of examples is not known."
    )
    assert "Weakest" not in card
    write(tmp_path, metrics={"train": {}, "test": None}, report={"errors": []})
    assert card_of(version, facts, tmp_path) == card


def test_without_a_test_split_validation_is_named_as_such(
    version, facts, tmp_path
):
    write(tmp_path, metrics={"validation": METRICS["test"]})
    assert section(card_of(version, facts, tmp_path), "Quality").startswith(
        "On the split validation, 1,200 examples, which also selected the "
        "best epoch:\n"
    )


def test_a_card_of_many_classes_shows_the_fewest_and_the_most_examples(
    version, facts, tmp_path
):
    names = [f"c{i}" for i in range(2_000)]
    by_class = {name: 5 for name in names} | {"c7": 1, "c3": 90}
    report = {
        "splits": {
            "train": {"examples": 10_081, "examples_by_class": by_class},
            "test": {
                "examples": 2_000,
                "examples_by_class": dict.fromkeys(names, 1),
            },
        },
        "warnings": [],
    }
    write(tmp_path, report=report)
    data = section(card_of(version, facts, tmp_path), "Data")
    rows = [line for line in data.splitlines() if line.startswith("| `c")]
    assert len(rows) == 40
    assert rows[:2] == ["| `c0` | 5 | 1 |", "| `c1` | 5 | 1 |"]
    assert "| `c7` | 1 | 1 |" in rows and "| `c3` | 90 | 1 |" in rows
    assert data.endswith(
        "| 1,960 others | 9,800 | 1,960 |\n"
        "| all | 10,081 | 2,000 |\n"
        "\n"
        "The table has the classes with the fewest and with the most examples; "
        "`data_report.json` of the run has all of them."
    )


def test_a_card_of_texts_has_their_limits(version, facts, tmp_path):
    config = files.load("configs/bert_classifier.py:smoke")
    facts["config"] = tree.to_tree(config)
    card = card_of(version, facts, tmp_path)
    assert "\nClassifies texts into 2 classes: " in card
    assert (
        "\n- The model reads the first 100,000 bytes of a text, and the first "
        "30 tokens of them.\n"
    ) in card
    facts["config"]["model"]["encoder"]["preset"] = "other"
    card = card_of(version, facts, tmp_path)
    assert "\nClassifies texts into 2 classes: " in card


def test_intended_use_is_kept_as_people_wrote_it(version, facts, tmp_path):
    card = card_of(version, facts, tmp_path)
    written = card.replace(
        "**To be filled in by people.**", "\\1 Sorts post.\n\n## Not for\n"
    )
    assert written != card
    facts["model"] = "other"
    again = card_of(version, facts, tmp_path, old=written)
    assert again == written.replace("mnist_mlp", "other")
    assert card_of(version, facts, tmp_path, old="# Ours\n") == "# Ours\n"
