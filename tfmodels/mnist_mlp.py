"""A multi-layer perceptron for small images."""

import dataclasses

from tfmodels.model_config import ModelConfig
from tfmodels.settings import setting


@dataclasses.dataclass(slots=True)
class MnistMlpConfig(ModelConfig):
    """Settings of the network: image shape, hidden layers, regularization.

    >>> config = MnistMlpConfig(image_shape=(8, 8), hidden_dims=(16,))
    >>> config.build(num_outputs=10).count_params()
    1210
    """

    image_shape: tuple[int, ...] = setting(
        (28, 28),
        "Height and width of an image in pixels. Colour images have 3 as a "
        "third number.",
        at_least=1,
    )
    hidden_dims: tuple[int, ...] = setting(
        (64, 64), "Units of each hidden layer, from first to last.", at_least=1
    )
    activation: str = setting(
        "relu",
        "Activation of the hidden layers.",
        choices=("relu", "gelu", "tanh", "sigmoid", "silu"),
    )
    dropout: float = setting(
        0.0, "Share of hidden units that training drops.", at_least=0, below=1
    )
    l2: float = setting(
        0.0,
        "Factor of the sum of the squared kernels in the loss; 0 adds nothing.",
        at_least=0,
    )

    def build(self, num_outputs):
        """Builds the network, see `make_mnist_mlp`.

        Args:
            num_outputs: int. Number of logits.
        """
        return make_mnist_mlp(self, num_outputs)


def make_mnist_mlp(config, num_outputs):
    """Builds the network.

    Args:
        config: `MnistMlpConfig`.
        num_outputs: int. Number of logits.

    Returns:
        `keras.Model` from `{"image": float32[batch, *image_shape]}` to logits
        `float32[batch, num_outputs]`. Pixels are from 0 to 1.
    """
    # Not at the top: a config file imports this module, and the report of a
    # wrong flag must not wait three seconds for TensorFlow.
    import keras

    def dense(units, name, **kwargs):
        regularizer = keras.regularizers.L2(config.l2) if config.l2 else None
        return keras.layers.Dense(
            units, kernel_regularizer=regularizer, name=name, **kwargs
        )

    image = keras.Input(config.image_shape, name="image")
    x = keras.layers.Flatten(name="flatten")(image)  # [batch, num_pixels]
    for index, hidden_dim in enumerate(config.hidden_dims):
        x = dense(hidden_dim, f"hidden_{index}", activation=config.activation)(
            x
        )
        if config.dropout:
            x = keras.layers.Dropout(config.dropout, name=f"dropout_{index}")(x)
    # float32 under every policy: a softmax over bfloat16 loses digits.
    logits = dense(num_outputs, "logits", dtype="float32")(x)
    return keras.Model({"image": image}, logits, name="mnist_mlp")
