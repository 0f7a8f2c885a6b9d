"""Where examples come from: every kind of source, and which rows of it."""

import gzip
import io
import os
import pathlib
import random
import shutil
import struct
import tempfile
import zipfile

import numpy as np
import pytest
import single_labels
import tensorflow as tf
import tensorflow_datasets as tfds
from refusals import refusal

from tfmodels import MnistMlpConfig
from trainers import tasks
from trainers.config import experiment
from trainers.config.data import ImageDataConfig
from trainers.data import paths
from trainers.data import split_specs
from trainers.data.images import loading
from trainers.errors import ConfigError
from trainers.errors import DataError

HEIGHT, WIDTH = 4, 3
MNIST_PATH = "package://trainers.data.mnist_subset/1.0.0"
MNIST_DIR = pathlib.Path(loading.__file__).parents[1] / "mnist_subset"


def decode_fn(image_shape):
    model = MnistMlpConfig(image_shape=image_shape)
    task = tasks.make_task(experiment.ExperimentConfig(model=model))
    return task.inputs.decode


def load(source, path, image_shape=(HEIGHT, WIDTH), **settings):
    """Returns `Splits` and the names of the classes."""
    data = ImageDataConfig(source=source, path=str(path), **settings)
    splits, objective = loading.load(
        data,
        single_labels.unfitted(),
        image_shape=image_shape,
        decode_fn=decode_fn(image_shape),
    )
    return splits, objective.names


def load_one(source, path, split, class_names, **settings):
    data = ImageDataConfig(source=source, path=str(path), **settings)
    shape = (HEIGHT, WIDTH)
    return loading.load_one(
        data,
        split,
        single_labels.of(class_names),
        image_shape=shape,
        decode_fn=decode_fn(shape),
    )


def numbered_images(count):
    """Images whose every pixel is their row number."""
    images = np.zeros((count, HEIGHT, WIDTH), np.uint8)
    return images + np.arange(count, dtype=np.uint8)[:, None, None]


def row_numbers(examples):
    return examples.features["image"][:, 0, 0].tolist()


# --- TensorFlow Datasets' format -------------------------------------------


@pytest.fixture(scope="module")
def mnist_subset():
    splits, names = load("tfds_directory", MNIST_PATH, (28, 28))
    assert names == [str(digit) for digit in range(10)]
    return splits


def test_the_embedded_subset_has_the_first_10000_digits_of_mnist(mnist_subset):
    splits = (mnist_subset.train, mnist_subset.validation, mnist_subset.test)
    assert [len(split) for split in splits] == [8000, 1000, 1000]
    labels = np.concatenate([split.targets for split in splits])
    assert labels.dtype == np.int32
    assert np.bincount(labels).tolist() == [
        *(1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978)
    ]


def test_the_embedded_subset_takes_less_than_4_mb_on_disk():
    files = [
        file
        for file in MNIST_DIR.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    ]
    assert 3e6 < sum(file.stat().st_size for file in files) < 4e6


def test_the_embedded_subset_equals_what_tfds_reads(mnist_subset):
    builder = tfds.builder_from_directory(MNIST_DIR / "1.0.0")
    for split in ("train", "validation", "test"):
        expected = tfds.as_numpy(builder.as_dataset(split, batch_size=-1))
        got = getattr(mnist_subset, split)
        images = got.features["image"]
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(images, expected["image"][..., 0])
        np.testing.assert_array_equal(got.targets, expected["label"])


def test_a_tfds_slice_is_those_rows_and_knows_its_place(mnist_subset):
    examples = loading.load_one(
        ImageDataConfig(path=MNIST_PATH),
        "train[7990:]+test[:5]",
        single_labels.of(map(str, range(10))),
        image_shape=(28, 28),
        decode_fn=decode_fn((28, 28)),
    )
    for got, of_train, of_test in (
        (
            examples.features["image"],
            mnist_subset.train.features["image"],
            mnist_subset.test.features["image"],
        ),
        (
            examples.targets,
            mnist_subset.train.targets,
            mnist_subset.test.targets,
        ),
    ):
        expected = np.concatenate([of_train[7990:], of_test[:5]])
        np.testing.assert_array_equal(got, expected)
    assert examples.places[3] == f"{MNIST_PATH}, split train, item 7993"
    assert examples.places[12] == f"{MNIST_PATH}, split test, item 2"


def test_a_prepared_tfds_data_set_is_found_by_name_in_data_dir(
    tmp_path, mnist_subset
):
    shutil.copytree(MNIST_DIR / "1.0.0", tmp_path / "mnist_subset" / "1.0.0")
    splits, _ = load(
        "tfds",
        "mnist_subset",
        (28, 28),
        data_dir=str(tmp_path),
        train="train[:20]",
        validation="none",
        test="none",
    )
    np.testing.assert_array_equal(
        splits.train.features["image"],
        mnist_subset.train.features["image"][:20],
    )
    assert splits.validation is None
    assert splits.test is None


def test_an_unknown_tfds_name_without_network_is_one_clear_error(
    tmp_path, monkeypatch
):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # No server there.
    message = refusal(
        ConfigError, load, "tfds", "no_such_data", data_dir=str(tmp_path)
    )
    assert message == (
        "`--config.data.path` must be a data set of the TFDS catalogue "
        "(https://www.tensorflow.org/datasets). Received: 'no_such_data'."
    )


