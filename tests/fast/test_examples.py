"""The examples in docstrings give what they show."""

import ast
import doctest
import importlib

import pytest
from repository import ROOT

# What users of the Python API, and authors of a new model, task or source,
# build themselves. The rest is made by these.
PUBLIC_CLASSES = [
    "tfmodels.bert.config.EncoderConfig",
    "tfmodels.bert.fast_layer.FastDropout",
    "tfmodels.bert.fast_layer.FastTransformerEncoder",
    "tfmodels.bert.inference.BertInference",
    "tfmodels.bert.wordpiece.WordPieceTokenizer",
    "tfmodels.bert.model_config.BertModelConfig",
    "tfmodels.bert_classifier.BertClassifierConfig",
    "tfmodels.mnist_mlp.MnistMlpConfig",
    "trainers.config.data.ImageDataConfig",
    "trainers.config.data.TextDataConfig",
    "trainers.config.experiment.ExperimentConfig",
    "trainers.config.export.ExportConfig",
    "trainers.config.optimizer.OptimizerConfig",
    "trainers.config.trainer.TrainerConfig",
    "trainers.runtime.columns.Ragged",
    "trainers.data.examples.Examples",
    "trainers.data.examples.Source",
    "trainers.data.examples.Splits",
    "trainers.data.places.Places",
    "trainers.data.pipeline.Shard",
    "trainers.data.texts.text_format.TextFormat",
    "trainers.distribution.tf_config.Cluster",
    "trainers.objectives.single_label.SingleLabel",
    "trainers.objectives.single_label.SingleLabelConfig",
    "trainers.prediction.saved_model.Predictor",
    "trainers.run.best_weights.BestWeights",
    "trainers.run.step_directories.StepDirectories",
    "trainers.run.workdir.Workdir",
    "trainers.runtime.signals.StopRequest",
    "trainers.runtime.signals.TwoSignals",
    "trainers.server.batches.Parameters",
    "trainers.server.limits.Limits",
    "trainers.server.model_versions.Policy",
    "trainers.server.settings.Settings",
    "trainers.tasks.Task",
    "trainers.tasks.inputs.images.Images",
    "trainers.tasks.inputs.texts.Texts",
    "trainers.training.fused_adam.FusedAdam",
    "trainers.training.fused_adam.FusedAdamW",
    "trainers.training.model.TrainingModel",
    "trainers.training.optimizers.LearningRate",
    "trainers.training.steps.Steps",
    "trainers.training.trackers.tracker.Tracker",
]


def modules_with_examples():
    """Yields the names of modules with `>>>` in a docstring."""
    for package in ("tfmodels", "trainers"):
        for file in sorted((ROOT / package).rglob("*.py")):
            if ">>>" in file.read_text(encoding="utf-8"):
                parts = file.relative_to(ROOT).with_suffix("").parts
                yield ".".join(parts).removesuffix(".__init__")


@pytest.mark.parametrize("name", list(modules_with_examples()))
def test_examples_give_what_they_show(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(
        importlib.import_module(name),
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
    )
    assert found.attempted > 0
    assert found.failed == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", PUBLIC_CLASSES)
def test_a_public_class_has_an_example(name):
    module, _, cls = name.rpartition(".")
    file = ROOT / f"{module.replace('.', '/')}.py"
    if not file.exists():
        file = file.with_suffix("") / "__init__.py"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    (found,) = [
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == cls
    ]
    # Of the class or of one of its methods.
    docstrings = [
        ast.get_docstring(node) or ""
        for node in ast.walk(found)
        if isinstance(node, (ast.ClassDef, ast.FunctionDef))
    ]
    assert any(">>>" in docstring for docstring in docstrings)
