"""Kinds as users write them, in a module of their own."""

import dataclasses

from tfmodels.model_config import ModelConfig
from tfmodels.settings import setting
from trainers.objectives.objective import Objective
from trainers.objectives.objective import ObjectiveConfig


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
