"""A small convolutional network for images."""

import dataclasses

from tfmodels.model_config import ModelConfig
from tfmodels.settings import setting


@dataclasses.dataclass(slots=True)
class TinyCnnConfig(ModelConfig):
    """Settings of the network: image shape and filters."""

    image_shape: tuple[int, ...] = setting(
        (28, 28), "Height and width, and 3 for colour images.", at_least=1
    )
    filters: tuple[int, ...] = setting(
        (16, 32), "Filters of each convolution.", at_least=1
    )

    def build(self, num_outputs):
        """Builds the network.

        Args:
            num_outputs: int. Number of logits.

        Returns:
            `keras.Model` from `{"image": float32[batch, *image_shape]}` to
            logits `float32[batch, num_outputs]`.
        """
        import keras  # Here: a config file must not wait for this import.

        image = keras.Input(self.image_shape, name="image")
        channels = self.image_shape[2:] or (1,)
        x = keras.layers.Reshape((*self.image_shape[:2], *channels))(image)
        for index, filters in enumerate(self.filters):
            x = keras.layers.Conv2D(
                filters, 3, 2, "same", activation="relu", name=f"conv_{index}"
            )(x)
        x = keras.layers.GlobalAveragePooling2D(name="average")(x)
        logits = keras.layers.Dense(
            num_outputs, dtype="float32", name="logits"
        )(x)
        return keras.Model({"image": image}, logits, name="tiny_cnn")
