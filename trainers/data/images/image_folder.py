"""PNG, JPEG, BMP or GIF files in class folders.

    DIR/<split>/<class>/*.png
    DIR/<class>/*.png              all images are the split `train`

Images of other sizes are resized to the size of the model.
"""

import hashlib

import numpy as np

from trainers.data import class_folders
from trainers.data import examples
from trainers.data import paths
from trainers.data.images import decoding
from trainers.data.places import Places
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.errors import raise_problems

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif"}


def open_source(data, image_shape, decode_fn):
    """Lists the files; see `trainers.data.images.loading`.

    Args:
        data: `ImageDataConfig`.
        image_shape: Tuple of int. Shape of an image, without the batch.
        decode_fn: Function from an encoded image to uint8[*image_shape].

    Returns:
        `Source`. It decodes the images of a split when it reads the split.

    Raises:
        ConfigError: The folder has another structure.
        DataError: A class folder has files but no image.
    """
    root = paths.resolve_path(data.path)
    flat = _list_classes(root)
    nested = {d.name: _list_classes(d) for d in _subdirectories(root)}
    nested = {name: found for name, found in nested.items() if found}
    if flat and nested:
        raise ConfigError(
            "`--config.data.path` must have all images in DIR/<class>/, or all "
            f"in DIR/<split>/<class>/. Received: {data.path!r} with images in "
            f"{next(iter(flat))!r} and in folders in {next(iter(nested))!r}."
        )
    splits = {"train": flat} if flat else nested
    for split, found in splits.items():
        folder = root if flat else root / split
        class_folders.check_names([folder / label for label in found])
    if not splits:
        raise ConfigError(
            "`--config.data.path` must be a folder DIR with images "
            f"({', '.join(sorted(_SUFFIXES))}) in DIR/<class>/ or in "
            f"DIR/<split>/<class>/. Received: {data.path!r}."
        )
    class_names = sorted({name for found in splits.values() for name in found})
    files = {
        split: _sorted_by_hash(root, found, class_names)
        for split, found in splits.items()
    }

    def read(split, start, stop):
        chosen = files[split][start:stop]
        try:
            encoded = [file.read_bytes() for file, _ in chosen]
        except OSError as error:
            raise DataError(f"{error.filename}: {error.strerror}") from None
        return decoding.decode_examples(
            encoded,
            np.asarray([label for _, label in chosen], np.int32),
            Places.named([str(file) for file, _ in chosen]),
            image_shape=image_shape,
            decode_fn=decode_fn,
        )

    sizes = {split: len(listed) for split, listed in files.items()}
    return examples.Source(sizes, class_names, read)


def _subdirectories(directory):
    if not directory.is_dir():
        return []
    return sorted(
        p
        for p in directory.iterdir()
        if p.is_dir() and not p.name.startswith(".")
    )


def _list_classes(directory):
    """Returns the image files of each class folder.

    Raises:
        DataError: Some folders have images, and another one has only other
            files. Without this error, a class would be lost.
    """
    listed, without_images = {}, []
    for child in _subdirectories(directory):
        files = [f for f in child.iterdir() if not f.name.startswith(".")]
        images = [f for f in files if f.suffix.lower() in _SUFFIXES]
        if images:
            listed[child.name] = images
        else:
            without_images += [f for f in files if f.is_file()][:1]
    if listed:
        raise_problems(
            "class folders with files but no image "
            f"({', '.join(sorted(_SUFFIXES))})",
            without_images,
        )
    return listed


def _sorted_by_hash(root, found, class_names):
    """Returns `(file, label)` pairs in a fixed order that mixes the classes.

    The order is by a hash of the path below the root. It is the same on every
    machine, and `train[:90%]` contains about 90 % of each class.
    """
    pairs = [
        (file, class_names.index(name))
        for name, files in found.items()
        for file in files
    ]
    return sorted(
        pairs,
        key=lambda pair: hashlib.sha256(
            pair[0].relative_to(root).as_posix().encode("utf-8", "replace")
        ).digest(),
    )
