"""The image task: from bytes to model inputs, and from logits to losses."""

import math
import struct

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainers import tasks
from trainers.config import experiment
from trainers.config.data import ImageDataConfig
from trainers.objectives.single_label import SingleLabel
from trainers.tasks import example_signatures
from trainers.tasks.inputs import augmentation
from trainers.tasks.inputs.images import Images

GREY, COLOUR = (4, 6), (4, 6, 3)
CLASSES = ["left", "middle", "right"]


def make_task(image_shape=GREY, **settings):
    config = experiment.ExperimentConfig()
    config.model.image_shape = image_shape
    config.data = ImageDataConfig(**settings)
    task = tasks.make_task(config)
    return tasks.Task(task.inputs, task.objective.restored(CLASSES))


def random_image(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def encode_png(image):
    image = image[..., None] if image.ndim == 2 else image
    return tf.io.encode_png(image).numpy()


def encode_bmp(image):
    """Encodes a colour image as BMP, 24 bit, rows from the bottom."""
    height, width, _ = image.shape
    padding = b"\0" * (-3 * width % 4)
    rows = b"".join(row.tobytes() + padding for row in image[::-1, :, ::-1])
    return (
        b"BM"
        + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, *(0,) * 6)
        + rows
    )


def one_pixel_gif(red, green, blue):
    return (
        b"GIF89a\1\0\1\0\x80\0\0"
        + bytes([red, green, blue, 0, 0, 0])
        + b",\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
    )


# --- Decoding ----------------------------------------------------------------


@pytest.mark.parametrize("shape", [GREY, COLOUR], ids=["grey", "colour"])
def test_a_png_of_the_models_size_is_decoded_byte_for_byte(shape):
    image = random_image(shape)
    decoded = make_task(shape).inputs.decode(encode_png(image))
    assert decoded.dtype == tf.uint8
    np.testing.assert_array_equal(decoded, image)


@pytest.mark.parametrize("shape", [GREY, COLOUR], ids=["grey", "colour"])
def test_a_jpeg_of_the_models_size_is_what_the_jpeg_holds(shape):
    image = random_image(shape).reshape(*shape[:2], -1)
    encoded = tf.io.encode_jpeg(image, quality=90)
    expected = tf.io.decode_jpeg(encoded).numpy().reshape(shape)
    decoded = make_task(shape).inputs.decode(encoded)
    np.testing.assert_array_equal(decoded, expected)


def test_a_colour_png_becomes_grey_by_brightness():
    colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 10, 10]]
    image = np.array([colours], np.uint8)
    decoded = make_task((1, 4)).inputs.decode(encode_png(image))
    # 0.299, 0.587 and 0.114 of 255; libpng cuts off, others round.
    assert decoded.numpy().tolist() == [[76, 149, 29, 10]]


def test_a_grey_png_becomes_colour_of_equal_channels():
    image = random_image(GREY)
    decoded = make_task(COLOUR).inputs.decode(encode_png(image))
    np.testing.assert_array_equal(
        decoded, np.repeat(image[..., None], 3, axis=2)
    )


def test_transparency_is_dropped():
    image = random_image((4, 6, 4))
    decoded = make_task(COLOUR).inputs.decode(encode_png(image))
    np.testing.assert_array_equal(decoded, image[..., :3])


def test_a_bmp_is_decoded_in_colour_and_in_grey():
    image = random_image((4, 5, 3))
    encoded = encode_bmp(image)
    decoded = make_task((4, 5, 3)).inputs.decode(encoded)
    np.testing.assert_array_equal(decoded, image)
    brightness = np.round(image @ [0.299, 0.587, 0.114])
    decoded = make_task((4, 5)).inputs.decode(encoded)
    np.testing.assert_array_equal(decoded, brightness)


def test_a_grey_bmp_keeps_every_grey():
    greys = np.arange(256, dtype=np.uint8).reshape(16, 16)
    encoded = encode_bmp(np.repeat(greys[..., None], 3, axis=2))
    np.testing.assert_array_equal(
        make_task((16, 16)).inputs.decode(encoded), greys
    )


def test_a_gif_is_decoded_in_colour_and_in_grey():
    encoded = one_pixel_gif(200, 100, 50)
    colour = make_task((1, 1, 3)).inputs.decode(encoded)
    assert colour.numpy().tolist() == [[[200, 100, 50]]]
    grey = make_task((1, 1)).inputs.decode(encoded)
    assert grey.numpy().tolist() == [[round(59.8 + 58.7 + 5.7)]]


def test_a_smaller_image_is_resized_between_pixel_centres():
    image = np.array([[0, 100]], np.uint8)
    decoded = make_task((1, 4)).inputs.decode(encode_png(image))
    assert decoded.numpy().tolist() == [[0, 25, 75, 100]]


