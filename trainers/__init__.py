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
import sys
import types

# Imported at first use, because TensorFlow takes seconds.
_PUBLIC = {
    "connect": ("trainers.prediction.connect", "connect"),
    "evaluate": ("trainers.evaluation.evaluator", "evaluate"),
    "export_best": ("trainers.serving.exporter", "export_best"),
    "load_config": ("trainers.config.files", "load"),
    "train_and_evaluate": ("trainers.training.trainer", "train_and_evaluate"),
}
__all__ = list(_PUBLIC)


class _Package(types.ModuleType):
    """Keeps a command's module, `trainers/evaluate.py`, from hiding a name."""

    def __getattr__(self, name):
        if name not in _PUBLIC:
            raise AttributeError(
                f"module {__name__!r} has no attribute {name!r}"
            )
        module, attribute = _PUBLIC[name]
        return getattr(importlib.import_module(module), attribute)

    def __setattr__(self, name, value):
        # Python sets the module as an attribute of its package.
        if name not in _PUBLIC or not isinstance(value, types.ModuleType):
            super().__setattr__(name, value)

    def __dir__(self):
        return sorted({*super().__dir__(), *_PUBLIC})


sys.modules[__name__].__class__ = _Package