def test_a_tfds_data_set_that_cannot_be_prepared_names_the_ways_out(tmp_path):
    (tmp_path / "file").touch()
    data_dir = str(tmp_path / "file" / "datasets")
    message = refusal(ConfigError, load, "tfds", "mnist", data_dir=data_dir)
    assert message == (
        "`--config.data.path=mnist` is not on this machine and could not be "
        "downloaded; it needs the network once, or --config.data.data_dir=DIR "
        "with the prepared data set. NotADirectoryError: [Errno 20] Not a "
        f"directory: '{data_dir}'"
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mnist:9.9.9", "cannot be loaded at version 9.9.9, only: 3.0.1."),
        ("mnist/nope", "BuilderConfig nope not found with version 3.0.1."),
        ("../x", "Parsing builder name string ../x failed."),
    ],
)
def test_a_wrong_tfds_version_or_config_is_refused(tmp_path, name, reason):
    message = refusal(ConfigError, load, "tfds", name, data_dir=str(tmp_path))
    assert message.startswith(f"`--config.data.path={name}`: ")
    assert reason in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        (
            "image_column",
            "picture",
            "`--config.data.image_column` must be a feature of "
            f"{MNIST_PATH}. Received: 'picture'. Choices: image, label.",
        ),
        (
            "label_column",
            "digit",
            "`--config.data.label_column` must be a feature of "
            f"{MNIST_PATH}. Received: 'digit'. Choices: image, label.",
        ),
        (
            "image_column",
            "label",
            "`--config.data.image_column` must be an image feature. "
            "Received: 'label', ClassLabel(shape=(), dtype=int64, "
            "num_classes=10).",
        ),
        (
            "label_column",
            "image",
            "`--config.data.label_column` must be a label, a list of labels or "
            "a row of numbers. "
            "Received: 'image', Image(shape=(28, 28, 1), dtype=uint8).",
        ),
    ],
)
def test_wrong_tfds_columns_are_refused(setting, value, message):
    settings = {setting: value}
    got = refusal(
        ConfigError, load, "tfds_directory", MNIST_PATH, (28, 28), **settings
    )
    assert got == message


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("dataset_info.json", None),
        ("dataset_info.json", "{"),
        ("dataset_info.json", '{"unknown": 1}'),
        ("features.json", None),
        ("features.json", "{}"),
    ],
)
def test_a_directory_that_tfds_did_not_write_is_refused(
    tmp_path, file, content
):
    for name in ("dataset_info.json", "features.json"):
        shutil.copy(MNIST_DIR / "1.0.0" / name, tmp_path)
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_text(content)
    message = refusal(ConfigError, load, "tfds_directory", tmp_path)
    assert message.startswith(
        "`--config.data.path` must be a directory that TFDS wrote, with "
        f"dataset_info.json in it: .../NAME/VERSION. Received: {tmp_path}: "
    )
    assert "\n" not in message


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[:100_000], "truncated record at"),
        (
            lambda content: content[:5000] + b"\0" * 8 + content[5008:],
            "corrupted record at 4747",
        ),
        (
            lambda content: b"",
            "Input dataset was expected to contain 1000 elements but "
            "contained only 0 elements.",
        ),
        (None, "No such file or directory"),
    ],
    ids=["truncated", "overwritten", "empty", "missing"],
)
def test_a_damaged_tfds_file_is_a_data_error(tmp_path, damage, reason):
    directory = tmp_path / "1.0.0"
    shutil.copytree(MNIST_DIR / "1.0.0", directory)
    file = directory / "mnist_subset-test.tfrecord-00000-of-00001"
    content = file.read_bytes()
    file.unlink()
    if damage:
        file.write_bytes(damage(content))
    message = refusal(
        DataError,
        load,
        "tfds_directory",
        directory,
        (28, 28),
        train="test",
        validation="none",
        test="none",
    )
    assert message.startswith(f"{directory}, split test: cannot be read: ")
    assert reason in message
    assert "{{" not in message
    assert "[Op:" not in message


# --- IDX ---------------------------------------------------------------------


def idx_bytes(array, kind=0x08):
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    content = array.astype(np.uint8).tobytes()
    return bytes([0, 0, kind, array.ndim]) + shape + content


def write_idx(directory, split, images, labels, packed=False):
    for name, array in (
        (f"{split}-images-idx3-ubyte", images),
        (f"{split}-labels-idx1-ubyte", labels),
    ):
        content = idx_bytes(array)
        if packed:
            name, content = f"{name}.gz", gzip.compress(content)
        (directory / name).write_bytes(content)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_idx_files_are_read_exactly(tmp_path, packed):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (7, HEIGHT, WIDTH))
    labels = np.array([0, 1, 2, 0, 1, 2, 0])
    write_idx(tmp_path, "train", images[:5], labels[:5], packed)
    write_idx(tmp_path, "t10k", images[5:], labels[5:], packed)
    splits, names = load("idx", tmp_path, validation="none")
    np.testing.assert_array_equal(splits.train.features["image"], images[:5])
    np.testing.assert_array_equal(splits.test.features["image"], images[5:])
    assert splits.train.targets.tolist() == [0, 1, 2, 0, 1]
    assert splits.test.targets.tolist() == [2, 0]
    assert splits.validation is None
    assert names == ["0", "1", "2"]
    file = tmp_path / f"train-images-idx3-ubyte{'.gz' if packed else ''}"
    assert splits.train.places[3] == f"{file}, item 3"


def test_idx_takes_dots_in_names_colour_and_labels_of_the_other_packing(
    tmp_path,
):
    images = np.arange(2 * HEIGHT * WIDTH * 3).reshape(2, HEIGHT, WIDTH, 3)
    (tmp_path / "train-images.idx4-ubyte.gz").write_bytes(
        gzip.compress(idx_bytes(images))
    )
    (tmp_path / "train-labels.idx1-ubyte").write_bytes(
        idx_bytes(np.array([1, 0]))
    )
    splits, _ = load(
        "idx",
        tmp_path,
        (HEIGHT, WIDTH, 3),
        train="train",
        validation="none",
        test="none",
    )
    np.testing.assert_array_equal(splits.train.features["image"], images)
    assert splits.train.targets.tolist() == [1, 0]


