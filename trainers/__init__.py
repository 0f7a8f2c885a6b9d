"""Trains Keras models on labelled data and exports proved SavedModels.

>>> import trainers
>>> config = trainers.load_config("configs/mnist_mlp.py:smoke")
>>> config = config.with_overrides({"optimizer.learning_rate": "3e-4"})
>>> config.optimizer.learning_rate
0.0003

`trainers.train_and_evaluate(config, workdir)` trains a model. After that,
`trainers.evaluate(config, workdir)` and `trainers.export_best(config, workdir)`
use its best weights, and `trainers.connect(...)` asks an export.
"""

import importlib

# Imported at first use, because TensorFlow takes seconds.
_PUBLIC = {
    "connect": ("trainers.prediction.connect", "connect"),
    "evaluate": ("trainers.evaluation.evaluator", "evaluate"),
    "export_best": ("trainers.serving.exporter", "export_best"),
    "load_config": ("trainers.config.files", "load"),
    "train_and_evaluate": ("trainers.training.trainer", "train_and_evaluate"),
}
__all__ = list(_PUBLIC)


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__():
    return sorted({*globals(), *_PUBLIC})
