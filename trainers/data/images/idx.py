"""IDX files, the original format of MNIST, with or without gzip.

    DIR/train-images-idx3-ubyte[.gz]    DIR/train-labels-idx1-ubyte[.gz]
    DIR/t10k-images-idx3-ubyte[.gz]     DIR/t10k-labels-idx1-ubyte[.gz]

The word before `-images` is the split; `t10k` is the split `test`.

References:
    http://yann.lecun.com/exdb/mnist/ describes the format: two zero bytes, a
    byte with the type, a byte with the number of dimensions, the size of each
    dimension as big-endian uint32, then the data.
"""

import gzip
import math
import re
import zlib

import numpy as np

from trainers.data import examples
from trainers.data import paths
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.data.texts import file_kinds
from trainers.errors import ConfigError
from trainers.errors import DataError

_IMAGES = re.compile(r"(.+)-images[-.]idx[34]-ubyte(\.gz)?")
_UNSIGNED_BYTE = 0x08


def open_source(data, image_shape, decode_fn):
    """Opens the directory; see `trainers.data.images.loading`.

    Args:
        data: `ImageDataConfig`.
        image_shape: Not used.
        decode_fn: Not used.

    Returns:
        `Source`.

    Raises:
        ConfigError: The directory contains no such files.
        DataError: A file is damaged or missing.
    """
    del image_shape, decode_fn  # `loading` checks the pixels after reading.
    directory = paths.resolve_path(data.path)
    arrays, files = {}, {}
    for file in sorted(directory.glob("*")):
        match = _IMAGES.fullmatch(file.name)
        if match is None:
            continue
        split = "test" if match[1] == "t10k" else match[1]
        images, labels = read_idx(file), read_idx(_labels_file(file))
        if labels.ndim != 1:
            raise DataError(
                f"{_labels_file(file)}: labels must have one dimension. "
                f"Received: {labels.ndim}."
            )
        if len(images) != len(labels):
            raise DataError(
                f"{file}: {len(images)} images, but {len(labels)} labels in "
                f"{_labels_file(file).name}."
            )
        arrays[split], files[split] = (images, labels), file
    if not arrays:
        raise ConfigError(
            "`--config.data.path` must be a directory with files like "
            "train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz. "
            f"Received: {data.path!r}."
        )

    def read(split, start, stop):
        images, labels = arrays[split]
        return Examples(
            {"image": images[start:stop]},
            labels[start:stop],
            Places.numbered(f"{files[split]}, item ", range(start, stop)),
        )

    sizes = {split: len(labels) for split, (_, labels) in arrays.items()}
    return examples.Source(sizes, None, read)


def _labels_file(images_file):
    name = re.sub(r"images([-.])idx[34]", r"labels\1idx1", images_file.name)
    plain = images_file.with_name(name.removesuffix(".gz"))
    for file in (plain, plain.with_name(plain.name + ".gz")):
        if file.is_file():
            return file
    raise DataError(f"{images_file}: its labels, {name}, are missing.")


def _refuse_other(file):
    if words := file_kinds.words_in_place_of(file):
        raise DataError(f"{file}: {words}.") from None


def read_idx(file):
    """Reads one IDX file of unsigned bytes.

    Args:
        file: `pathlib.Path`.

    Returns:
        uint8 array of the shape in the header of the file.

    Raises:
        DataError: The file is damaged or of another type.
    """
    try:
        opener = gzip.open if file.suffix == ".gz" else open
        with opener(file, "rb") as stream:
            content = stream.read()
    except (OSError, EOFError, zlib.error) as error:
        _refuse_other(file)
        raise DataError(f"{file}: cannot be read: {error}") from None
    if len(content) < 4 or content[:2] != b"\0\0":
        _refuse_other(file)
        raise DataError(f"{file}: does not begin like an IDX file.")
    kind, num_dims = content[2], content[3]
    if kind != _UNSIGNED_BYTE:
        raise DataError(
            f"{file}: must contain unsigned bytes (type 0x08). "
            f"Received: type {kind:#04x}."
        )
    start = 4 + 4 * num_dims
    if not 1 <= num_dims <= 4 or len(content) < start:
        raise DataError(
            f"{file}: declares {num_dims} dimensions (1 to 4 are allowed), "
            f"which takes {start} bytes. Received: {len(content)}."
        )
    shape = tuple(map(int, np.frombuffer(content[4:start], ">u4")))
    if not math.prod(shape):
        raise DataError(f"{file}: declares the shape {shape}: no examples.")
    if len(content) - start != math.prod(shape):
        raise DataError(
            f"{file}: declares the shape {shape}, which is "
            f"{math.prod(shape)} bytes. Received: {len(content) - start}."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
