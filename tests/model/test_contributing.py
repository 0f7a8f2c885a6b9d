"""The examples of CONTRIBUTING.md work when they are followed."""

import dataclasses
import importlib.util
import re
import sys

import numpy as np
from repository import ROOT

import tfmodels
from trainers.config import ImageDataConfig
from trainers.config import files
from trainers.data.images import loading
from trainers.serving import exporter
from trainers.training import trainer

DOCUMENT = ROOT / "CONTRIBUTING.md"


def load_example(name, tmp_path, module_name):
    text = DOCUMENT.read_text(encoding="utf-8")
    pattern = rf"<!-- example: {name} -->\n```python\n(.*?)```"
    code = re.search(pattern, text, re.S)[1]
    # The first line names the file of this module.
    file = f"# {module_name.replace('.', '/')}.py"
    assert code.splitlines()[0] == file
    path = tmp_path / f"{name}.py"
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(module_name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_model_and_source_train_and_export(tmp_path, monkeypatch):
    model = load_example("model", tmp_path, "tfmodels.tiny_cnn")
    monkeypatch.setitem(tfmodels.MODEL_CONFIGS, "tiny_cnn", model.TinyCnnConfig)
    monkeypatch.setitem(
        tfmodels._BUILDERS, model.TinyCnnConfig, model.make_tiny_cnn
    )
    name = f"{loading.__package__}.npy"
    source = load_example("source", tmp_path, name)
    monkeypatch.setitem(sys.modules, name, source)
    monkeypatch.setitem(loading._MODULES, "npy", "npy")
    (field,) = (
        f for f in dataclasses.fields(ImageDataConfig) if f.name == "source"
    )
    rule = field.metadata["rule"]
    monkeypatch.setitem(rule, "choices", (*rule["choices"], "npy"))
    # Class 1 is bright, class 0 is dark.
    labels = np.arange(200) % 2
    rng = np.random.default_rng(0)
    images = rng.integers(0, 100, (200, 28, 28)) + labels[:, None, None] * 100
    np.save(tmp_path / "images.npy", images.astype(np.uint8))
    np.save(tmp_path / "labels.npy", labels)

    config = files.load("configs/mnist_mlp.py")
    config.model = model.TinyCnnConfig(filters=(4,))
    config.trainer.epochs = 15
    config.optimizer.learning_rate = 0.1
    config.data.source = "npy"
    config.data.path = str(tmp_path)
    metrics = trainer.train_and_evaluate(config, tmp_path / "run")
    assert metrics["test"]["accuracy"] == 1.0
    assert metrics["test"]["num_examples"] == 20
    version = exporter.export_best(config, tmp_path / "run")
    assert version == tmp_path / "run" / "export" / "mnist_mlp" / "1"


def test_paths_and_names_in_the_document_exist():
    text = DOCUMENT.read_text(encoding="utf-8")
    paths = re.findall(r"\]\(([\w/.]+)(?:#[\w-]+)?\)", text)
    paths += re.findall(r"`((?:tfmodels|trainers|tests)/[\w/.]*)`", text)
    assert len(paths) > 20
    for path in paths:
        assert (ROOT / path).exists(), path
    for table, module in re.findall(
        r"`(_?[A-Z_]+)`(?: and `_?[A-Z_]+`)?\s+in\s+`([\w/]+\.py)`", text
    ):
        assert f"\n{table} = " in (ROOT / module).read_text(encoding="utf-8")