IDX_IMAGES = idx_bytes(numbered_images(5))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "does not begin like an IDX file."),
        (b"\x89PNG" + IDX_IMAGES, "does not begin like an IDX file."),
        (
            idx_bytes(numbered_images(5), kind=0x0D),
            "must contain unsigned bytes (type 0x08). Received: type 0x0d.",
        ),
        (
            IDX_IMAGES[:-1],
            "declares the shape (5, 4, 3), which is 60 bytes. Received: 59.",
        ),
        (
            IDX_IMAGES + b"\0",
            "declares the shape (5, 4, 3), which is 60 bytes. Received: 61.",
        ),
        (
            IDX_IMAGES[:10],
            "declares 3 dimensions (1 to 4 are allowed), which takes 16 "
            "bytes. Received: 10.",
        ),
        (
            b"\0\0\x08\0\7",
            "declares 0 dimensions (1 to 4 are allowed), which takes 4 "
            "bytes. Received: 5.",
        ),
        (
            b"\0\0\x08\xff" + bytes(1020),
            "declares 255 dimensions (1 to 4 are allowed), which takes 1024 "
            "bytes. Received: 1024.",
        ),
        (
            b"\0\0\x08\x03" + bytes(4) + b"\xff" * 8,
            "declares the shape (0, 4294967295, 4294967295): no examples.",
        ),
    ],
    ids=[
        "empty",
        "wrong magic",
        "wrong type",
        "one byte short",
        "one byte long",
        "cut in the header",
        "no dimensions",
        "255 dimensions",
        "no examples",
    ],
)
def test_a_damaged_idx_file_is_named_with_what_is_wrong(
    tmp_path, content, problem
):
    write_idx(tmp_path, "train", numbered_images(5), np.arange(5))
    file = tmp_path / "train-images-idx3-ubyte"
    file.write_bytes(content)
    message = refusal(DataError, load, "idx", tmp_path)
    assert message == f"{file}: {problem}"


def test_a_truncated_gzip_file_is_named(tmp_path):
    write_idx(tmp_path, "train", numbered_images(5), np.arange(5), packed=True)
    file = tmp_path / "train-labels-idx1-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-9])
    message = refusal(DataError, load, "idx", tmp_path)
    assert message == (
        f"{file}: cannot be read: Compressed file ended before the "
        "end-of-stream marker was reached"
    )


def test_a_file_that_is_only_called_gz_is_named(tmp_path):
    write_idx(tmp_path, "train", numbered_images(5), np.arange(5))
    file = tmp_path / "train-images-idx3-ubyte"
    file = file.rename(f"{file}.gz")
    message = refusal(DataError, load, "idx", tmp_path)
    assert message == (
        f"{file}: cannot be read: Not a gzipped file (b'\\x00\\x00')"
    )


def test_idx_images_without_labels_are_refused(tmp_path):
    write_idx(tmp_path, "train", numbered_images(5), np.arange(5))
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    message = refusal(DataError, load, "idx", tmp_path)
    assert message == (
        f"{tmp_path}/train-images-idx3-ubyte: its labels, "
        "train-labels-idx1-ubyte, are missing."
    )


def test_idx_images_and_labels_of_different_number_are_refused(tmp_path):
    write_idx(tmp_path, "train", numbered_images(5), np.arange(6))
    message = refusal(DataError, load, "idx", tmp_path)
    assert message == (
        f"{tmp_path}/train-images-idx3-ubyte: 5 images, but 6 labels in "
        "train-labels-idx1-ubyte."
    )


def test_idx_labels_of_two_dimensions_are_refused(tmp_path):
    write_idx(tmp_path, "train", numbered_images(5), np.ones((5, 1)))
    message = refusal(DataError, load, "idx", tmp_path)
    assert message == (
        f"{tmp_path}/train-labels-idx1-ubyte: labels must have one "
        "dimension. Received: 2."
    )


@pytest.mark.parametrize("kind", ["empty directory", "file"])
def test_a_path_without_idx_files_is_refused(tmp_path, kind):
    path = tmp_path / "data"
    path.touch() if kind == "file" else path.mkdir()
    assert refusal(ConfigError, load, "idx", path) == (
        "`--config.data.path` must be a directory with files like "
        "train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz. "
        f"Received: '{path}'."
    )


# --- NumPy archives ----------------------------------------------------------


def write_npz(path, count=20, **arrays):
    arrays = {
        "x_train": numbered_images(count),
        "y_train": np.arange(count) % 2,
    } | arrays
    np.savez(path, **arrays)
    return path


def test_npz_arrays_are_read_exactly(tmp_path):
    path = write_npz(
        tmp_path / "data.npz",
        x_test=numbered_images(3)[..., None],  # A channel axis is dropped.
        y_test=np.array([1.0, 0.0, 1.0]),  # Whole numbers, stored as floats.
        class_names=np.array(["cat", "dog"]),
    )
    splits, names = load("npz", path, validation="none")
    assert row_numbers(splits.train) == list(range(20))
    assert splits.train.targets.tolist() == [0, 1] * 10
    assert splits.train.targets.dtype == np.int32
    np.testing.assert_array_equal(
        splits.test.features["image"], numbered_images(3)
    )
    assert splits.test.targets.tolist() == [1, 0, 1]
    assert names == ["cat", "dog"]
    assert splits.train.places[3] == f"{path}, split train, row 3"


def test_npz_labels_may_be_a_column(tmp_path):
    labels = np.arange(20).reshape(20, 1) % 3
    path = write_npz(tmp_path / "data.npz", y_train=labels)
    splits, names = load("npz", path, validation="none", test="none")
    assert splits.train.targets.tolist() == labels[:, 0].tolist()
    assert names == ["0", "1", "2"]


