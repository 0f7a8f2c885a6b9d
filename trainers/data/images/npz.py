"""NumPy archives with `x_train`, `y_train`, `x_test`, `y_test`.

This is the layout of `mnist.npz` in Keras. The part of a name after `x_` and
`y_` is the split. An array `class_names` is optional.
"""

import zipfile
import zlib

import numpy as np

from trainers.data import examples
from trainers.data import paths
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.data.texts import file_kinds
from trainers.errors import ConfigError
from trainers.errors import DataError


def open_source(data, image_shape, decode_fn):
    """Opens the archive; see `trainers.data.images.loading`.

    Args:
        data: `ImageDataConfig`.
        image_shape: Not used.
        decode_fn: Not used.

    Returns:
        `Source`.

    Raises:
        ConfigError: The archive does not contain such arrays.
        DataError: The file is not an archive, or an array has a wrong shape.
    """
    del image_shape, decode_fn  # `loading` checks the pixels after reading.
    path = paths.resolve_path(data.path)
    arrays = _load(path)
    splits = sorted(
        name.removeprefix("x_")
        for name in arrays
        if name.startswith("x_") and "y_" + name.removeprefix("x_") in arrays
    )
    if not splits:
        raise ConfigError(
            "`--config.data.path` must contain arrays x_train and y_train. "
            f"Received: {path} with {', '.join(sorted(arrays)) or 'no arrays'}."
        )
    for split in splits:
        images, labels = arrays["x_" + split], arrays["y_" + split]
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = arrays["y_" + split] = labels[:, 0]  # As in cifar10.
        if images.shape[:1] != labels.shape[:1] or not labels.ndim:
            raise DataError(
                f"{path}: x_{split} and y_{split} must have one row for each "
                f"example. Received: shapes {images.shape} and {labels.shape}."
            )

    def read(split, start, stop):
        return Examples(
            {"image": arrays["x_" + split][start:stop]},
            arrays["y_" + split][start:stop],
            Places.numbered(f"{path}, split {split}, row ", range(start, stop)),
        )

    return examples.Source(
        {split: len(arrays["y_" + split]) for split in splits},
        _class_names(path, arrays.get("class_names")),
        read,
    )


def _load(path):
    """Returns the arrays of an archive by name."""
    try:
        # Opened here, because NumPy does not close a file that is no archive.
        with open(path, "rb") as file:
            # No pickles, because they can run code.
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise ValueError("a single array, as np.save writes it")
            with archive:
                arrays = {name: archive[name] for name in archive.files}
    except (
        OSError,
        ValueError,
        EOFError,
        MemoryError,  # A damaged header declares terabytes.
        NotImplementedError,  # For example an encrypted zip.
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        if words := file_kinds.words_in_place_of(path):
            raise DataError(f"{path}: {words}.") from None
        raise DataError(
            f"{path}: not an .npz archive of plain arrays: "
            f"{' '.join(str(error).split())}"
        ) from None
    # NumPy returns the other files of the zip as bytes.
    return {n: x for n, x in arrays.items() if isinstance(x, np.ndarray)}


def _class_names(path, names):
    if names is None:
        return None
    if names.ndim != 1 or names.dtype.kind != "U" or not len(names):
        raise DataError(
            f"{path}: class_names must be a list of texts. "
            f"Received: shape {names.shape} of {names.dtype}."
        )
    if len(set(names)) < len(names):
        raise DataError(
            f"{path}: class_names must differ. Received: {', '.join(names)}."
        )
    return names.tolist()
