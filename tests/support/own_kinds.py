"""Kinds as users write them, in a module of their own."""

import dataclasses

from tfmodels.model_config import ModelConfig
from tfmodels.settings import setting
from trainers.config.data import DataConfig
from trainers.objectives.objective import Objective
from trainers.objectives.objective import ObjectiveConfig
from trainers.objectives.single_label import SingleLabel
from trainers.objectives.single_label import SingleLabelConfig


@dataclasses.dataclass(slots=True)
class OwnObjectiveConfig(ObjectiveConfig):
    """Needs three epochs, and has a setting of `SingleLabelConfig`."""

    label_smoothing: float = setting(0.25, "Share of something.", at_least=0)
    margin: float = setting(1.0, "Width of something.", above=0)

    def make_objective(self):
        return Objective()

    def problems(self, config):
        if config.trainer.epochs < 3:
            yield f"Not from {config.trainer.epochs} epochs."


@dataclasses.dataclass(slots=True)
class OwnDataConfig(DataConfig):
    """Has only what all data must have, and splits of its own."""

    global_batch_size: int = setting(8, "Rows in a step.", at_least=1)


@dataclasses.dataclass(slots=True)
class StopWordsConfig(OwnDataConfig):
    """Has a file that changes features, and no examples."""

    stop_words: str = setting("", "File of words to drop.", is_path=True)


@dataclasses.dataclass(slots=True)
class KeyedLabelsConfig(SingleLabelConfig):
    """Settings of `KeyedLabels`."""

    def make_objective(self):
        return KeyedLabels(self)


class KeyedLabels(SingleLabel):
    """Has a state that JSON changes: numbers as keys, and tuples."""

    def fitted(self, splits, source_names=None):
        objective, targets = super().fitted(splits, source_names)
        return KeyedLabels(self._config, objective.names), targets

    def for_training(self, targets):
        return self

    def state(self):
        return {number: (name,) for number, name in enumerate(self.names)}

    def restored(self, state):
        return KeyedLabels(self._config, [names[0] for names in state.values()])


class Outer:
    """Contains a class that has settings."""

    @dataclasses.dataclass(slots=True)
    class InnerConfig(OwnObjectiveConfig):
        """Is not at the top level of its module."""


class NoDataclassConfig(ObjectiveConfig):
    """Has no settings that a flag could name."""


@dataclasses.dataclass
class OtherConfig:
    """Is derived from none of the classes of kinds."""


@dataclasses.dataclass(slots=True)
class OneUnitConfig(ModelConfig):
    """Settings of a model for images with one hidden unit."""

    image_shape: tuple[int, ...] = setting((28, 28), "Size of an image.")

    def build(self, num_outputs):
        import keras

        image = keras.Input(self.image_shape, name="image")
        x = keras.layers.Dense(1, name="unit")(keras.layers.Flatten()(image))
        logits = keras.layers.Dense(num_outputs, name="logits")(x)
        return keras.Model({"image": image}, logits)