def test_pickled_objects_in_an_npz_archive_are_refused(tmp_path):
    labels = np.array([{"a": 1}] * 20, dtype=object)
    path = write_npz(tmp_path / "data.npz", y_train=labels)
    assert refusal(DataError, load, "npz", path) == (
        f"{path}: not an .npz archive of plain arrays: Object arrays cannot "
        "be loaded when allow_pickle=False"
    )


def test_an_npz_archive_without_arrays_is_refused(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path)
    assert refusal(ConfigError, load, "npz", path) == (
        "`--config.data.path` must contain arrays x_train and y_train. "
        f"Received: {path} with no arrays."
    )


def test_an_npz_archive_with_other_arrays_names_them(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, x_train=numbered_images(2), labels=np.arange(2))
    assert refusal(ConfigError, load, "npz", path) == (
        "`--config.data.path` must contain arrays x_train and y_train. "
        f"Received: {path} with labels, x_train."
    )


def test_files_in_an_npz_archive_that_are_no_arrays_do_not_count(tmp_path):
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train", b"not an array")
        archive.writestr("y_train", b"not an array")
    assert refusal(ConfigError, load, "npz", path) == (
        "`--config.data.path` must contain arrays x_train and y_train. "
        f"Received: {path} with no arrays."
    )


def test_a_file_that_is_no_npz_archive_is_refused(tmp_path):
    path = tmp_path / "data.npz"
    path.write_text("x_train,y_train\n")
    message = refusal(DataError, load, "npz", path)
    assert message.startswith(f"{path}: not an .npz archive of plain arrays: ")


def test_a_directory_is_no_npz_archive(tmp_path):
    assert refusal(DataError, load, "npz", tmp_path) == (
        f"{tmp_path}: not an .npz archive of plain arrays: [Errno 21] Is a "
        f"directory: '{tmp_path}'"
    )


def test_a_single_array_is_no_npz_archive(tmp_path):
    path = tmp_path / "data.npy"
    np.save(path, numbered_images(2))
    assert refusal(DataError, load, "npz", path) == (
        f"{path}: not an .npz archive of plain arrays: a single array, "
        "as np.save writes it"
    )


def test_an_npz_header_that_declares_terabytes_is_refused(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header,
        {"descr": "<f8", "fortran_order": False, "shape": (10**15,)},
    )
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", header.getvalue())
    assert refusal(DataError, load, "npz", path).startswith(
        f"{path}: not an .npz archive of plain arrays: Unable to allocate"
    )


@pytest.mark.parametrize(
    ("labels", "shape"),
    [
        (np.arange(19), "(19,)"),
        (np.int64(3), "()"),
    ],
    ids=["one short", "a scalar"],
)
def test_npz_labels_that_do_not_fit_the_images_are_refused(
    tmp_path, labels, shape
):
    path = write_npz(tmp_path / "data.npz", y_train=labels)
    assert refusal(DataError, load, "npz", path) == (
        f"{path}: x_train and y_train must have one row for each example. "
        f"Received: shapes (20, 4, 3) and {shape}."
    )


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (
            np.array([["a", "b"]]),
            "must be a list of texts. Received: shape (1, 2) of <U1.",
        ),
        (np.array("a"), "must be a list of texts. Received: shape () of <U1."),
        (
            np.array([b"a", b"b"]),
            "must be a list of texts. Received: shape (2,) of |S1.",
        ),
        (
            np.array([], str),
            "must be a list of texts. Received: shape (0,) of <U1.",
        ),
        (np.array(["a", "a"]), "must differ. Received: a, a."),
    ],
    ids=["two dimensions", "scalar", "bytes", "empty", "twice"],
)
def test_npz_class_names_that_are_no_list_of_names_are_refused(
    tmp_path, names, problem
):
    path = write_npz(tmp_path / "data.npz", class_names=names)
    message = refusal(DataError, load, "npz", path)
    assert message == f"{path}: class_names {problem}"


