"""Augmentation: against the layers of Keras, and by hand."""

import keras
import numpy as np
import pytest

from trainers.config.data import ImageDataConfig
from trainers.tasks.inputs import augmentation

Config = ImageDataConfig
SIGNED = (-1.0, -0.3, 0.55, 1.0)  # A share of the largest change, four rows.
ALL = Config(random_shift=0.2, random_rotation=30, random_zoom=0.25)


def make_images(shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def make_draws(**columns):
    """Returns draws of 0.5 but for `down`, `right`, `rotation`, `zoom`."""
    names = ("down", "right", "rotation", "zoom")
    rows = len(next(iter(columns.values())))
    draws = np.full((rows, augmentation.NUM_DRAWS), 0.5, np.float32)
    for name, signed in columns.items():
        draws[:, names.index(name)] = (np.asarray(signed) + 1) / 2
    return draws


def transform(images, config, draws):
    return augmentation.transform(images, config, draws).numpy()


def by_layer(images, make_layer):
    """Applies a layer with fixed factors to each image.

    Args:
        images: `[batch, height, width]` or `[batch, height, width, 3]`.
        make_layer: From a share in `SIGNED` to the layer, whose range of
            random factors is that one number.
    """
    rows = []
    for image, signed in zip(images, SIGNED, strict=True):
        layer = make_layer(
            signed, fill_mode="constant", data_format="channels_last"
        )
        image = image.astype(np.float32)
        grey = image.ndim == 2
        batch = image[None, ..., None] if grey else image[None]
        moved = np.asarray(layer(batch, training=True))[0]
        rows.append(moved[..., 0] if grey else moved)
    return np.stack(rows)


def shift_layer(signed, **settings):
    down, right = 0.2 * signed, -0.1 * signed
    return keras.layers.RandomTranslation(
        (down, down), (right, right), **settings
    )


def rotation_layer(signed, **settings):
    turn = 30 / 360 * signed
    return keras.layers.RandomRotation((turn, turn), **settings)


def zoom_layer(signed, **settings):
    return keras.layers.RandomZoom((0.25 * signed,) * 2, **settings)


# A grey and a colour shape; height and width differ.
SHAPES = pytest.mark.parametrize(
    "shape", [(4, 9, 12), (4, 9, 12, 3)], ids=["grey", "colour"]
)


@SHAPES
@pytest.mark.parametrize(
    ("config", "draws", "make_layer"),
    [
        (
            Config(random_shift=0.2),
            make_draws(down=SIGNED, right=np.multiply(-0.5, SIGNED)),
            shift_layer,
        ),
        (
            Config(random_rotation=30),
            make_draws(rotation=SIGNED),
            rotation_layer,
        ),
        (Config(random_zoom=0.25), make_draws(zoom=SIGNED), zoom_layer),
    ],
    ids=["shift", "rotation", "zoom"],
)
def test_each_change_alone_equals_the_layer_of_keras(
    shape, config, draws, make_layer
):
    images = make_images(shape)
    got = transform(images, config, draws)
    expected = by_layer(images, make_layer)
    assert got.shape == expected.shape == shape
    # Of 255: float32 positions times differences of neighbouring pixels.
    np.testing.assert_allclose(got, expected, atol=0.01)
    assert np.abs(got - images).max(axis=(1, 2)).min() > 20


@SHAPES
def test_draws_of_one_half_leave_images_as_they_are(shape):
    images = make_images(shape)
    got = transform(images, ALL, np.full((4, 4), 0.5, np.float32))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, images)


def test_a_draw_of_what_is_not_configured_changes_nothing():
    images = make_images((4, 9, 12))
    draws = np.random.default_rng(1).uniform(size=(4, 4)).astype(np.float32)
    np.testing.assert_array_equal(transform(images, Config(), draws), images)


def test_each_image_is_changed_by_its_own_draws():
    images = make_images((4, 9, 12))
    draws = np.random.default_rng(1).uniform(size=(4, 4)).astype(np.float32)
    together = transform(images, ALL, draws)
    for row in range(4):
        alone = transform(images[row : row + 1], ALL, draws[row : row + 1])
        np.testing.assert_allclose(together[row], alone[0], atol=1e-4)


def test_a_shift_by_whole_pixels_moves_them_down_and_right():
    image = np.arange(1, 17, dtype=np.uint8).reshape(1, 4, 4)
    draws = make_draws(down=[1.0], right=[0.5])
    got = transform(image, Config(random_shift=0.5), draws)
    assert got.tolist() == [
        [[0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 2, 3], [0, 5, 6, 7]]
    ]


def test_a_quarter_turn_goes_against_the_clock():
    image = make_images((1, 5, 5))
    got = transform(
        image, Config(random_rotation=90), make_draws(rotation=[1.0])
    )
    np.testing.assert_allclose(got[0], np.rot90(image[0]), atol=0.01)


def test_a_zoom_above_0_makes_things_smaller():
    image = np.full((1, 8, 8), 255, np.uint8)
    got = transform(image, Config(random_zoom=0.5), make_draws(zoom=[1.0]))
    # Scaled by 1 / 1.5: pixels 0 and 7 come from 1.75 outside.
    assert (got[0, 0] == 0).all()
    assert (got[0, :, 7] == 0).all()
    assert (got[0, 2:6, 2:6] == 255).all()


def test_an_image_is_turned_first_and_shifted_then():
    image = make_images((1, 5, 5))
    config = Config(random_rotation=90, random_shift=0.4)
    got = transform(
        image, config, make_draws(rotation=[1.0], down=[1.0], right=[-0.5])
    )
    turned = np.rot90(image[0])
    expected = np.zeros((5, 5))
    expected[2:, :4] = turned[:3, 1:]  # Two down, one to the left.
    np.testing.assert_allclose(got[0], expected, atol=0.01)