def test_a_larger_image_is_averaged_not_sampled():
    # A third of the columns is white: the columns that sampling would hit.
    image = np.array([[0, 255, 0] * 3], np.uint8)
    decoded = make_task((1, 3)).inputs.decode(encode_png(image))
    # Triangles of weights 1 2 3 2 1, at the edges 2 3 2 1, over their sum.
    edge, middle = round(255 * 3 / 8), round(255 * 3 / 9)
    assert decoded.numpy().tolist() == [[edge, middle, edge]]


def test_colour_images_of_another_size_are_resized():
    image = np.tile(np.array([10, 20, 30], np.uint8), (9, 2, 1))
    decoded = make_task(COLOUR).inputs.decode(encode_png(image))
    assert (decoded.numpy() == [10, 20, 30]).all()


@pytest.mark.parametrize("shape", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"text",
        encode_png(random_image(GREY))[:-9],
        encode_bmp(random_image(COLOUR))[:-9],
    ],
    ids=["empty", "text", "cut PNG", "cut BMP"],
)
def test_bytes_that_are_no_whole_image_raise(shape, encoded):
    with pytest.raises(tf.errors.InvalidArgumentError):
        make_task(shape).inputs.decode(encoded)


@pytest.mark.parametrize("shape", [GREY, COLOUR], ids=["grey", "colour"])
def test_decoding_is_the_same_in_eager_graph_and_tf_data(shape):
    decode = make_task(shape).inputs.decode
    encoded = [
        encode_png(random_image(shape)),
        encode_png(random_image((9, 5))),
        encode_png(random_image((3, 3, 3))),
        encode_bmp(random_image(COLOUR)),
        one_pixel_gif(200, 100, 50),
    ]
    eager = [decode(one).numpy() for one in encoded]
    graph = tf.function(decode, input_signature=[tf.TensorSpec((), tf.string)])
    dataset = tf.data.Dataset.from_tensor_slices(encoded).map(decode)
    assert dataset.element_spec == tf.TensorSpec(shape, tf.uint8)
    np.testing.assert_array_equal(eager, [graph(one) for one in encoded])
    np.testing.assert_array_equal(eager, list(dataset.as_numpy_iterator()))


# --- Preprocessing -----------------------------------------------------------


def test_bytes_become_numbers_from_0_to_1():
    image = np.array([[[0, 51, 102], [153, 204, 255]]], np.uint8)
    got = make_task((2, 3)).inputs.preprocess({"image": image})
    assert list(got) == ["image"]
    assert got["image"].dtype == tf.float32
    expected = np.array([[[0.0, 0.2, 0.4], [0.6, 0.8, 1.0]]])
    np.testing.assert_allclose(got["image"], expected, rtol=1e-7)
    assert got["image"].numpy().min() == 0
    assert got["image"].numpy().max() == 1


def test_numbers_outside_0_to_255_are_cut():
    image = np.array([[[-1e9, -0.1, 127.5], [255.1, 300, 1e9]]], np.float32)
    got = make_task((2, 3)).inputs.preprocess({"image": image})
    assert got["image"].numpy().tolist() == [[[0, 0, 0.5], [1, 1, 1]]]


def test_preprocessing_is_the_same_in_eager_graph_and_tf_data():
    task = make_task(COLOUR)
    features = {"image": random_image((5, *COLOUR))}
    eager = task.inputs.preprocess(features)["image"].numpy()
    graph = tf.function(task.inputs.preprocess)(features)["image"]
    dataset = tf.data.Dataset.from_tensors(features).map(task.inputs.preprocess)
    np.testing.assert_array_equal(eager, graph)
    np.testing.assert_array_equal(
        eager, next(dataset.as_numpy_iterator())["image"]
    )


def test_images_of_another_shape_do_not_pass():
    with pytest.raises(tf.errors.InvalidArgumentError, match="not compatible"):
        make_task(GREY).inputs.preprocess({"image": random_image((5, 6, 4))})


# --- Augmentation ------------------------------------------------------------


def test_a_task_without_augmentation_takes_no_draws():
    assert make_task().inputs.num_draws == 0


@pytest.mark.parametrize(
    "setting", ["random_shift", "random_rotation", "random_zoom"]
)
def test_each_augmentation_setting_takes_draws(setting):
    assert make_task(**{setting: 0.1}).inputs.num_draws == 4


def test_augmentation_changes_the_image_and_nothing_else():
    task = make_task(random_shift=0.25, random_rotation=20, random_zoom=0.1)
    features = {"image": random_image((5, *GREY)), "other": tf.range(5)}
    draws = np.random.default_rng(0).uniform(size=(5, 4)).astype(np.float32)
    got = task.inputs.augment(features, draws)
    config = ImageDataConfig(
        random_shift=0.25, random_rotation=20, random_zoom=0.1
    )
    np.testing.assert_array_equal(
        got["image"],
        augmentation.transform(features["image"], config, draws),
    )
    assert (got["image"].numpy() != features["image"]).any(axis=(1, 2)).all()
    assert got["other"] is features["other"]


# --- Loss, metrics, signatures -----------------------------------------------