def damaged(content, rng):
    """Returns a copy that is cut short or has up to three other bytes."""
    content = bytearray(content)
    if rng.random() < 0.3:
        return bytes(content[: rng.randrange(len(content))])
    for _ in range(rng.randint(1, 3)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


def write_as(kind, directory):
    """Writes a good source and returns its path and the file to damage."""
    if kind.startswith("npz"):
        path = directory / "data.npz"
        save = np.savez if kind == "npz" else np.savez_compressed
        save(path, x_train=numbered_images(20), y_train=np.arange(20) % 2)
        return "npz", path, path
    packed = kind == "idx gzip"
    write_idx(
        directory, "train", numbered_images(20), np.arange(20) % 2, packed
    )
    file = f"train-images-idx3-ubyte{'.gz' if packed else ''}"
    return "idx", directory, directory / file


@pytest.mark.parametrize("kind", ["npz", "npz packed", "idx", "idx gzip"])
def test_any_bytes_give_examples_or_an_error_that_names_the_place(
    tmp_path, kind
):
    source, path, file = write_as(kind, tmp_path)
    content, rng, refused = file.read_bytes(), random.Random(0), 0
    for _ in range(150):
        file.write_bytes(damaged(content, rng))
        try:
            splits, _ = load(source, path, validation="none", test="none")
        except (ConfigError, DataError) as error:
            assert str(path) in str(error) or "split train" in str(error)
            refused += 1
        else:
            assert len(splits.train) == 20
    assert refused > 30


# --- Folders of images -------------------------------------------------------


def write_image(path, pixels, quality=95):
    """Writes a PNG or JPEG; two dimensions are grey, three are colour."""
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".png":
        encoded = tf.io.encode_png(pixels)
    else:
        encoded = tf.io.encode_jpeg(pixels, quality=quality)
    path.write_bytes(encoded.numpy())


def by_file(examples, root):
    """Returns `{path under root: (pixels, label)}`."""
    return {
        str(pathlib.Path(examples.places[row]).relative_to(root)): (
            examples.features["image"][row],
            examples.targets[row],
        )
        for row in range(len(examples))
    }


def test_split_folders_of_class_folders_give_pixels_and_labels(tmp_path):
    images = numbered_images(5) * 40
    for name, image in zip(
        ("train/dog/a.png", "train/cat/b.PNG", "train/dog/c.png"),
        images,
        strict=False,
    ):
        write_image(tmp_path / name, image)
    write_image(tmp_path / "validation/cat/d.png", images[3])
    write_image(tmp_path / "test/dog/e.png", images[4])
    (tmp_path / "train/dog/notes.txt").write_text("not an image")
    (tmp_path / "train/dog/.hidden.png").write_text("not an image")
    (tmp_path / ".git").mkdir()
    splits, names = load("image_folder", tmp_path)
    assert names == ["cat", "dog"]
    got = {}
    for split in (splits.train, splits.validation, splits.test):
        got |= by_file(split, tmp_path)
    assert {name: label for name, (_, label) in got.items()} == {
        "train/dog/a.png": 1,
        "train/cat/b.PNG": 0,
        "train/dog/c.png": 1,
        "validation/cat/d.png": 0,
        "test/dog/e.png": 1,
    }
    for name, value in {"train/cat/b.PNG": 40, "test/dog/e.png": 160}.items():
        assert (got[name][0] == value).all()


def write_flat_folder(root):
    for row, image in enumerate(numbered_images(20)):
        write_image(root / "ab"[row % 2] / f"{row}.png", image)


def test_class_folders_alone_are_cut_into_80_10_10_percent(tmp_path):
    write_flat_folder(tmp_path)
    splits, _ = load("image_folder", tmp_path)
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [
        *(16, 2, 2)
    ]
    rows = [
        row
        for split in (splits.train, splits.validation, splits.test)
        for row in row_numbers(split)
    ]
    assert sorted(rows) == list(range(20))
    # Mixed, so that every slice contains several classes.
    assert set(splits.train.targets[:8]) == {0, 1}


def test_the_order_of_files_depends_on_their_names_alone(tmp_path):
    orders = []
    for name in ("one", "two"):
        write_flat_folder(tmp_path / name)
        splits, _ = load("image_folder", tmp_path / name)
        orders.append(row_numbers(splits.train))
    assert orders[0] == orders[1] != sorted(orders[0])


def test_png_and_jpeg_of_other_sizes_are_resized(tmp_path):
    write_image(tmp_path / "a/grey.png", np.full((9, 5), 200, np.uint8))
    write_image(tmp_path / "b/grey.jpg", np.full((2, 7), 100, np.uint8))
    splits, _ = load("image_folder", tmp_path, validation="none", test="none")
    got = by_file(splits.train, tmp_path)
    expected = {"a/grey.png": 200, "b/grey.jpg": 100}
    for name, value in expected.items():
        np.testing.assert_array_equal(
            got[name][0], np.full((HEIGHT, WIDTH), value)
        )


def test_colour_files_become_grey_and_grey_files_colour(tmp_path):
    red = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    red[..., 0] = 255
    write_image(tmp_path / "a/red.png", red)
    write_image(tmp_path / "b/grey.png", np.full((HEIGHT, WIDTH), 9, np.uint8))
    settings = {"train": "train", "validation": "none", "test": "none"}
    grey, _ = load("image_folder", tmp_path, **settings)
    got = by_file(grey.train, tmp_path)
    assert (got["a/red.png"][0] == round(0.299 * 255)).all()
    assert (got["b/grey.png"][0] == 9).all()
    colour, _ = load("image_folder", tmp_path, (HEIGHT, WIDTH, 3), **settings)
    got = by_file(colour.train, tmp_path)
    np.testing.assert_array_equal(got["a/red.png"][0], red)
    assert (got["b/grey.png"][0] == 9).all()


def test_broken_images_are_named_ten_at_most_and_counted(tmp_path):
    write_flat_folder(tmp_path)
    broken = [tmp_path / "a" / f"broken{i}.png" for i in range(12)]
    whole = (tmp_path / "a/0.png").read_bytes()
    for i, path in enumerate(broken):
        path.write_bytes([b"", b"text", whole[:-20]][i % 3])
    message = refusal(
        DataError,
        load,
        "image_folder",
        tmp_path,
        train="train",
        validation="none",
        test="none",
    )
    first, *named, last = message.splitlines()
    assert first == "12 files that cannot be decoded as PNG, JPEG, BMP or GIF:"
    assert len(set(named)) == 10
    assert set(named) < {f"  {path}" for path in broken}
    assert last == "  ... and 2 more"


def test_a_folder_that_is_called_like_an_image_is_named(tmp_path):
    write_flat_folder(tmp_path)
    (tmp_path / "a/folder.png").mkdir()
    message = refusal(
        DataError, load, "image_folder", tmp_path, validation="none"
    )
    assert message == f"{tmp_path}/a/folder.png: Is a directory"


@pytest.mark.parametrize(
    "content", ["nothing", "empty class folders", "only text"]
)
def test_a_folder_without_images_is_refused(tmp_path, content):
    if content != "nothing":
        (tmp_path / "train/cat").mkdir(parents=True)
    if content == "only text":
        (tmp_path / "train/cat/a.txt").write_text("a")
    assert refusal(ConfigError, load, "image_folder", tmp_path) == (
        "`--config.data.path` must be a folder DIR with images (.bmp, .gif, "
        ".jpeg, .jpg, .png) in DIR/<class>/ or in DIR/<split>/<class>/. "
        f"Received: '{tmp_path}'."
    )


def test_images_beside_class_folders_are_refused(tmp_path):
    # Else `train` and `test` would become the classes.
    for name in ("train/cat/a.png", "train/dog/b.png", "train/preview.png"):
        write_image(tmp_path / name, numbered_images(1)[0])
    assert refusal(ConfigError, load, "image_folder", tmp_path) == (
        "`--config.data.path` must have all images in DIR/<class>/, or all in "
        f"DIR/<split>/<class>/. Received: '{tmp_path}' with images in 'train' "
        "and in folders in 'train'."
    )


# --- Paths -------------------------------------------------------------------


@pytest.mark.parametrize("source", ["tfds_directory", "idx", "image_folder"])
def test_a_path_that_does_not_exist_is_refused(tmp_path, source):
    path = tmp_path / "nothing"
    message = refusal(ConfigError, load, source, path)
    assert message == f"`--config.data.path` must exist. Received: '{path}'."


@pytest.mark.parametrize("path", ["x" * 5000, "a\0b", "~/nothing"])
def test_a_path_that_cannot_exist_is_refused(path):
    message = refusal(ConfigError, load, "npz", path)
    assert message == f"`--config.data.path` must exist. Received: {path!r}."


def test_a_path_that_leads_in_a_circle_is_refused(tmp_path):
    path = tmp_path / "round"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "round").symlink_to(path)
    path.symlink_to(tmp_path / "folder" / "round")
    message = refusal(ConfigError, load, "image_folder", path)
    assert message == f"`--config.data.path` must exist. Received: '{path}'."


