"""Networks whose rows depend on each other are refused."""

import keras
import numpy as np
import pytest

from tfmodels.model_config import ModelConfig
from trainers.config import ExperimentConfig
from trainers.errors import ConfigError
from trainers.training import fitting


@pytest.fixture
def make_network():
    """Returns `fitting.make_network` for a network around some layers."""

    def make(*layers):
        class Around(ModelConfig):
            def build(self, num_outputs):
                image = keras.Input((28, 28), name="image")
                x = keras.layers.Flatten(name="flatten")(image)
                for layer in layers:
                    x = layer(x)
                logits = keras.layers.Dense(num_outputs, name="logits")(x)
                return keras.Model({"image": image}, logits)

        return fitting.make_network(ExperimentConfig(model=Around()), 3)

    return make


class Inner(keras.layers.Layer):
    """A layer of a user, with another one inside."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = keras.layers.BatchNormalization(name="norm")

    def call(self, x, training=False):
        return self.norm(x, training=training)


def test_batch_normalization_is_refused_by_name(make_network):
    with pytest.raises(ConfigError) as error:
        make_network(keras.layers.BatchNormalization(name="bn"))
    assert str(error.value) == (
        "`config.model`: the layer 'bn' must not be a BatchNormalization: in "
        "training, its result for a row depends on the other rows of the "
        "batch, so also on the rows that fill the last batch, on the number "
        "of replicas and on --config.optimizer.accumulation_steps. Use "
        "GroupNormalization or LayerNormalization, or freeze the layer with "
        "`trainable=False`."
    )


@pytest.mark.parametrize("layer", [Inner(name="mine")], ids=["inner"])
def test_one_inside_of_another_layer_is_found(layer, make_network):
    with pytest.raises(ConfigError, match="the layer 'mine/norm' must not be"):
        make_network(layer)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.ActivityRegularization(0.1, name="mine"),
        keras.layers.Dense(2, activity_regularizer="l2", name="mine"),
        keras.layers.Dense(
            2, activity_regularizer="l2", trainable=False, name="mine"
        ),
    ],
    ids=["layer", "attribute", "frozen"],
)
def test_a_loss_of_activations_is_refused(layer, make_network):
    with pytest.raises(ConfigError) as error:
        make_network(layer)
    assert str(error.value) == (
        "`config.model`: the layer 'mine' must not have an "
        "`activity_regularizer`: its loss counts the rows that fill the last "
        "batch, so the result depends on the number of replicas and on "
        "--config.optimizer.accumulation_steps. Remove it, or use a "
        "`kernel_regularizer`."
    )


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Dense(4, kernel_regularizer="l2"),
        keras.layers.BatchNormalization(trainable=False),
        keras.layers.LayerNormalization(),
        keras.layers.GroupNormalization(groups=4),
    ],
    ids=["kernel", "frozen", "layer", "group"],
)
def test_what_takes_each_row_alone_is_allowed(layer, make_network):
    network = make_network(layer)
    rows = np.random.default_rng(0).random((4, 28, 28), np.float32)
    whole = network({"image": rows}, training=True).numpy()
    part = network({"image": rows[:2]}, training=True).numpy()
    np.testing.assert_allclose(part, whole[:2], rtol=1e-5, atol=1e-6)