def test_the_loss_is_the_cross_entropy_of_each_example():
    # exp gives 1 : 3 and 1 : 1, so probabilities 3/4, 1/4 and 1/2.
    logits = np.array([[0, math.log(3)]] * 2 + [[7.0, 7.0]], np.float32)
    losses = make_task().objective.example_losses(
        np.array([1, 0, 1], np.int32), logits
    )
    assert losses.dtype == tf.float32
    np.testing.assert_allclose(
        losses, [math.log(4 / 3), math.log(4), math.log(2)], rtol=1e-6
    )


def test_the_loss_is_float32_with_any_dtype_of_the_model():
    # In half precision exp(20) is infinite and the loss NaN or 0.
    logits = tf.constant([[0.0, 20.0]], tf.float16)
    loss = make_task().objective.example_losses(np.array([0], np.int32), logits)
    assert loss.dtype == tf.float32
    np.testing.assert_allclose(loss, [20.0], rtol=1e-6)


def test_rows_of_weight_0_do_not_count_in_training_accuracy():
    (accuracy,) = make_task().objective.make_train_metrics()
    assert accuracy.name == "accuracy"
    logits = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    accuracy.update_state(
        np.array([0, 1, 1]), logits, sample_weight=np.array([1.0, 1.0, 0.0])
    )
    assert accuracy.result() == 0.5


def make_network(image_shape):
    """A network whose logits are the sums of left, middle and right."""
    height, width, *_ = image_shape
    image = keras.Input(image_shape, name="image")
    pixels = keras.layers.Flatten()(image)
    logits = keras.layers.Dense(3, use_bias=False)(pixels)
    network = keras.Model({"image": image}, logits)
    column = np.indices(image_shape)[1].ravel() * 3 // width
    network.layers[-1].set_weights([np.eye(3, dtype=np.float32)[column]])
    return network


@pytest.mark.parametrize("shape", [GREY, COLOUR], ids=["grey", "colour"])
def test_signatures_answer_the_same_with_the_names_of_classes(shape):
    task = make_task(shape)
    images = np.zeros((3, *shape), np.uint8)
    for row in range(3):
        images[row, :, 2 * row : 2 * row + 2] = 255
    network = make_network(shape)
    signatures = task.make_signatures(network)
    assert sorted(signatures) == ["classify", "image_bytes", "serving_default"]
    from_pixels = signatures["serving_default"](
        image=tf.constant(images, tf.float32)
    )
    files = [encode_png(image) for image in images]
    from_bytes = signatures["image_bytes"](image_bytes=tf.constant(files))
    assert from_pixels["label"].numpy().tolist() == [
        *(b"left", b"middle", b"right")
    ]
    assert from_pixels["class_id"].dtype == tf.int64
    assert from_pixels["class_id"].numpy().tolist() == [0, 1, 2]
    # A third of the pixels is 1, the rest 0.
    third = np.prod(shape) / 3
    np.testing.assert_allclose(from_pixels["logits"], np.eye(3) * third)
    np.testing.assert_allclose(
        tf.reduce_sum(from_pixels["probabilities"], axis=1), np.ones(3)
    )
    assert sorted(from_bytes) == sorted(from_pixels)
    for name, value in from_pixels.items():
        np.testing.assert_array_equal(from_bytes[name], value)
    ranked = signatures["classify"](
        **example_signatures.check_inputs(image_bytes=files)
    )
    # The two that are not the right one are equal.
    assert ranked["classes"].numpy().tolist() == [
        [b"left", b"middle", b"right"],
        [b"middle", b"left", b"right"],
        [b"right", b"left", b"middle"],
    ]
    np.testing.assert_array_equal(
        ranked["scores"], -np.sort(-from_pixels["probabilities"].numpy())
    )


@pytest.mark.parametrize("shape", [GREY, COLOUR], ids=["grey", "colour"])
def test_all_check_inputs_are_the_same_images_but_for_the_negative(shape):
    task = make_task(shape)
    inputs = task.inputs.make_check_inputs(seed=1)
    floats = inputs["serving_default"]["image"]
    encoded = inputs["image_bytes"]["image_bytes"]
    assert floats.shape == (100, *shape)
    assert floats.dtype == np.float32
    decoded = np.stack([task.inputs.decode(one) for one in encoded])
    rows = np.arange(100) != 2
    np.testing.assert_array_equal(decoded[rows], floats[rows])
    assert (floats[2] == -1).all()
    ranked = example_signatures.check_inputs(image_bytes=encoded)["inputs"]
    assert inputs["examples"]["inputs"].tolist() == ranked.tolist()
    assert (floats[0] == 0).all()
    assert (floats[1] == 255).all()


def test_the_task_of_an_experiment_has_its_image_shape():
    config = experiment.ExperimentConfig()
    config.data.random_zoom = 0.1
    task = tasks.make_task(config)
    assert type(task.inputs) is Images
    assert type(task.objective) is SingleLabel
    assert task.inputs.image_shape == config.model.image_shape
    assert task.inputs.num_draws == 4