def test_a_directory_that_may_not_be_read_is_refused():
    # Not under tmp_path, which another user cannot even look into.
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0)
        user = os.geteuid()
        if user == 0:  # Root can read everything: use another user.
            os.seteuid(65534)
        try:
            message = refusal(ConfigError, load, "image_folder", path)
        finally:
            os.seteuid(user)
            os.chmod(path, 0o700)
    assert message == (
        f"`--config.data.path` must be readable. Received: '{path}': "
        f"[Errno 13] Permission denied: '{path}'."
    )


def test_a_package_path_is_a_directory_inside_the_package():
    path = paths.resolve_path(MNIST_PATH)
    assert path == MNIST_DIR / "1.0.0"
    assert paths.resolve_path("package://trainers.data.mnist_subset") == (
        MNIST_DIR
    )


@pytest.mark.parametrize(
    "path",
    [
        "package://no_such_package/data",
        "package://no_such_package.inside/data",
        "package://trainers.no_such_module/data",
        "package://json.decoder/data",
        "package://sys/data",
        "package://.relative/data",
        "package:///data",
        "package://",
    ],
)
def test_a_package_path_without_an_installed_package_is_refused(path):
    assert refusal(ConfigError, paths.resolve_path, path) == (
        "`--config.data.path` must be package://PKG/DIR with an installed "
        f"package PKG. Received: '{path}'."
    )


def test_a_package_path_to_nothing_inside_the_package_is_refused():
    path = "package://trainers.data.mnist_subset/9.9.9"
    message = refusal(ConfigError, paths.resolve_path, path)
    assert message == f"`--config.data.path` must exist. Received: '{path}'."


# --- Splits ------------------------------------------------------------------


@pytest.fixture(scope="module")
def npz_of_20(tmp_path_factory):
    """20 examples, all in `train`; the pixels are the row number."""
    return write_npz(tmp_path_factory.mktemp("npz") / "data.npz")


def rows_of(path, **settings):
    splits, _ = load("npz", path, **settings)
    return [
        None if examples is None else row_numbers(examples)
        for examples in (splits.train, splits.validation, splits.test)
    ]


@pytest.mark.parametrize(
    ("settings", "train", "validation", "test"),
    [
        ({}, range(16), range(16, 18), range(18, 20)),
        ({"validation": "none"}, range(18), None, range(18, 20)),
        ({"test": "none"}, range(18), range(18, 20), None),
        ({"validation": "none", "test": "none"}, range(20), None, None),
        (
            {
                "train": "train[:50%]",
                "validation": "train[10:12]",
                "test": "train[-3:]",
            },
            range(10),
            range(10, 12),
            range(17, 20),
        ),
        (
            {
                "train": "train[15:]+train[:2]",
                "validation": "none",
                "test": "none",
            },
            [15, 16, 17, 18, 19, 0, 1],
            None,
            None,
        ),
        # An empty `train` leaves out what the other two take.
        (
            {"validation": "train[5:10]", "test": "none"},
            [*range(5), *range(10, 20)],
            range(5, 10),
            None,
        ),
        (
            {"validation": "train[15:]", "test": "train[:25%]"},
            range(5, 15),
            range(15, 20),
            range(5),
        ),
        (
            {"validation": "train[:3]"},
            range(3, 18),
            range(3),
            range(18, 20),
        ),
        (
            {"validation": "train[:8]", "test": "train[4:6]"},
            range(8, 20),
            range(8),
            range(4, 6),
        ),
    ],
    ids=[
        "tenths",
        "no validation",
        "no test",
        "neither",
        "slices",
        "sum",
        "validation from the middle",
        "validation and test at the ends",
        "validation from the start",
        "test inside validation",
    ],
)
def test_settings_choose_the_rows_of_each_split(
    npz_of_20, settings, train, validation, test
):
    expected = [
        None if rows is None else list(rows)
        for rows in (train, validation, test)
    ]
    assert rows_of(npz_of_20, **settings) == expected


