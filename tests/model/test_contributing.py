"""The examples of CONTRIBUTING.md work when they are followed."""

import importlib.util
import re
import sys

import numpy as np
from repository import ROOT

import tfmodels
from trainers.config import files
from trainers.data.images import loading
from trainers.serving import exporter
from trainers.training import trainer

DOCUMENT = ROOT / "CONTRIBUTING.md"


def load_example(name, tmp_path, module_name):
    text = DOCUMENT.read_text(encoding="utf-8")
    pattern = rf"<!-- example: {name} -->\n```python\n(.*?)```"
    file = tmp_path / f"{name}.py"
    file.write_text(re.search(pattern, text, re.S)[1], encoding="utf-8")
    spec = importlib.util.spec_from_file_location(module_name, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_model_and_source_train_and_export(tmp_path, monkeypatch):
    model = load_example("model", tmp_path, "tfmodels.tiny_cnn")
    monkeypatch.setitem(tfmodels.MODEL_CONFIGS, "tiny_cnn", model.TinyCnnConfig)
    monkeypatch.setitem(
        tfmodels._BUILDERS, model.TinyCnnConfig, model.make_tiny_cnn
    )
    name = f"{loading.__name__}.npy"
    source = load_example("source", tmp_path, name)
    monkeypatch.setitem(sys.modules, name, source)
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
    config.data.path = str(tmp_path)
    # `validate` would refuse the source, which is not in the choices.
    monkeypatch.setattr(trainer.config_lib, "validate", lambda config: None)
    config.data.source = "npy"
    metrics = trainer.train_and_evaluate(config, tmp_path / "run")
    assert metrics["test"]["accuracy"] == 1.0
    assert metrics["test"]["num_examples"] == 20
    version = exporter.export_best(config, tmp_path / "run")
    assert version == tmp_path / "run" / "export" / "mnist_mlp" / "1"