def test_own_splits_are_taken_whole(tmp_path):
    path = write_npz(
        tmp_path / "data.npz",
        x_validation=numbered_images(2),
        y_validation=np.arange(2),
        x_test=numbered_images(3),
        y_test=np.array([0, 1, 0]),
    )
    assert rows_of(path) == [list(range(20)), [0, 1], [0, 1, 2]]


def test_a_missing_validation_split_is_a_tenth_of_train(tmp_path):
    path = write_npz(
        tmp_path / "data.npz",
        x_test=numbered_images(3),
        y_test=np.array([0, 1, 0]),
    )
    assert rows_of(path) == [list(range(18)), [18, 19], [0, 1, 2]]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("nope", "Unknown split 'nope'. Should be one of ['train']."),
        ("none", "Unknown split 'none'. Should be one of ['train']."),
        (
            "train[:21]",
            "Requested slice [:21] incompatible with 20 examples.",
        ),
        *(
            (
                spec,
                f"Error parsing split '{spec}'. See format at: "
                "https://www.tensorflow.org/datasets/splits",
            )
            for spec in ("train[", "train[a:b]", "train[:101%]", "train[3]")
        ),
    ],
)
def test_what_is_no_split_is_refused_with_the_choices(npz_of_20, spec, reason):
    message = refusal(
        ConfigError,
        load,
        "npz",
        npz_of_20,
        train=spec,
        validation="none",
        test="none",
    )
    assert message == (
        "`--config.data.train` must be a split like train, train[:90%] or "
        f"train[100:200]. Received: '{spec}'. Choices: train. {reason}"
    )


def test_shards_are_refused(npz_of_20):
    message = refusal(
        ConfigError, load, "npz", npz_of_20, validation="train[:1shard]"
    )
    assert message == (
        "`--config.data.validation` must be a split like train, train[:90%] "
        "or train[100:200]. Received: 'train[:1shard]'. Choices: train."
    )


def test_an_empty_slice_is_refused(npz_of_20):
    message = refusal(
        ConfigError, load, "npz", npz_of_20, validation="train[7:7]"
    )
    assert message == (
        "`--config.data.validation` must select at least one example. "
        "Received: 'train[7:7]'. Choices: train (20 examples), none."
    )


def test_splits_that_leave_nothing_to_train_on_are_refused(npz_of_20):
    message = refusal(
        ConfigError, load, "npz", npz_of_20, validation="train", test="none"
    )
    assert message == (
        "`--config.data.train` must select at least one example. "
        "Received: 'train[:0]'. Choices: train (20 examples)."
    )


def test_one_example_is_too_few_to_cut_a_tenth_of(tmp_path):
    path = write_npz(tmp_path / "data.npz", count=1)
    assert refusal(ConfigError, load, "npz", path) == (
        "`--config.data.validation` must select at least one example. "
        "Received: 'train[80%:90%]'. Choices: train (1 examples), none."
    )


def test_a_source_without_a_train_split_is_refused(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, x_test=numbered_images(3), y_test=np.array([0, 1, 0]))
    assert refusal(ConfigError, load, "npz", path) == (
        "`--config.data.train` must be a split like train, train[:90%] or "
        "train[100:200]. Received: 'train'. Choices: test. Unknown split "
        "'train'. Should be one of ['test']."
    )


@pytest.mark.parametrize(
    ("settings", "missing"),
    [({}, "validation"), ({"validation": "train[10:]"}, "test")],
)
def test_train_needs_the_other_splits_to_be_given_too(
    npz_of_20, settings, missing
):
    message = refusal(
        ConfigError, load, "npz", npz_of_20, train="train[:10]", **settings
    )
    assert message == (
        f"`--config.data.{missing}` must be given together with "
        "--config.data.train: the source has the splits train. Received: ''. "
        f"Example: --config.data.{missing}='train[90%:]' with "
        "--config.data.train='train[:90%]', or `none`."
    )


def test_the_example_is_of_the_split_that_the_setting_names():
    data = ImageDataConfig(train="train_extra[:50%]")
    with pytest.raises(ConfigError) as error:
        split_specs.resolve("train", data, {"train": 10, "train_extra": 20})
    assert str(error.value).endswith(
        " Example: --config.data.validation='train_extra[90%:]' with "
        "--config.data.train='train_extra[:90%]', or `none`."
    )


# --- One split, for a model that exists --------------------------------------


@pytest.mark.parametrize(
    ("split", "rows"),
    [
        ("train", range(5, 18)),
        ("validation", range(5)),
        ("test", range(18, 20)),
        ("train[3:6]", [3, 4, 5]),
        ("all", range(20)),
    ],
)
def test_one_split_is_what_the_configuration_calls_so_or_a_slice(
    npz_of_20, split, rows
):
    examples = load_one(
        "npz", npz_of_20, split, ["0", "1"], validation="train[:5]"
    )
    assert row_numbers(examples) == list(rows)


def test_a_source_with_a_test_split_alone_can_be_evaluated(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, x_test=numbered_images(3), y_test=np.array([0, 1, 0]))
    examples = load_one("npz", path, "test", ["0", "1"])
    assert row_numbers(examples) == [0, 1, 2]


def test_a_wrong_split_to_evaluate_names_the_flag(npz_of_20):
    arguments = ("npz", npz_of_20, "nope", ["0", "1"])
    assert refusal(ConfigError, load_one, *arguments) == (
        "`--split` must be a split like train, train[:90%] or "
        "train[100:200]. Received: 'nope'. Choices: train. Unknown split "
        "'nope'. Should be one of ['train']."
    )


def test_a_split_that_was_configured_away_names_its_setting(npz_of_20):
    message = refusal(
        ConfigError,
        load_one,
        "npz",
        npz_of_20,
        "test",
        ["0", "1"],
        test="none",
    )
    assert message == (
        "`--split` must be a split that the run has, and --config.data.test "
        "is none. Received: 'test'. Choices: train."
    )


def write_named_npz(path, names):
    return write_npz(
        path,
        count=4,
        y_train=np.array([0, 1, 2, 1]),
        class_names=np.array(names),
    )


def test_labels_are_translated_by_name_to_the_order_of_the_model(tmp_path):
    path = write_named_npz(tmp_path / "data.npz", ["cat", "dog", "owl"])
    names = ["owl", "ant", "cat", "dog"]
    examples = load_one("npz", path, "train[:4]", names)
    assert [names[label] for label in examples.targets] == [
        *("cat", "dog", "owl", "dog")
    ]
    assert examples.targets.tolist() == [2, 3, 0, 3]


def test_a_class_that_the_model_does_not_know_is_refused(tmp_path):
    path = write_named_npz(tmp_path / "data.npz", ["cat", "dog", "owl"])
    arguments = ("npz", path, "train[:4]", ["dog", "cat"])
    assert refusal(DataError, load_one, *arguments) == (
        "classes that the model does not know: owl. It knows: dog, cat."
    )


def test_plain_labels_must_be_positions_in_the_names_of_the_model(tmp_path):
    path = write_npz(
        tmp_path / "data.npz", count=3, y_train=np.array([0, 1, 2])
    )
    arguments = ("npz", path, "train[:3]", ["cat", "dog"])
    assert refusal(DataError, load_one, *arguments) == (
        "1 labels of split train[:3] that are not whole numbers from 0 and "
        f"below 2, the number of classes:\n  {path}, split train, row 2: 2"
    )


def test_one_class_alone_can_be_evaluated(tmp_path):
    path = write_npz(tmp_path / "data.npz", count=3, y_train=np.ones(3, int))
    for split in ("train", "train[:3]"):
        examples = load_one(
            "npz", path, split, ["cat", "dog"], validation="none", test="none"
        )
        assert examples.targets.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            [0] * 20,
            "split train: must contain at least two classes. Received: only "
            "'0', 18 examples.",
        ),
        (
            [0, 1] * 9 + [2, 2],
            "1 classes that are tested but have no example in split train:\n"
            "  class '2': {'test': 2}",
        ),
    ],
    ids=["one class", "a class in test alone"],
)
def test_labels_that_cannot_be_trained_on_are_refused(
    tmp_path, labels, message
):
    path = write_npz(tmp_path / "data.npz", y_train=np.array(labels))
    assert refusal(DataError, load, "npz", path, validation="none") == message


def test_a_split_called_val_chooses_the_best_epoch(tmp_path, caplog):
    arrays = {}
    for split in ("train", "val", "test", "extra"):
        arrays[f"x_{split}"] = np.full((4, 4, 3), len(split), np.uint8)
        arrays[f"y_{split}"] = np.arange(4) % 2
    np.savez(tmp_path / "data.npz", **arrays)
    splits, _ = load("npz", tmp_path / "data.npz")
    assert splits.validation.features["image"][0, 0, 0] == len("val")
    assert len(splits.train) == 4  # Nothing is cut from it.
    assert caplog.messages == [
        "splits of the data that are not used: extra. Name them with "
        "--config.data.train, .validation or .test."
    ]


def test_a_class_folder_without_a_readable_image_is_refused(tmp_path):
    for name, suffix in (("cats", "png"), ("dogs", "webp"), ("empty", "")):
        (tmp_path / name).mkdir()
        if suffix:
            (tmp_path / name / f"a.{suffix}").write_bytes(b"")
    assert refusal(DataError, load, "image_folder", tmp_path) == (
        "1 class folders with files but no image (.bmp, .gif, .jpeg, .jpg, "
        f".png):\n  {tmp_path / 'dogs' / 'a.webp'}"
    )


def test_sorted_data_is_not_cut(tmp_path):
    np.savez(
        tmp_path / "data.npz",
        x_train=np.zeros((200, 4, 3), np.uint8),
        y_train=np.arange(200) // 100,
    )
    message = refusal(DataError, load, "npz", tmp_path / "data.npz")
    assert message.startswith("split validation: was cut from the end of")


@pytest.fixture
def other_data(tmp_path):
    """A source with `train` alone, beside that of a run."""
    path = tmp_path / "other.npz"
    rows = np.arange(20, dtype=np.uint8)
    np.savez(
        path,
        x_train=np.broadcast_to(rows[:, None, None], (20, 28, 28)),
        y_train=np.arange(20) % 2,
    )
    return path


def read_other(path, split, **settings):
    run_data = ImageDataConfig(
        source="tfds_directory", path=MNIST_PATH, test="test[:100]"
    )
    data = ImageDataConfig(
        **{"source": "npz", "path": str(path), "test": "test[:100]"} | settings
    )
    examples = loading.load_one(
        data,
        split,
        single_labels.of(["0", "1"]),
        image_shape=(28, 28),
        decode_fn=None,
        run_data=run_data,
    )
    return examples.features["image"][:, 0, 0].tolist()


def test_all_of_another_source_is_read_and_nothing_cut(other_data):
    assert read_other(other_data, "train") == list(range(20))
    assert read_other(other_data, "train[5:7]") == [5, 6]
    assert read_other(other_data, "test", test="train[:3]") == [0, 1, 2]


def test_another_source_without_the_split_names_what_it_has(other_data):
    assert refusal(ConfigError, read_other, other_data, "test") == (
        "`--split` must be a split like train, train[:90%] or "
        "train[100:200]. Received: 'test'. Choices: train. Unknown split "
        "'test'. Should be one of ['train']."
    )
